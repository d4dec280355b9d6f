"""Backup copies of a SQLite file."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rae_auto.toolkit.files import open_private, sync_directory

MAX_COPIES = 3

COPY_INTERVAL = timedelta(days=1)
"""The age of the newest copy at which the next one is due."""

_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"


def list_copies(path: Path) -> list[Path]:
    """Return the copies of a file, the oldest first."""
    return sorted(path.parent.glob(f"{path.stem}-*.bak"))


def is_copy_due(path: Path, now: datetime) -> bool:
    """Return whether there is no copy, or the newest one is a day old."""
    copies = list_copies(path)
    return not copies or _written_at(path, copies[-1]) < now - COPY_INTERVAL


def make_copy(
    database: sqlite3.Connection,
    path: Path,
    now: datetime,
    max_copies: int,
    verify: Callable[[Path], None],
) -> None:
    """Make a copy of an open file, whole or not at all, and remove all but the newest `max_copies`.

    `verify` raises an error if the copy is not good; then no older copy is replaced. Errors: OSError, sqlite3.Error.
    """
    temporary = path.with_name(f".{path.stem}.bak.tmp")
    _remove(temporary)
    os.close(open_private(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            database.backup(copy)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        verify(temporary)
        temporary.replace(path.with_name(f"{path.stem}-{now:{_TIME_FORMAT}}.bak"))
    except BaseException:
        _remove(temporary)
        raise
    sync_directory(path.parent)
    for old in list_copies(path)[:-max_copies]:
        old.unlink()


def _written_at(path: Path, copy: Path) -> datetime:
    with suppress(ValueError):
        return datetime.strptime(copy.name[len(path.stem) + 1 : -len(".bak")], _TIME_FORMAT).replace(tzinfo=UTC)
    return datetime.fromtimestamp(copy.stat().st_mtime, UTC)


def _remove(temporary: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        temporary.with_name(temporary.name + ending).unlink(missing_ok=True)
