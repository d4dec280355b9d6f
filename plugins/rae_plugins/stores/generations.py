"""Generations of a SQLite file: copies beside it, of which the newest good one serves when the file is damaged."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rae_auto.toolkit.files import open_private, sync_directory, whole_file

KEPT = 3

PERIOD = timedelta(days=1)
"""The age of the newest one at which another is due while the daemon runs."""

_NAMED = "%Y%m%dT%H%M%S.%fZ"


def of(path: Path) -> list[Path]:
    """The generations of a file, the oldest first."""
    return sorted(path.parent.glob(f"{path.stem}-*.bak"))


def is_due(path: Path, now: datetime) -> bool:
    """Whether the newest generation is a day old, or there is none."""
    known = of(path)
    return not known or _written_at(path, known[-1]) < now - PERIOD


def write(database: sqlite3.Connection, path: Path, now: datetime, kept: int = KEPT) -> None:
    """Make a generation of an open file, whole or not at all, and remove all but the newest `kept`.

    Errors: OSError, sqlite3.Error.
    """
    temporary = path.with_name(f".{path.stem}.bak.tmp")
    _remove(temporary)
    os.close(open_private(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(temporary)) as copy:
            database.backup(copy)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path.with_name(f"{path.stem}-{now:{_NAMED}}.bak"))
    except BaseException:
        _remove(temporary)
        raise
    sync_directory(path.parent)
    for old in of(path)[:-kept]:
        old.unlink()


def fall_back(path: Path, is_good: Callable[[sqlite3.Connection], bool], now: datetime) -> str | None:
    """Put the newest good generation in the place of a damaged file, which is kept; what to tell, or None: no good one.

    Cut off anywhere, the file is missing at worst, and the next start does the same again.
    """
    for generation in reversed(of(path)):
        if not _check(generation, is_good):
            continue
        aside = path.with_name(f"{path.name}.corrupt-{now:{_NAMED}}")
        if path.exists():
            path.rename(aside)
        for ending in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
        with generation.open("rb") as source, whole_file(path) as target:
            shutil.copyfileobj(source, target)
        since = _written_at(path, generation).isoformat(timespec="seconds")
        return (
            f"what was written after {since} is lost, {generation} serves instead; the damaged file is kept as {aside}"
        )
    return None


def _check(generation: Path, is_good: Callable[[sqlite3.Connection], bool]) -> bool:
    # Immutable, so that looking at it leaves no files beside it.
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{generation.as_uri()}?immutable=1", uri=True)) as database:
        return is_good(database)
    return False


def _written_at(path: Path, generation: Path) -> datetime:
    with suppress(ValueError):
        return datetime.strptime(generation.name[len(path.stem) + 1 : -len(".bak")], _NAMED).replace(tzinfo=UTC)
    return datetime.fromtimestamp(generation.stat().st_mtime, UTC)


def _remove(temporary: Path) -> None:
    for ending in ("", "-wal", "-shm", "-journal"):
        temporary.with_name(temporary.name + ending).unlink(missing_ok=True)
