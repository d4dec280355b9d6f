"""Backup copies of a SQLite file."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rae_auto.model.primitives.instants import as_utc
from rae_auto.toolkit.files import open_private, replace_file, sync_directory

MAX_COPIES = 3

COPY_INTERVAL = timedelta(days=1)
"""The age of the newest copy at which the next one is due."""

_STEP_PAGES = 1024
"""Pages that are copied at once: 4 MB, in some milliseconds."""

_SYNC_STEPS = 16
"""Steps after which the copy is synced, so that no sync takes long."""

_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


class CopyAbandoned(Exception):
    """A copy was given up because it took too long."""


def list_copies(path: Path) -> list[Path]:
    """Return the copies of a file, the oldest first."""
    return sorted(path.parent.glob(f"{path.stem}-*.bak"))


def newest_copy_at(path: Path) -> datetime | None:
    """Return when the newest copy of a file was made; None if there is none."""
    copies = list_copies(path)
    return written_at(path, copies[-1]) if copies else None


def is_copy_due(path: Path, now: datetime) -> bool:
    """Return whether there is no copy, the newest one is a day old, or the last attempt was given up or cut off."""
    copies = list_copies(path)
    return _temporary_path(path).exists() or not copies or written_at(path, copies[-1]) < now - COPY_INTERVAL


def make_copy(
    database: sqlite3.Connection,
    path: Path,
    now: datetime,
    max_copies: int,
    verify: Callable[[Path], None],
    is_over: Callable[[], bool] = lambda: False,
) -> None:
    """Make a copy of an open file, whole or not at all, and remove all but the newest `max_copies`.

    `verify` raises an error if the copy is not good; then no older copy is replaced. Once `is_over`, the copy is given
    up with CopyAbandoned, and is due. Errors: OSError, sqlite3.Error.
    """
    temporary = _temporary_path(path)
    _remove(temporary)
    os.close(open_private(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            _copy_in_steps(database, copy, temporary, is_over)
        with temporary.open("rb+") as file:  # Windows syncs only what can be written
            os.fsync(file.fileno())
        verify(temporary)
        replace_file(temporary, path.with_name(f"{path.stem}-{now:{_TIME_FORMAT}}.bak"))
    except CopyAbandoned:
        _remove(temporary)
        # The sign that a copy is due.
        temporary.touch(mode=0o600)
        raise
    except BaseException:
        _remove(temporary)
        raise
    sync_directory(path.parent)
    for old in list_copies(path)[:-max_copies]:
        old.unlink()


def _copy_in_steps(
    database: sqlite3.Connection, copy: sqlite3.Connection, path: Path, is_over: Callable[[], bool]
) -> None:
    steps = 0

    def check(_: int, remaining: int, __: int) -> None:
        nonlocal steps
        steps += 1
        if remaining and is_over():
            raise CopyAbandoned
        if steps % _SYNC_STEPS == 0:
            with path.open("rb+") as file:
                os.fsync(file.fileno())

    # In one transaction of reading: a commit between two steps would otherwise make the copy begin again.
    database.execute("BEGIN")
    try:
        database.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone()
        database.backup(copy, pages=_STEP_PAGES, progress=check)
    finally:
        database.execute("ROLLBACK")


def _temporary_path(path: Path) -> Path:
    return path.with_name(f".{path.stem}.bak.tmp")


def written_at(path: Path, copy: Path) -> datetime:
    """Return when a copy was made, by its name."""
    with suppress(ValueError):
        # Not by `strptime`, whose modules and patterns stay in memory.
        return as_utc(datetime.fromisoformat(copy.name[len(path.stem) + 1 : -len(".bak")]))
    return datetime.fromtimestamp(copy.stat().st_mtime, UTC)


def _remove(temporary: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        temporary.with_name(temporary.name + ending).unlink(missing_ok=True)
