"""Reads of the SQLite store: rows made into documents, and a reader with connections of its own.

Rows are fetched and parsed some at a time, and the thread lets others go ahead in between: Python runs one thread at a
time, and a commit must not wait for the whole of a long read.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, RLock
from typing import TypeVar

from attrs import define, field

from rae_auto.api.store import CorruptDocument, Document, EntryHead, LogQuery
from rae_auto.errors import StoreDamaged, StoreError
from rae_plugins.stores.sqlite.counting import EntryCounter
from rae_plugins.stores.sqlite.rows import SELECT_DOCUMENTS, SELECT_HEADS, Row, as_text, is_good_document, is_good_entry
from rae_plugins.stores.sqlite.schema import error_text, is_damage, uri_of
from rae_plugins.stores.sqlite.statements import select_entries

T = TypeVar("T")

MAX_YIELD_SECONDS = 0.1
"""Time for which a question holds up a step of other work: questions without end do not keep it from its end."""

CHUNK_ROWS = 200
"""Number of entries or documents that are parsed at once, which takes about a millisecond."""


def read_documents(database: sqlite3.Connection, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
    """Return the documents of a kind by key, parsed some at a time. Errors: sqlite3.Error, at once.

    Parsed, ten thousand jobs take four times the memory of their rows, which a daemon would not give back.
    """
    return _parse_documents(read_packed(database, kind))


def read_packed(database: sqlite3.Connection, kind: str) -> Iterator[list[tuple[str, bytes | CorruptDocument]]]:
    """Return the documents of a kind by key, some at a time, not parsed. Errors: sqlite3.Error, at once."""
    rows = database.execute(f"{SELECT_DOCUMENTS} WHERE kind = ? ORDER BY key", (kind,)).fetchall()
    # The pages were read for this once, at the start.
    database.execute("PRAGMA shrink_memory")
    return _check_documents(rows)


def _check_documents(rows: list[Row]) -> Iterator[list[tuple[str, bytes | CorruptDocument]]]:
    rows.reverse()
    while rows:
        some = rows[: -CHUNK_ROWS - 1 : -1]
        # What is made of the next rows takes the place of these.
        del rows[-CHUNK_ROWS:]
        yield [
            (row[1].decode(), row[2])
            if is_good_document(row)
            else (as_text(row[1]), CorruptDocument("its checksum is wrong", as_text(row[2])))
            for row in some
        ]


def _parse_documents(
    packed: Iterable[list[tuple[str, bytes | CorruptDocument]]],
) -> Iterator[tuple[str, Document | CorruptDocument]]:
    for some in packed:
        # At once, as those of entries.
        parsed = iter(json.loads(b"[%s]" % b",".join([body for _, body in some if type(body) is bytes])))
        for key, body in some:
            yield key, body if isinstance(body, CorruptDocument) else next(parsed)


def read_bodies(
    database: sqlite3.Connection, log: str, query: LogQuery, skip: Callable[[int], None]
) -> Generator[list[bytes], None, None]:
    """Yield the JSON of the entries that a query finds, some at a time. Damaged ones are passed to `skip` by place.

    Errors: sqlite3.Error.
    """
    sql, values = select_entries(log, query)
    # Without being closed it would keep the read transaction open, even of a connection that is closed.
    with closing(database.execute(sql, values)) as cursor:
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield _check_entries(rows, skip)


def read_few_entries(
    database: sqlite3.Connection, log: str, query: LogQuery, skip: Callable[[int], None]
) -> list[Document]:
    """Return the entries that a query finds, all at once. Damaged ones are passed to `skip`. Errors: sqlite3.Error."""
    sql, values = select_entries(log, query)
    return parse_entries(_check_entries(database.execute(sql, values).fetchall(), skip))


def _check_entries(rows: list[Row], skip: Callable[[int], None]) -> list[bytes]:
    bodies = []
    for row in rows:
        if is_good_entry(row):
            bodies.append(row[7])
        else:
            skip(row[0])
    return bodies


def parse_entries(bodies: Sequence[bytes]) -> list[Document]:
    """Return some entries of their JSON."""
    # Parsed at once, which takes less than half the time and shares the names of fields.
    found: list[Document] = json.loads(b"[%s]" % b",".join(bodies))
    return found


def read_heads(database: sqlite3.Connection, log: str, query: LogQuery) -> list[EntryHead]:
    """Return the heads of the entries that a query finds, damaged ones too. Errors: sqlite3.Error."""
    sql, values = select_entries(log, query, SELECT_HEADS)
    return [
        EntryHead(as_text(job), as_text(state), datetime.fromtimestamp(at, UTC))
        for _, job, state, at in database.execute(sql, values)
    ]


def find_keys(database: sqlite3.Connection, log: str, keys: Iterable[str]) -> set[str]:
    """Return those of some keys that entries of a log have, by the index alone. Errors: sqlite3.Error."""
    sql = "SELECT 1 FROM entries INDEXED BY entries_by_key WHERE log = ? AND key = ?"
    return {key for key in keys if database.execute(sql, (log, key)).fetchone() is not None}


@define(eq=False)
class SqliteReader(EntryCounter):
    """Reads a file beside the connection of its store, by a connection that stays open until the file is replaced."""

    _path: Path
    _skip: Callable[[int], None]
    _lock: RLock = field(init=False, factory=RLock)
    """Held during a read, and while the file is replaced or closed."""
    _connection: sqlite3.Connection | None = field(init=False, default=None)
    """To open it takes longer than most reads."""
    _is_in_use: bool = field(init=False, default=False)
    _idle: Event = field(init=False, factory=Event)
    """Set while nothing is being read."""
    _is_interrupted: bool = field(init=False, default=False)
    _is_closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._idle.set()

    def wait_until_idle(self) -> bool:
        """Wait for the end of a read that is under way, but not for long; return whether nothing is being read."""
        return self._idle.wait(MAX_YIELD_SECONDS)

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """Return all documents of a kind by key."""
        with self._using() as database:
            return read_documents(database, kind)

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Damaged ones are skipped and counted."""
        if query.limit > CHUNK_ROWS:
            return self.collect(log, query, lambda body: body)
        with self._using() as database:
            return read_few_entries(database, log, query, self._skip)

    def collect(self, log: str, query: LogQuery, make: Callable[[Document], T]) -> list[T]:
        """Return what a function makes of each entry that a query finds; only some are in memory at once."""
        return self.collect_packed(log, query, lambda some: map(make, parse_entries(some)))

    def collect_packed(self, log: str, query: LogQuery, make: Callable[[Sequence[bytes]], Iterable[T]]) -> list[T]:
        """Return what a function makes of the JSON of some entries at a time."""
        values: list[T] = []
        with self._using() as database, closing(read_bodies(database, log, query, self._skip)) as chunks:
            for chunk in chunks:
                values += make(chunk)
                if self._is_interrupted:
                    raise StoreError(f"{self._path} is being closed or rewritten; try again")
        return values

    def read_heads(self, log: str, query: LogQuery) -> list[EntryHead]:
        """Return the heads of entries, damaged ones too, as they are counted."""
        with self._using() as database:
            return read_heads(database, log, query)

    def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that entries of a log have, damaged ones too."""
        with self._using() as database:
            return find_keys(database, log, keys)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Let the reads in a `with` block see one state: what they count is what they find."""
        with self._using() as database:
            database.execute("BEGIN")
            yield
            database.execute("COMMIT")

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._is_in_use and self._connection is not None:
                # By a session in this thread, which deals with errors as well.
                yield self._connection
                return
            if self._is_closed:
                raise StoreError(f"the store in {self._path.parent} is not open")
            self._is_in_use = True
            self._idle.clear()
            try:
                database = self._connection = self._connection or _connect(self._path)
                yield database
                # The pages that were read; the memory of a daemon must not grow by what people have looked at.
                database.execute("PRAGMA shrink_memory")
            except BaseException as error:
                # Also of what reads: a statement that it has left would hold up checkpoints.
                self._disconnect()
                if not isinstance(error, sqlite3.Error):
                    raise
                kind = StoreDamaged if is_damage(error) else StoreError
                raise kind(f"{self._path}: can't be read ({error_text(error)})") from error
            finally:
                self._is_in_use = False
                self._idle.set()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep reads from the file for the time of a `with` block; one that is under way is interrupted."""
        self._is_interrupted = True
        if (connection := self._connection) is not None:
            # It may be closed at this very moment.
            with suppress(sqlite3.ProgrammingError):
                connection.interrupt()
        with self._lock:
            self._disconnect()
            self._is_interrupted = False
            yield

    def close(self) -> None:
        """End a read that is under way, and refuse further ones."""
        with self.paused():
            self._is_closed = True


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that the store has open, for reading alone. Text is read as bytes."""
    database = sqlite3.connect(uri_of(path, "mode=ro"), uri=True, isolation_level=None, check_same_thread=False)
    database.text_factory = bytes
    return database
