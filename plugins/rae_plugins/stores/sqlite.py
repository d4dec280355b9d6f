"""Keeps state in one SQLite file: every commit survives a power cut."""

import json
import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, cast

from attrs import define, field

from rae_auto.api.store import Append, Change, CorruptDocument, Delete, Document, LogQuery, Put, RetentionRule, Store
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.files import DirectoryLock, open_private
from rae_auto.toolkit.mounts import network_type
from rae_plugins.stores import generations

APPLICATION_ID = 0x5241_4541
"""'RAEA', by which `file` and we know our own files."""

FORMAT = 1

_TABLES = """
CREATE TABLE documents (kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL,
    PRIMARY KEY (kind, key)) WITHOUT ROWID;
CREATE TABLE entries (seq INTEGER PRIMARY KEY, log TEXT NOT NULL, key TEXT NOT NULL, job TEXT NOT NULL,
    state TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL, crc INTEGER NOT NULL);
CREATE UNIQUE INDEX entries_by_key ON entries (log, key);
CREATE INDEX entries_by_time ON entries (log, at, seq);
CREATE INDEX entries_by_job ON entries (log, job, at, seq, state);
CREATE INDEX entries_by_state ON entries (log, state, at, seq);
"""

_PUT = "INSERT INTO documents VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body, crc = excluded.crc"
_DELETE = "DELETE FROM documents WHERE kind = ? AND key = ?"
_APPEND = "INSERT OR REPLACE INTO entries (log, key, job, state, at, body, crc) VALUES (?, ?, ?, ?, ?, ?, ?)"

STEP = 500
"""How many entries are removed at once."""


@define(eq=False)
class SqliteStore(Store):
    """One SQLite file, `state.sqlite`, in the state directory."""

    type: ClassVar[str] = "sqlite"

    _directory: Path = field(init=False, default=Path())
    _lock: DirectoryLock | None = field(init=False, default=None)
    _connection: sqlite3.Connection | None = field(init=False, default=None)

    @property
    def _path(self) -> Path:
        return self._directory / "state.sqlite"

    @property
    def _clean(self) -> Path:
        """A mark that the last process closed the file; without it the file is checked when opened."""
        return self._directory / "state.clean"

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock, then open the file, or make it where there is none."""
        self._directory = directory
        self._lock = DirectoryLock(directory)
        try:
            return self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> Sequence[str]:
        if (kind := network_type(self._directory)) is not None:
            raise StoreError(
                f"{self._directory} is on a network file system ({kind}), where SQLite can lose what it wrote; "
                'set RAE_STATE_DIR to a local directory, or use store = "json"'
            )
        is_new = not self._path.exists() or self._path.stat().st_size == 0
        told = []
        if is_new and (self._clean.exists() or generations.of(self._path)):
            told = self._fall_back(
                "is gone or empty, though it was there", f"restore it, or remove {self._clean} to start anew"
            )
            is_new = False
        try:
            self._connect(is_new=is_new)
        except sqlite3.DatabaseError as error:
            self._disconnect()
            told += self._fall_back(f"can't be read ({error})", "restore a backup of it")
            self._connect(is_new=False)
        self._clean.unlink(missing_ok=True)
        return told

    def _fall_back(self, why: str, remedy: str) -> list[str]:
        told = generations.fall_back(self._path, _is_whole, datetime.now(UTC))
        if told is None:
            raise StoreDamaged(f"{self._path} {why}; {remedy}")
        return [f"{self._path} {why}: {told}"]

    def _connect(self, *, is_new: bool) -> None:
        """Open the file. Errors: sqlite3.DatabaseError where it is damaged, StoreError where it may be sound."""
        _make_private(self._path)
        self._connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._prepare()
        except sqlite3.OperationalError as error:
            if is_new:
                self._path.unlink(missing_ok=True)
            raise StoreError(f"{self._path}: can't be opened ({_reason(error)})") from error

    def _prepare(self) -> None:
        database = self._database
        application, version = _pragma(database, "application_id"), _pragma(database, "user_version")
        if application not in (0, APPLICATION_ID):
            raise StoreDamaged(f"{self._path} belongs to another program; move it away")
        if version > FORMAT:
            raise StoreDamaged(f"{self._path} was written by a newer rae-auto (format {version}); use that one")
        # A writer that is cut off must find the file whole: every commit is synced.
        for setting in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -1024", "temp_store = MEMORY"):
            database.execute(f"PRAGMA {setting}")
        if version == 0:
            database.executescript(
                f"BEGIN IMMEDIATE;{_TABLES}"
                f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {FORMAT};COMMIT;"
            )
        elif not self._clean.exists() and (verdict := _verdict(database)) != "ok":
            raise sqlite3.DatabaseError(verdict)

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store in {self._directory} isn't open")
        return self._connection

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """All documents of a kind, by key."""
        rows = self._database.execute("SELECT key, body, crc FROM documents WHERE kind = ? ORDER BY key", (kind,))
        for key, body, crc in rows:
            try:
                yield key, self._document(body, crc, kind, key)
            except StoreDamaged:
                yield key, CorruptDocument("it isn't what was written", str(body))

    def commit(self, changes: Sequence[Change]) -> None:
        """All changes in one transaction, synced."""
        # Before the transaction: a body that isn't JSON must not leave it open.
        self._transact(list(_batches(changes)))

    def _transact(self, batches: "Sequence[_Batch]") -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for statement, rows in batches:
                database.executemany(statement, rows)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise StoreError(f"{self._path}: can't be written ({_reason(error)})") from error

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Entries of a log, newest first."""
        conditions, values = _in_log(log, query.states)
        for column, value in (("job", query.job), ("key", query.key)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        for comparison, instant in ((">=", query.since), ("<=", query.until)):
            if instant is not None:
                conditions.append(f"at {comparison} {instant.timestamp()!r}")
        where = " AND ".join(conditions)
        # Column names and numbers are ours; what comes from outside is bound.
        sql = f"SELECT key, body, crc FROM entries WHERE {where} ORDER BY at DESC, seq DESC LIMIT {query.limit:d}"  # noqa: S608
        rows = self._database.execute(sql, values).fetchall()
        for key, body, crc in rows:
            self._check(body, crc, log, key)
        # All at once: that takes less than half the time, and names of fields are kept once.
        documents: list[Document] = json.loads(f"[{','.join(body for _, body, _ in rows)}]")
        return documents

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove some hundred entries: old ones first, then those of jobs that have too many."""
        database = self._database
        rows = list(islice(_surplus(database, log, keep), STEP))
        if rows:
            self._transact([("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _ in rows])])
        elif generations.is_due(self._path, now := datetime.now(UTC)):
            # Here, since this is called every hour.
            self._add_generation(now)
        return [key for _, key in rows]

    def scrub(self) -> None:
        """Write the file anew, since SQLite leaves what was deleted in free pages, and its generations too."""
        database = self._database
        try:
            database.execute("VACUUM")
            (is_busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: can't be written ({_reason(error)})") from error
        if is_busy:
            raise StoreError(f"{self._path}: is being read at present and keeps what was deleted; do it again later")
        self._add_generation(datetime.now(UTC), kept=1)

    def dump(self) -> Iterator[Change]:
        """Everything, read in one transaction of another connection."""
        _ = self._database
        changes = self._dump()
        # Up to where it has begun to read: from then on it sees nothing newer.
        next(changes)
        return cast("Iterator[Change]", changes)

    def _dump(self) -> Iterator[Change | None]:
        with closing(sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)) as database:
            try:
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM documents LIMIT 1").fetchone()
                yield None
                for kind, key, body, crc in database.execute("SELECT * FROM documents ORDER BY kind, key"):
                    yield Put(kind, key, self._document(body, crc, kind, key))
                for _, log, key, job, state, at, body, crc in database.execute("SELECT * FROM entries ORDER BY seq"):
                    document = self._document(body, crc, log, key)
                    yield Append(log, key, job, state, datetime.fromtimestamp(at, UTC), document)
            except sqlite3.DatabaseError as error:
                raise StoreDamaged(f"{self._path} can't be read ({error}); restore a backup of it") from error

    def close(self) -> None:
        """Close the file and let the lock go; where something was written, after a copy of it was made."""
        if self._connection is not None:
            if self._connection.total_changes:
                # What can't be copied is whole all the same.
                with suppress(StoreError):
                    self._add_generation(datetime.now(UTC))
            self._disconnect()
            with suppress(OSError):
                _make_private(self._clean)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _add_generation(self, now: datetime, kept: int = generations.KEPT) -> None:
        try:
            generations.write(self._database, self._path, now, kept)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self._path}: can't be copied ({_reason(error)})") from error

    def _document(self, body: str, crc: int, place: str, key: str) -> Document:
        self._check(body, crc, place, key)
        document: dict[str, Any] = json.loads(body)
        return document

    def _check(self, body: str, crc: int, place: str, key: str) -> None:
        # SQLite doesn't notice flipped bits by itself.
        if zlib.crc32(body.encode()) != crc:
            raise StoreDamaged(f"{self._path}: {place} {key!r} isn't what was written; restore a backup")


def _in_log(log: str, states: Sequence[str]) -> tuple[list[str], list[Any]]:
    """Conditions, and the values to bind to them."""
    if not states:
        return ["log = ?"], [log]
    return ["log = ?", f"state IN ({', '.join('?' * len(states))})"], [log, *states]


def _surplus(database: sqlite3.Connection, log: str, keep: RetentionRule) -> Iterator[tuple[int, str]]:
    """Number and key of the entries that need not stay; each is told once."""
    conditions, values = _in_log(log, keep.states)
    # Only names of columns stand in it; what comes from outside is bound.
    where, since = " AND ".join(conditions), keep.since.timestamp()
    yield from database.execute(f"SELECT seq, key FROM entries WHERE {where} AND at < ?", (*values, since))  # noqa: S608
    recent, bound = f"FROM entries WHERE {where} AND at >= ?", (*values, since)
    crowded = f"SELECT job {recent} GROUP BY job HAVING count(*) > ?"
    last = f"SELECT seq, key {recent} AND job = ? ORDER BY at DESC, seq DESC LIMIT -1 OFFSET ?"
    for (job,) in database.execute(crowded, (*bound, keep.newest)).fetchall():
        yield from database.execute(last, (*bound, job, keep.newest))


_Batch = tuple[str, list[tuple[Any, ...]]]


def _batches(changes: Sequence[Change]) -> Iterator[_Batch]:
    """Statements with the rows of neighbouring changes of one type, in the order of the changes."""
    statement = ""
    rows: list[tuple[Any, ...]] = []
    for change in changes:
        wanted, row = _row(change)
        if wanted != statement and rows:
            yield statement, rows
            rows = []
        statement = wanted
        rows.append(row)
    if rows:
        yield statement, rows


def _row(change: Change) -> tuple[str, tuple[Any, ...]]:
    match change:
        case Put(kind, key, body):
            text, crc = _packed(body)
            return _PUT, (kind, key, text, crc)
        case Delete(kind, key):
            return _DELETE, (kind, key)
        case Append(log, key, job, state, at, body):
            text, crc = _packed(body)
            return _APPEND, (log, key, job, str(state), at.astimezone(UTC).timestamp(), text, crc)


def _packed(body: Document) -> tuple[str, int]:
    text = json.dumps(body, separators=(",", ":"))
    return text, zlib.crc32(text.encode())


def _verdict(database: sqlite3.Connection) -> str:
    (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    return str(verdict)


def _is_whole(database: sqlite3.Connection) -> bool:
    """Whether a copy is one that this version can serve from."""
    return (
        _pragma(database, "application_id") == APPLICATION_ID
        and _pragma(database, "user_version") <= FORMAT
        and _verdict(database) == "ok"
    )


def _reason(error: Exception) -> str:
    is_full = getattr(error, "sqlite_errorname", "") == "SQLITE_FULL"
    return "no space left on device" if is_full else str(error)


def _pragma(database: sqlite3.Connection, name: str) -> int:
    (value,) = database.execute(f"PRAGMA {name}").fetchone()
    return int(value)


def _make_private(path: Path) -> None:
    """Have the file with the rights that SQLite would not give it."""
    try:
        os.close(open_private(path, os.O_RDWR | os.O_CREAT))
    except OSError as error:
        raise StoreError(f"{path}: can't be opened ({error.strerror})") from error


@hookimpl
def rae_stores() -> list[type[Store]]:
    """The SQLite store."""
    return [SqliteStore]
