"""The move of a restored store into its place, which a kill at any moment only delays.

A state directory has only one name, and things of jobs beside the store, so the files of a store can't be replaced by
one rename. The name of the directory in which the new store was built says how far the move is:

| directory | meaning | what `finish_move` does |
| --- | --- | --- |
| `.restored` | the new store is being built: nothing has changed | nothing; a restore builds again |
| `.restored-complete` | the new store counts; the files of the old one move aside | goes on with that |
| `.restored-moving` | the old files are aside; the new ones move into their place | goes on with that |

Each step from one row to the next is one rename. `finish_move` is called before a store is opened, so nothing ever
sees the state between.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from rae_auto.api.store import Setback
from rae_auto.errors import StoreError
from rae_auto.model.primitives.instants import format_instant
from rae_auto.paths import RESTORED_MARK
from rae_auto.records.setbacks import record_setback
from rae_auto.toolkit.files import DirectoryLock, sync_directory, write_atomically

BUILDING_DIRECTORY = ".restored"
COMPLETE_DIRECTORY = ".restored-complete"
MOVING_DIRECTORY = ".restored-moving"

OLD_STORE_PREFIX = "replaced-"

_OTHER_NAMES = (
    "lock", "control.sock", "control.port", "output", "executors", "triggers", "secrets", "presence.jsonl",
    "looked-last",
)  # fmt: skip
_OTHER_PREFIXES = ("rae-auto.", OLD_STORE_PREFIX, BUILDING_DIRECTORY)
"""The other contents of a state directory; among them the log, `rae-auto.log`, and its older parts."""


def is_of_store(path: Path) -> bool:
    """Return whether a file in a state directory belongs to the store."""
    return path.name not in _OTHER_NAMES and not path.name.startswith(_OTHER_PREFIXES)


def finish_move(directory: Path) -> str | None:
    """Finish a restore that was interrupted, and return a message about it. Errors: StoreLocked, StoreError."""
    if not ((directory / COMPLETE_DIRECTORY).exists() or (directory / MOVING_DIRECTORY).exists()):
        return None
    lock = DirectoryLock(directory)
    try:
        aside = move_into_place(directory)
    except OSError as error:
        raise StoreError(f"{directory}: a restore can't be finished ({error.strerror})") from error
    finally:
        lock.release()
    return f"{directory}: a restore was interrupted and is finished now" + (
        f"; the old store is in {aside}" if aside else ""
    )


def note_setback(directory: Path, setback: Setback, *, is_restore: bool = False) -> None:
    """Note durably that the store is in an older state, for this start or the next. Errors: StoreError."""
    since = "unknown" if setback.since is None else format_instant(setback.since)
    mark = directory / RESTORED_MARK
    try:
        record_setback(directory, setback, is_restore=is_restore)
        write_atomically(mark, since.encode())
    except OSError as error:
        raise StoreError(f"{mark}: can't be written ({error.strerror})") from error


def move_into_place(directory: Path) -> Path | None:
    """Move the old store aside and the new one into its place; return where the old one is. The lock is held."""
    complete, moving, aside = directory / COMPLETE_DIRECTORY, directory / MOVING_DIRECTORY, None
    if complete.exists():
        aside = _move_aside([path for path in directory.iterdir() if is_of_store(path)], directory)
        complete.rename(moving)
        sync_directory(directory)
    for path in moving.iterdir():
        if is_of_store(path):
            path.rename(directory / path.name)
    sync_directory(directory)
    shutil.rmtree(moving)
    return aside


def _move_aside(old: list[Path], directory: Path) -> Path | None:
    if not old:
        return None
    aside = directory / f"{OLD_STORE_PREFIX}{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    aside.mkdir(mode=0o700)
    for path in old:
        path.rename(aside / path.name)
    sync_directory(aside)
    return aside
