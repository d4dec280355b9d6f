"""The tables of the SQLite store, and checks of a file against them."""

import os
import sqlite3
from pathlib import Path

from rae_auto.errors import StoreError
from rae_auto.toolkit.files import open_private

APPLICATION_ID = 0x5241_4541
"""'RAEA': marks the files of rae-auto, also for file(1)."""

FORMAT_VERSION = 1

TABLES = """
CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE entries (seq INTEGER PRIMARY KEY, log TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL,
    state TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE UNIQUE INDEX entries_by_key ON entries (log, key);
CREATE INDEX entries_by_time ON entries (log, at, seq);
CREATE INDEX entries_by_job ON entries (log, job, at, seq, state);
CREATE INDEX entries_by_state ON entries (log, state, at, seq);
"""


def read_pragma(database: sqlite3.Connection, name: str) -> int:
    """Return the value of a pragma."""
    (value,) = database.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def quick_check(database: sqlite3.Connection) -> str:
    """Return the first problem that SQLite finds in a file, or "ok"."""
    (result,) = database.execute("PRAGMA quick_check(1)").fetchone()
    return str(result)


def is_usable_copy(database: sqlite3.Connection) -> bool:
    """Return whether a backup copy is undamaged and of a known format."""
    return (
        read_pragma(database, "application_id") == APPLICATION_ID
        and read_pragma(database, "user_version") <= FORMAT_VERSION
        and quick_check(database) == "ok"
    )


def error_text(error: Exception) -> str:
    """Return the reason of an error in plain words."""
    is_full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return "no space left on device" if is_full else str(error)


def create_private(path: Path) -> None:
    """Create a file for the owner alone, which SQLite itself would not do."""
    try:
        os.close(open_private(path, os.O_RDWR | os.O_CREAT))
    except OSError as error:
        raise StoreError(f"{path}: can't be opened ({error.strerror})") from error
