"""The SQLite store; its format and rules of recovery are in the package's docstring."""

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar, cast

from attrs import Factory, define, field
from loguru import logger

from rae_auto.api.store import (
    Change,
    CorruptDocument,
    Document,
    LogQuery,
    PackedDocument,
    Put,
    RetentionRule,
    Setback,
    Store,
)
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.toolkit.files import DirectoryLock, is_locked, read_identity, remove_set_aside
from rae_auto.toolkit.mounts import network_type
from rae_plugins.stores import backup_copies
from rae_plugins.stores.commit_line import CommitLine, CommitMark
from rae_plugins.stores.sqlite.checkpointing import Checkpointer
from rae_plugins.stores.sqlite.copying import FileCopier, find_copy_problems
from rae_plugins.stores.sqlite.counting import EntryCounter
from rae_plugins.stores.sqlite.opening import FileOpener, connect, connect_for_reading, trim_cache
from rae_plugins.stores.sqlite.reading import SqliteReader, parse_entries, read_bodies, read_documents, read_packed
from rae_plugins.stores.sqlite.row_statements import RowStatement, once
from rae_plugins.stores.sqlite.rows import (
    SELECT_DOCUMENTS,
    SELECT_ENTRIES,
    as_append,
    as_text,
    find_bad_entry,
    is_good_document,
    is_good_entry,
)
from rae_plugins.stores.sqlite.schema import (
    COUNT_AGAIN,
    SET_LAST_COMMIT,
    error_text,
    has_right_counts,
    is_damage,
    read_last_commit,
)
from rae_plugins.stores.sqlite.statements import (
    CORRECT_KIND,
    DELETE_DAMAGED,
    delete_entries,
    find_expired,
    group_changes,
)
from rae_plugins.stores.sqlite.verification import write_proof

if TYPE_CHECKING:
    from rae_plugins.stores.sqlite.later_check import Findings, LaterCheck

PRUNE_STEP_SECONDS = 0.005
"""Time that a step of pruning is to take, because commits wait for it."""

MIN_PRUNED, MAX_PRUNED = 10, 500
"""Numbers of entries between which a step chooses, by the time that the last one took."""

CLOSE_COPY_SECONDS = 1.5
"""Time for the copy when the store is closed, because a stop has little time for it."""

T = TypeVar("T")


@define(eq=False)
class SqliteStore(EntryCounter, Store):
    """Keeps the state in one SQLite file, `state.sqlite`, in the state directory."""

    type: ClassVar[str] = "sqlite"

    _directory: Path = field(init=False, default=Path())
    _lock: DirectoryLock | None = field(init=False, default=None)
    _connection: sqlite3.Connection | None = field(init=False, default=None)
    _mark: CommitMark | None = field(init=False, default=None)
    _last: CommitLine = field(init=False, factory=CommitLine.first)
    _floor: int = field(init=False, default=0)
    """The largest number that a commit had, which the store may have lost."""
    _setback: Setback | None = field(init=False, default=None)
    _identity: tuple[int, int] | None = field(init=False, default=None)
    """The device and inode of the open file."""
    _reader: SqliteReader | None = field(init=False, default=None)
    _prune_size: int = field(init=False, default=100)
    _skipped: set[int] = field(init=False, factory=set)
    _copier: FileCopier = field(init=False, factory=lambda: FileCopier(Path()))
    _checkpointer: Checkpointer = field(
        init=False, default=Factory(lambda self: Checkpointer(lambda: connect(self._path)), takes_self=True)
    )
    _later_check: Any = field(init=False, default=None)
    """The `LaterCheck` of what the start has left unchecked, until it has ended; None if it checked everything."""
    _is_suspect: bool = field(init=False, default=False)
    """Damage was met that the next start has to look for."""

    @property
    def _path(self) -> Path:
        return self._directory / "state.sqlite"

    def newest_copy_at(self) -> datetime | None:
        """Return when the newest verified copy was made; None if there is none."""
        return None if self._directory is None else backup_copies.newest_copy_at(self._path)

    @property
    def setback(self) -> Setback | None:
        """The commits that were lost when the store was opened or repaired; None if there are none."""
        return self._setback

    @property
    def skipped_entries(self) -> int:
        """The number of damaged entries that were met since the store was opened."""
        return len(self._skipped)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return what is wrong with the copies in a state directory."""
        return tuple(find_copy_problems(directory / self._path.name, datetime.now(UTC)))

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock, then open the file, or create it; return messages about repairs."""
        self._directory, self._is_suspect, self._skipped = directory, False, set()
        self._lock = DirectoryLock(directory)
        try:
            if (kind := network_type(directory)) is not None:
                raise StoreError(
                    f"{directory} is on a network file system ({kind}), where SQLite can lose what it wrote; "
                    'set RAE_STATE_DIR to a local directory, or use store = "json"'
                )
            self._copier = FileCopier(self._path, self._wait_for_reads)
            opener = FileOpener(self._path)
            messages = self._of_disk(opener.prepare)
            self._take(opener)
        except BaseException:
            self.close()
            raise
        return messages

    def open_read_only(self, directory: Path) -> Sequence[str]:
        """Open the file for reading without the lock, and repair nothing; return messages about damage."""
        self._directory, self._is_suspect, self._skipped = directory, False, set()
        self._connection, messages = self._of_disk(
            lambda: connect_for_reading(self._path, is_in_use=is_locked(directory))
        )
        return messages

    def _take(self, opener: FileOpener) -> None:
        """Connect to the file that has been checked."""
        self._setback, self._floor = opener.setback, opener.floor
        self._connection = self._of_disk(lambda: connect(self._path))
        self._identity = read_identity(self._path)
        last = read_last_commit(self._connection)
        if last is None:
            raise StoreDamaged(f"{self._path}: the number of the last commit is damaged; restore a backup of it")
        self._last = last
        repairs = [delete_entries(opener.bad_entries)] if opener.bad_entries else []
        repairs += [once(CORRECT_KIND, values) for values in opener.changed_kinds]
        repairs += [once(DELETE_DAMAGED, values) for values in opener.bad_documents]
        if opener.is_checked and not has_right_counts(self._connection):
            repairs += map(once, COUNT_AGAIN)
        if repairs:
            self._write(repairs)
        self._mark = self._of_disk(lambda: opener.open_mark(self._last))
        if opener.is_history_unchecked:
            from rae_plugins.stores.sqlite.later_check import LaterCheck  # lazy: memory, after an unclean stop alone

            self._later_check = LaterCheck(self._path, self._wait_for_reads)
            self._checkpointer.on_log = self._later_check.note_log

    def _of_disk(self, function: Callable[[], T]) -> T:
        """Call a function, and turn errors of the disk into StoreError."""
        try:
            return function()
        except StoreError:
            raise
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: can't be opened ({error_text(error)})") from error
        except OSError as error:
            raise StoreError(f"{self._path}: can't be opened ({error.strerror})") from error

    @property
    def _database(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreError(f"the store in {self._directory} is not open")
        return self._connection

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; damage that shows while it is used is repaired at once."""
        try:
            yield self._database
        except sqlite3.Error as error:
            if is_damage(error):
                self._repair_in_use(error)
            raise StoreError(f"{self._path}: can't be read ({error_text(error)})") from error

    def _repair_in_use(self, error: sqlite3.Error) -> NoReturn:
        """Repair the file like at a start, and raise StoreDamaged with what was lost."""
        self._is_suspect = True
        if self._mark is None:
            raise StoreDamaged(f"{self._path} is damaged ({error}); the next start of the daemon repairs it") from error
        self._copier.wait()
        self._end_later_check()
        with self._reads_paused():
            self._mark.close()
            self._mark = None
            self._disconnect()
            opener = FileOpener(self._path)
            messages = self._of_disk(lambda: opener.prepare(str(error)))
            self._take(opener)
        raise StoreDamaged("; ".join(messages)) from error

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """Return all documents of a kind by key; damaged ones as CorruptDocument."""
        with self._using() as database:
            return read_documents(database, kind)

    def load_packed(self, kind: str) -> Iterator[Sequence[tuple[str, PackedDocument]]]:
        """Return all documents of a kind by key, as they are kept; damaged ones as CorruptDocument."""
        with self._using() as database:
            return read_packed(database, kind)

    def make_reader(self) -> SqliteReader:
        """Return a reader with connections of its own."""
        _ = self._database
        self._reader = SqliteReader(self._path, self._skip)
        return self._reader

    def make_check(self) -> Callable[[], Callable[[], Sequence[str]] | None] | None:
        """Return the check of the entries, if the start has left them unchecked."""
        check = self._later_check

        def run(check: "LaterCheck") -> Callable[[], Sequence[str]] | None:
            findings = check.run()
            return None if findings is None or findings.is_perfect else lambda: self._heal(check, findings)

        return None if check is None else lambda: run(check)

    def _heal(self, check: "LaterCheck", findings: "Findings") -> Sequence[str]:
        """Repair what a check has found, as a start does; return messages. Errors: as `commit`."""
        if self._later_check is not check or self._mark is None:
            # The store was closed, or repaired as a whole.
            return []
        if findings.problem is not None:
            self._repair_in_use(sqlite3.DatabaseError(findings.problem))
        with self._using() as database:
            rows = [row for place in findings.bad_rows for row in find_bad_entry(database, place.place)]
        opener = FileOpener(self._path)
        self._of_disk(lambda: opener.set_aside(rows))
        repairs = [delete_entries(opener.bad_entries)] if opener.bad_entries else []
        # Right numbers stay right when entries are deleted: no other names than theirs were counted.
        self._write([*repairs, *([] if findings.has_right_counts else map(once, COUNT_AGAIN))])
        self._later_check = None
        return opener.messages

    def _end_later_check(self) -> None:
        if self._later_check is not None:
            self._later_check.end()
            self._later_check = None

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes in one synced transaction. Errors: StoreError, and what a body that is not JSON raises."""
        self._write(group_changes(changes))
        trim_cache(self._database, len(changes))

    def _write(self, statements: Iterable[RowStatement], *, is_durable: bool = True) -> None:
        """Write in one transaction, which has a number; without `is_durable` a power cut may undo it.

        Then it isn't synced before the next one, and the mark doesn't say that there is a commit of that number.
        """
        self._check_place()
        database = self._database
        line = self._last.next(self._floor)
        try:
            if not is_durable:
                database.execute("PRAGMA synchronous = NORMAL")
            database.execute("BEGIN IMMEDIATE")
            for statement in chain(statements, [once(SET_LAST_COMMIT, [line.encode()])]):
                for text, values in statement.calls():
                    database.execute(text, values)
            database.execute("COMMIT")
        except BaseException as error:
            # Also of a body that is not JSON: the transaction must not stay open.
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            if not isinstance(error, sqlite3.Error):
                raise
            if is_damage(error):
                self._repair_in_use(error)
            raise StoreError(f"{self._path}: can't be written ({error_text(error)})") from error
        finally:
            if not is_durable:
                with suppress(sqlite3.Error):
                    database.execute("PRAGMA synchronous = FULL")
        self._last = line
        self._checkpointer.note_commit(database)
        if self._mark is not None and is_durable:
            try:
                self._mark.write(line)
            except OSError as error:
                raise StoreError(f"{self._mark.path}: can't be written ({error.strerror})") from error

    def _check_place(self) -> None:
        """Check that the file is still the one that is open. If not, it is repaired, and StoreDamaged is raised."""
        if self._mark is None or read_identity(self._path) == self._identity:
            return
        # The open connection still reads what was removed, and a copy of that has everything.
        with suppress(StoreError):
            self._copier.make(self._database)
        self._repair_in_use(sqlite3.DatabaseError("it was removed or replaced while it was in use"))

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Damaged ones are skipped and counted."""
        return self.collect_packed(log, query, parse_entries)

    def collect_packed(self, log: str, query: LogQuery, make: Callable[[Sequence[bytes]], Iterable[T]]) -> list[T]:
        """Return what a function makes of the JSON of some entries at a time."""
        with self._using() as database:
            return list(chain.from_iterable(map(make, read_bodies(database, log, query, self._skip))))

    def _skip(self, seq: int) -> None:
        self._skipped.add(seq)
        self._is_suspect = True

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove as many entries as can be in a few milliseconds: old ones first, then those of jobs with too many."""
        began = time.perf_counter()
        with self._using() as database:
            rows = find_expired(database, log, keep, self._prune_size)
        if rows:
            # What a power cut brings back is found again.
            self._write([delete_entries(seq for seq, _ in rows)], is_durable=False)
            is_slow = time.perf_counter() - began > PRUNE_STEP_SECONDS
            wanted = self._prune_size // 2 if is_slow else self._prune_size * 2
            self._prune_size = min(max(wanted, MIN_PRUNED), MAX_PRUNED)
        elif backup_copies.is_copy_due(self._path, now := datetime.now(UTC)):
            # Here, because this is called every hour.
            self._copier.start(now)
        return [as_text(key) for _, key in rows]

    def scrub(self) -> None:
        """Rewrite the file and its copies, because SQLite leaves deleted entries in free pages.

        Damaged files that were set aside can't be rewritten, so they are removed.
        """
        database = self._database
        self._copier.wait()
        self._checkpointer.wait()
        try:
            with self._reads_paused(), self._later_check_paused():
                database.execute("VACUUM")
                # Its number distinguishes the file from the one before, which still has the deleted entries.
                self._write([])
                self._checkpointer.wait()
                (is_busy, _, _) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: can't be written ({error_text(error)})") from error
        if is_busy:
            raise StoreError(f"{self._path}: is being read, so deleted entries are still in it; try again later")
        self._copier.make(self._database, max_copies=1)
        remove_set_aside(self._path.parent)

    def dump(self) -> Iterator[Change]:
        """Yield everything but damaged rows, read in one transaction of a second connection. Errors: StoreDamaged."""
        _ = self._database
        changes = self._dump()
        # Advance to the begin of the read transaction: from then on it sees no later commit.
        next(changes)
        return cast("Iterator[Change]", changes)

    def _dump(self) -> Iterator[Change | None]:
        with closing(self._second_connection()) as database:
            try:
                database.execute("BEGIN")
                database.execute("SELECT 1 FROM documents LIMIT 1").fetchone()
                yield None
                for row in database.execute(f"{SELECT_DOCUMENTS} ORDER BY kind, key"):
                    if is_good_document(row):
                        kind, key, body, _ = row
                        yield Put(kind.decode(), key.decode(), json.loads(body))
                for row in database.execute(f"{SELECT_ENTRIES} ORDER BY seq"):
                    if not is_good_entry(row):
                        self._skip(row[0])
                        continue
                    yield as_append(row)
            except sqlite3.DatabaseError as error:
                self._is_suspect = True
                raise StoreDamaged(
                    f"{self._path} can't be read ({error}); restart the daemon, which repairs it"
                ) from error

    def _second_connection(self) -> sqlite3.Connection:
        if self._lock is None:
            return connect_for_reading(self._path, is_in_use=is_locked(self._directory))[0]
        return connect(self._path)

    def close(self) -> None:
        """Copy the file if it was written to, close it, prove it, and release the lock."""
        is_history_checked = self._later_check is None or self._later_check.has_passed
        self._end_later_check()
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._connection is not None and self._mark is not None:
            is_unchanged = is_history_checked and not self._connection.total_changes
            is_checked = is_unchanged or self._copier.make_within(self._connection, CLOSE_COPY_SECONDS)
            if not is_checked:
                logger.info(
                    "{} is too large to be copied within {:g} s, so the next start checks and copies it",
                    self._path,
                    CLOSE_COPY_SECONDS,
                )
            self._disconnect()
            is_checked &= is_history_checked or self._copier.has_verified
            is_proven = is_checked and not self._is_suspect and not self._copier.is_suspect
            if is_proven and not self._path.with_name(f"{self._path.name}-wal").exists():
                with suppress(OSError):
                    write_proof(FileOpener(self._path).proof, self._path)
        self._disconnect()
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def _reads_paused(self) -> AbstractContextManager[None]:
        return nullcontext() if self._reader is None else self._reader.paused()

    def _wait_for_reads(self) -> None:
        if (reader := self._reader) is not None:
            reader.wait_until_idle()

    def _later_check_paused(self) -> AbstractContextManager[None]:
        return nullcontext() if self._later_check is None else self._later_check.paused()

    def _disconnect(self) -> None:
        self._checkpointer.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
