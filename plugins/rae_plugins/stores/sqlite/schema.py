"""The SQLite store's file: its tables, the constants in its header, checks against both, and its URI."""

import os
import sqlite3
import struct
from pathlib import Path
from typing import Any

from rae_plugins.stores.commit_line import CommitLine, find_commit_line

APPLICATION_ID = 0x5241_4541
"""'RAEA': marks the files of rae-auto, also for file(1)."""

FORMAT_VERSION = 1

PAGE_BYTES = 4096

_QUOTED = str.maketrans({"%": "%25", "?": "%3f", "#": "%23"})
"""The signs of a name that mean something in a URI."""

# The page of the first table is page 2, where `wal_check` looks for the last commit.
TABLES = (
    "CREATE TABLE last_commit (id INTEGER PRIMARY KEY CHECK (id = 0), line BLOB NOT NULL)",
    """CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (kind, key)) WITHOUT ROWID""",
    """CREATE TABLE entries (seq INTEGER PRIMARY KEY, log TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL,
    state TEXT NOT NULL, at REAL NOT NULL, ended REAL, body TEXT NOT NULL, crc INTEGER NOT NULL)""",
    "CREATE UNIQUE INDEX entries_by_key ON entries (log, key)",
    "CREATE INDEX entries_by_time ON entries (log, at, seq)",
    "CREATE INDEX entries_by_job ON entries (log, job, at, seq, state)",
    "CREATE INDEX entries_by_state ON entries (log, state, at, seq)",
    "CREATE INDEX entries_by_end ON entries (log, ended, seq, state) WHERE ended IS NOT NULL",
    """CREATE TABLE entry_counts (log TEXT NOT NULL, job TEXT NOT NULL, state TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (log, job, state)) WITHOUT ROWID""",
    """CREATE TRIGGER count_added AFTER INSERT ON entries BEGIN
    INSERT INTO entry_counts VALUES (new.log, new.job, new.state, 1)
    ON CONFLICT DO UPDATE SET count = count + 1; END""",
    """CREATE TRIGGER count_removed AFTER DELETE ON entries BEGIN
    UPDATE entry_counts SET count = count - 1 WHERE log = old.log AND job = old.job AND state = old.state;
    DELETE FROM entry_counts WHERE log = old.log AND job = old.job AND state = old.state AND count <= 0; END""",
)

COUNT_REPLACED = "PRAGMA recursive_triggers = ON"
"""A setting of each connection that writes: an entry that replaces another counts as added and the other as removed."""

_TRUE_COUNTS = "SELECT log, job, state, count(*) FROM entries GROUP BY log, job, state"

_WRONG_COUNTS = """SELECT
    (SELECT count(*) FROM entry_counts AS c WHERE c.count <> (SELECT count(*) FROM entries INDEXED BY entries_by_job
        WHERE log = c.log AND job = c.job AND state = c.state)),
    (SELECT count(*) FROM entries) - (SELECT ifnull(sum(count), 0) FROM entry_counts)"""
"""In how many groups the number is wrong, and how many entries are in groups that have none: one state of the file."""

COUNT_AGAIN = ("DELETE FROM entry_counts", f"INSERT INTO entry_counts {_TRUE_COUNTS}")
"""Statements that make the numbers of entries right again after damage."""

SET_LAST_COMMIT = "INSERT OR REPLACE INTO last_commit VALUES (0, ?)"

_STATEMENTS = frozenset(map(str.encode, TABLES))

_NO_DAMAGE = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_AUTH,
    }
)  # fmt: skip

# Offset and content of what never changes in the header (https://www.sqlite.org/fileformat2.html#database_header).
_CONSTANTS = (
    (0, b"SQLite format 3\0"),
    (16, struct.pack(">H", PAGE_BYTES)),
    (18, b"\2\2"),  # written and read with a write-ahead log
    (20, b"\0\x40\x20\x20"),  # no reserved bytes; the fractions of payloads
    (44, struct.pack(">2I", 4, 0)),  # the format of the schema; the default of the cache
    (52, struct.pack(">2I", 0, 1)),  # no automatic vacuum; UTF-8
    (60, struct.pack(">3I", FORMAT_VERSION, 0, APPLICATION_ID)),
    (72, bytes(20)),
)


def fix_header(header: bytes) -> bytes:
    """Return the header of a file with all constants of the format in their places."""
    fixed = bytearray(header)
    for offset, content in _CONSTANTS:
        fixed[offset : offset + len(content)] = content
    return bytes(fixed)


def is_header_good(header: bytes) -> bool:
    """Return whether all constants are in their places."""
    return len(header) >= 100 and fix_header(header) == header


def fill(database: sqlite3.Connection, line: CommitLine) -> None:
    """Create the tables in an empty database."""
    database.executescript(
        f"PRAGMA page_size = {PAGE_BYTES};PRAGMA journal_mode = MEMORY;BEGIN IMMEDIATE;{';'.join(TABLES)};"
        f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {FORMAT_VERSION};COMMIT;"
    )
    database.execute(SET_LAST_COMMIT, (line.encode(),))
    database.execute(COUNT_REPLACED)


def finish_new_file(path: Path) -> None:
    """Give a database that was made with a rollback journal the header of the format, and sync it. Errors: OSError."""
    with path.open("r+b") as file:
        header = file.read(100)
        file.seek(0)
        file.write(fix_header(header))
        file.flush()
        os.fsync(file.fileno())


def read_versions(header: bytes) -> tuple[int, int]:
    """Return the application id and the version of the format in a header."""
    version, _, application = struct.unpack_from(">3I", header, 60)
    return application, version


def has_our_tables(database: sqlite3.Connection) -> bool:
    """Return whether a file has the tables and indexes of this format, and nothing else."""
    rows = database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {as_bytes(sql) for (sql,) in rows} == _STATEMENTS


def has_right_counts(database: sqlite3.Connection) -> bool:
    """Return whether the numbers of entries, which have no checksums, are those of the entries."""
    # Not grouped, which SQLite sorts: with ten million entries in 700 MB of memory.
    ((wrong, difference),) = database.execute(_WRONG_COUNTS)
    return not wrong and not difference


def read_last_commit(database: sqlite3.Connection) -> CommitLine | None:
    """Return the last commit in a file, or None if its line is damaged."""
    row = database.execute("SELECT line FROM last_commit").fetchone()
    return None if row is None else find_commit_line(as_bytes(row[0]))


def as_bytes(value: Any) -> bytes:
    """Return the bytes of a possibly damaged text."""
    return value if isinstance(value, bytes) else str(value).encode(errors="backslashreplace")


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file is damaged, and not that the disk or the permissions refuse."""
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and code is not None and code & 0xFF not in _NO_DAMAGE


def error_text(error: Exception) -> str:
    """Return the reason of an error in plain words."""
    is_full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return "no space left on device" if is_full else str(error)


def uri_of(path: Path, mode: str) -> str:
    """Return the URI of a file (absolute path) with a parameter, such as `mode=ro`.

    `Path.as_uri` would load what all other URIs need, 0.6 MB. The bytes of a name that are no text stay as they are.
    """
    name = path.as_posix().translate(_QUOTED)
    return f"file://{'' if name.startswith('/') else '/'}{name}?{mode}"
