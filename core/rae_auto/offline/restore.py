"""Making a store anew from a backup, while no daemon runs.

The new store is made beside the old one and takes its place when it is complete; the old one is moved aside.
"""

import shutil
from datetime import datetime
from itertools import islice
from pathlib import Path

from attrs import frozen

from rae_auto.api.store import Store
from rae_auto.config import load
from rae_auto.errors import StoreError
from rae_auto.paths import state_directory
from rae_auto.records.backup_files import Backup, changes_of, examine
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.clock import SystemClock
from rae_auto.toolkit.files import DirectoryLock, private_directory, sync_directory

BATCH = 1000
"""How many changes are committed at once."""

FRESH = ".restored"
ASIDE = "replaced-"
BESIDE_THE_STORE = ("lock", "control.sock", "output", "executors", "triggers", FRESH)
"""What else lies in a state directory; also the log, `rae-auto.log`, and its older parts."""


@frozen
class Restored:
    """What was restored, and where the old store has gone, if there was one."""

    backup: Backup
    aside: Path | None


def restore(config_path: Path, source: Path, *, replace: bool) -> Restored:
    """Make the store of the configuration anew from a backup, of whatever kind of store that is.

    Errors: ConfigError, StoreLocked (a daemon runs), StoreDamaged (the backup), StoreError (there is a store, and
    not `replace`; or the disk). Nothing is changed then.
    """
    registry = Registry()
    config = load(config_path, registry)
    backup = examine(source)
    directory = private_directory(state_directory())
    lock = DirectoryLock(directory)
    try:
        old = [path for path in directory.iterdir() if _is_of_store(path)]
        if old and not replace:
            raise StoreError(f"{directory} has a store already; 'rae-auto restore --replace' moves it aside")
        fresh = _made(PluginFactory(registry, config.timezone).store(config.store), directory / FRESH, source)
        aside = _moved_aside(old, directory, SystemClock().now().wall)
        for path in fresh.iterdir():
            if _is_of_store(path):
                path.rename(directory / path.name)
        sync_directory(directory)
        shutil.rmtree(fresh)
    finally:
        lock.release()
    return Restored(backup, aside)


def _is_of_store(path: Path) -> bool:
    return path.name not in BESIDE_THE_STORE and not path.name.startswith(("rae-auto.", ASIDE))


def _made(store: Store, directory: Path, source: Path) -> Path:
    """The directory with a new store that holds the backup."""
    if directory.exists():
        # Left by one that was interrupted.
        shutil.rmtree(directory)
    store.open(private_directory(directory))
    try:
        if next(store.dump(), None) is not None:
            raise StoreError(f"the {store.type} store isn't empty, and lies elsewhere; empty it first")
        changes = changes_of(source)
        while batch := list(islice(changes, BATCH)):
            store.commit(batch)
    finally:
        store.close()
    sync_directory(directory)
    return directory


def _moved_aside(old: list[Path], directory: Path, now: datetime) -> Path | None:
    if not old:
        return None
    aside = directory / f"{ASIDE}{now:%Y%m%dT%H%M%S.%fZ}"
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    sync_directory(aside)
    return aside
