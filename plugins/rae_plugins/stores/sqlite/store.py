"""The SQLite store; its format and rules of recovery are in the package's docstring."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, cast

from attrs import define, field

from rae_auto.api.store import Append, Change, CorruptDocument, Document, LogQuery, Put, RetentionRule, Store
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.toolkit.files import DirectoryLock
from rae_auto.toolkit.mounts import network_type
from rae_plugins.stores import backup_copies
from rae_plugins.stores.checksum import checksum
from rae_plugins.stores.sqlite.schema import (
    APPLICATION_ID,
    FORMAT_VERSION,
    TABLES,
    create_private,
    error_text,
    is_usable_copy,
    quick_check,
    read_pragma,
)
from rae_plugins.stores.sqlite.statements import StatementBatch, find_expired, group_changes, select_entries

PRUNE_BATCH_SIZE = 500
"""Number of entries that are removed at once."""


@define(eq=False)
class SqliteStore(Store):
    """Keeps the state in one SQLite file, `state.sqlite`, in the state directory."""

    type: ClassVar[str] = "sqlite"

    _directory: Path = field(init=False, default=Path())
    _lock: DirectoryLock | None = field(init=False, default=None)
    _connection: sqlite3.Connection | None = field(init=False, default=None)

    @property
    def _path(self) -> Path:
        return self._directory / "state.sqlite"

    @property
    def _clean_mark(self) -> Path:
        """The mark that the last process closed the file; without it the file is checked when it is opened."""
        return self._directory / "state.clean"

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock, then open the file, or create it; return messages about repairs."""
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
        messages = []
        if is_new and (self._clean_mark.exists() or backup_copies.list_copies(self._path)):
            messages = self._restore_copy(
                "is missing or empty, though it existed",
                f"restore it, or remove {self._clean_mark} to start without a history",
            )
            is_new = False
        try:
            self._connect(is_new=is_new)
        except sqlite3.DatabaseError as error:
            self._disconnect()
            messages += self._restore_copy(f"can't be read ({error})", "restore a backup of it")
            self._connect(is_new=False)
        self._clean_mark.unlink(missing_ok=True)
        return messages

    def _restore_copy(self, problem: str, hint: str) -> list[str]:
        message = backup_copies.restore_newest(self._path, is_usable_copy, datetime.now(UTC))
        if message is None:
            raise StoreDamaged(f"{self._path} {problem}; {hint}")
        return [f"{self._path} {problem}: {message}"]

    def _connect(self, *, is_new: bool) -> None:
        """Open the file. Errors: sqlite3.DatabaseError if it is damaged, StoreError if it may be undamaged."""
        create_private(self._path)
        self._connection = sqlite3.connect(
            self._path, isolation_level=None, check_same_thread=False, cached_statements=32
        )
        try:
            self._prepare()
        except sqlite3.OperationalError as error:
            if is_new:
                self._path.unlink(missing_ok=True)
            raise StoreError(f"{self._path}: can't be opened ({error_text(error)})") from error

    def _prepare(self) -> None:
        database = self._database
        application, version = read_pragma(database, "application_id"), read_pragma(database, "user_version")
        if application not in (0, APPLICATION_ID):
            raise StoreDamaged(f"{self._path} belongs to another program; move it away")
        if version > FORMAT_VERSION:
            raise StoreDamaged(
                f"{self._path} was written by a newer rae-auto (format {version}); install that version or a later one"
            )
        # Every commit is synced, so a process that is killed leaves a consistent file.
        for setting in ("journal_mode = WAL", "synchronous = FULL", "cache_size = -1024", "temp_store = MEMORY"):
            database.execute(f"PRAGMA {setting}")
        if version == 0:
            database.executescript(
                f"BEGIN IMMEDIATE;{TABLES}"
                f"PRAGMA application_id = {APPLICATION_ID};PRAGMA user_version = {FORMAT_VERSION};COMMIT;"
            )
        elif not self._clean_mark.exists() and (result := quick_check(database)) != "ok":
            raise sqlite3.DatabaseError(result)

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store in {self._directory} is not open")
        return self._connection

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """Yield all documents of a kind by key; damaged ones as CorruptDocument."""
        rows = self._database.execute("SELECT key, body, crc FROM documents WHERE kind = ? ORDER BY key", (kind,))
        for key, body, crc in rows:
            try:
                yield key, self._decode(body, crc, kind, key)
            except StoreDamaged:
                yield key, CorruptDocument("its checksum is wrong", str(body))

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes in one synced transaction. Errors: StoreError."""
        # Encoded before the transaction begins: a body that is not JSON must not leave it open.
        self._write(list(group_changes(changes)))

    def _write(self, batches: Sequence[StatementBatch]) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            for statement, rows in batches:
                database.executemany(statement, rows)
            database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise StoreError(f"{self._path}: can't be written ({error_text(error)})") from error

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Errors: StoreDamaged."""
        sql, values = select_entries(log, query)
        rows = self._database.execute(sql, values).fetchall()
        for key, body, crc in rows:
            self._verify(body, crc, log, key)
        # Parsed at once, which takes less than half the time and shares the names of fields.
        documents: list[Document] = json.loads(f"[{','.join(body for _, body, _ in rows)}]")
        return documents

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove some hundred entries: old ones first, then those of jobs with too many."""
        database = self._database
        rows = list(islice(find_expired(database, log, keep), PRUNE_BATCH_SIZE))
        if rows:
            self._write([("DELETE FROM entries WHERE seq = ?", [(seq,) for seq, _ in rows])])
        elif backup_copies.is_copy_due(self._path, now := datetime.now(UTC)):
            # Here, because this is called every hour.
            self._make_copy(now)
        return [key for _, key in rows]

    def scrub(self) -> None:
        """Rewrite the file and its copies, because SQLite leaves deleted entries in free pages."""
        database = self._database
        try:
            database.execute("VACUUM")
            (is_busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: can't be written ({error_text(error)})") from error
        if is_busy:
            raise StoreError(f"{self._path}: is being read, so deleted entries are still in it; try again later")
        self._make_copy(datetime.now(UTC), max_copies=1)

    def dump(self) -> Iterator[Change]:
        """Yield everything, read in one transaction of a second connection. Errors: StoreDamaged."""
        _ = self._database
        changes = self._dump()
        # Advance to the begin of the read transaction: from then on it sees no later commit.
        next(changes)
        return cast("Iterator[Change]", changes)

    def _dump(self) -> Iterator[Change | None]:
        with closing(sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)) as database:
            try:
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM documents LIMIT 1").fetchone()
                yield None
                for kind, key, body, crc in database.execute("SELECT * FROM documents ORDER BY kind, key"):
                    yield Put(kind, key, self._decode(body, crc, kind, key))
                for _, log, key, job, state, at, body, crc in database.execute("SELECT * FROM entries ORDER BY seq"):
                    document = self._decode(body, crc, log, key)
                    yield Append(log, key, job, state, datetime.fromtimestamp(at, UTC), document)
            except sqlite3.DatabaseError as error:
                raise StoreDamaged(f"{self._path} can't be read ({error}); restore a backup of it") from error

    def close(self) -> None:
        """Copy the file if it was written to, close it, and release the lock."""
        if self._connection is not None:
            if self._connection.total_changes:
                # A failed copy does not harm the file itself.
                with suppress(StoreError):
                    self._make_copy(datetime.now(UTC))
            self._disconnect()
            with suppress(OSError):
                create_private(self._clean_mark)
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _make_copy(self, now: datetime, max_copies: int = backup_copies.MAX_COPIES) -> None:
        try:
            backup_copies.make_copy(self._database, self._path, now, max_copies)
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self._path}: can't be copied ({error_text(error)})") from error

    def _decode(self, body: str, crc: int, table: str, key: str) -> Document:
        self._verify(body, crc, table, key)
        document: dict[str, Any] = json.loads(body)
        return document

    def _verify(self, body: str, crc: int, table: str, key: str) -> None:
        # SQLite does not notice flipped bits itself.
        if checksum(body.encode()) != crc:
            raise StoreDamaged(f'{self._path}: the checksum of {table} "{key}" is wrong; restore a backup')
