"""Restores a store from a backup while no daemon runs.

The new store is built in a directory of its own, beside the old one, and takes its place when it is complete; the old
one is moved aside. If anything fails before that, nothing has changed.
"""

import shutil
from datetime import datetime
from itertools import islice
from pathlib import Path

from attrs import frozen

from rae_auto.errors import StoreError
from rae_auto.offline.project import Project
from rae_auto.paths import state_directory
from rae_auto.records.backup_files import Backup, changes_of, examine
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.toolkit.files import DirectoryLock, create_private_directory, sync_directory

BATCH_SIZE = 1000
"""The number of changes committed at once."""

NEW_STORE_DIRECTORY = ".restored"
OLD_STORE_PREFIX = "replaced-"
OTHER_NAMES = ("lock", "control.sock", "output", "executors", "triggers", NEW_STORE_DIRECTORY)
"""The other contents of a state directory; also the log, `rae-auto.log`, and its older parts."""


@frozen
class RestoreResult:
    """A backup that was restored, and the directory of the old store, if there was one."""

    backup: Backup
    aside: Path | None


def restore(project: Project, source: Path, *, replace: bool) -> RestoreResult:
    """Create the store of a project from a backup, which may be of another kind of store.

    Errors: StoreLocked if a daemon is running; StoreDamaged if the backup is; StoreError if there is a store and not
    `replace`, or if the disk fails. After an error nothing has changed.
    """
    backup = examine(source)
    directory = create_private_directory(state_directory())
    lock = DirectoryLock(directory)
    try:
        old = [path for path in directory.iterdir() if _is_of_store(path)]
        if old and not replace:
            raise StoreError(f"{directory} already has a store; 'rae-auto restore --replace' moves it aside")
        new = _build_store(project, directory / NEW_STORE_DIRECTORY, source)
        aside = _move_aside(old, directory, SystemClock().now().wall)
        for path in new.iterdir():
            if _is_of_store(path):
                path.rename(directory / path.name)
        sync_directory(directory)
        shutil.rmtree(new)
    finally:
        lock.release()
    return RestoreResult(backup, aside)


def _is_of_store(path: Path) -> bool:
    return path.name not in OTHER_NAMES and not path.name.startswith(("rae-auto.", OLD_STORE_PREFIX))


def _build_store(project: Project, directory: Path, source: Path) -> Path:
    """Build a new store from the backup in a directory, and return the directory."""
    if directory.exists():
        # An earlier attempt was interrupted.
        shutil.rmtree(directory)
    with project.open_store(create_private_directory(directory)) as store:
        if next(store.dump(), None) is not None:
            # A store on a server, say, that the directory has nothing to do with.
            raise StoreError(f"the {store.type} store is outside the state directory and not empty; empty it first")
        changes = changes_of(source)
        while batch := list(islice(changes, BATCH_SIZE)):
            store.commit(batch)
    sync_directory(directory)
    return directory


def _move_aside(old: list[Path], directory: Path, now: datetime) -> Path | None:
    if not old:
        return None
    aside = directory / f"{OLD_STORE_PREFIX}{now:%Y%m%dT%H%M%S.%fZ}"
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    sync_directory(aside)
    return aside
