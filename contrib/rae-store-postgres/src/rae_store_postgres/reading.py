"""Reads: rows made into documents, a reader with a connection of its own, and the dump."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import RLock
from typing import Any, Generic, TypeVar, cast

from attrs import define, field

from rae_auto.api.store import (
    Append,
    Change,
    CorruptDocument,
    CountQuery,
    Document,
    EntryCount,
    LogQuery,
    Put,
    StoreReader,
)
from rae_auto.errors import StoreError
from rae_store_postgres.link import Address, Connection, LoopThread
from rae_store_postgres.statements import (
    DOCUMENTS,
    ENTRIES,
    KEYS,
    checksum_document,
    checksum_entry,
    decode_key,
    encode_key,
    select_counts,
    select_entries,
)

CHUNK_ROWS = 500
"""Number of rows of documents, or of a dump, that are fetched at once."""

MAX_KEYS_AT_ONCE = 10_000
"""Number of keys that one statement looks for."""

_FIRST = f"{DOCUMENTS} WHERE kind = $1 ORDER BY key LIMIT {CHUNK_ROWS + 1}"

_NEXT = f"{DOCUMENTS} WHERE kind = $1 AND key >= $2 ORDER BY key LIMIT {CHUNK_ROWS}"

READ_ONLY = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"

Skip = Callable[[tuple[str, bytes]], None]

Call = Callable[[Callable[[Connection], Any]], Any]

LoadedDocument = tuple[str, Document | CorruptDocument]

PackedRow = tuple[str, bytes | CorruptDocument]
"""The key of a document, and its JSON."""

T = TypeVar("T")


def read_documents(call: Call, address: Address, link: LoopThread, kind: str) -> Iterator[LoadedDocument]:
    """Yield the documents of a kind by key, as of one instant; see `read_packed`."""
    for some in read_packed(call, address, link, kind):
        yield from map(_parse, some)


def read_packed(call: Call, address: Address, link: LoopThread, kind: str) -> Iterator[list[PackedRow]]:
    """Yield the documents of a kind by key, as of one instant, some at a time, not parsed.

    `call` returns the result of a coroutine function with a connection. What one statement returns is of one instant.
    More documents than a chunk has are read by a transaction of their own, so that commits can come in between.
    """
    rows = call(lambda c: c.fetch(_FIRST, kind))
    if len(rows) <= CHUNK_ROWS:
        yield [*map(_pack, rows)]
    else:
        del rows
        yield from _read_snapshot(address, link, partial(_read_kind, kind))


async def _read_kind(kind: str, connection: Connection) -> AsyncIterator[list[list[PackedRow]]]:
    """Yield rows in chunks, because ten thousand at once take 7 MB, of which Python never gives back all."""
    documents = await connection.cursor(f"{DOCUMENTS} WHERE kind = $1 ORDER BY key", kind)
    while rows := await documents.fetch(CHUNK_ROWS):
        yield [[*map(_pack, rows)]]


def _pack(row: Any) -> PackedRow:
    kind, key, body, crc = row
    if checksum_document(kind, key, body) != crc:
        return decode_key(key), CorruptDocument("its checksum is wrong", body)
    return decode_key(key), body.encode()


def _parse(packed: PackedRow) -> LoadedDocument:
    key, body = packed
    return key, body if isinstance(body, CorruptDocument) else json.loads(body)


def _load(row: Any) -> LoadedDocument:
    return _parse(_pack(row))


def _is_good(row: Any) -> bool:
    return bool(checksum_entry(*row[:7]) == row[7])


@define(eq=False)
class Reader(StoreReader):
    """Reads beside the commits, each session from one snapshot."""

    _address: Address
    _link: LoopThread
    _skip: Skip
    _lock: RLock = field(init=False, factory=RLock)
    _connection: Connection | None = field(init=False, default=None)
    _is_in_session: bool = field(init=False, default=False)
    _is_closed: bool = field(init=False, default=False)

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """Return all documents of a kind by key."""
        if self._is_in_session:
            return self._load_in_session(kind)
        return read_documents(self._call, self._address, self._link, kind)

    def _load_in_session(self, kind: str) -> Iterator[LoadedDocument]:
        first = b""
        while rows := self._call(lambda c: c.fetch(_NEXT, kind, first)):  # noqa: B023 - called at once
            yield from map(_load, rows)
            # The next possible key.
            first = rows[-1][1] + b"\0"

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Damaged ones are skipped and counted."""
        sql, values = select_entries(log, query)
        rows = self._call(lambda c: c.fetch(sql, *values))
        bodies = []
        for row in rows:
            if _is_good(row):
                bodies.append(row[6])
            else:
                self._skip((row[0], row[1]))
        documents: list[Document] = json.loads(f"[{','.join(bodies)}]")
        return documents

    def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that entries of a log have, damaged ones too."""
        found: set[str] = set()
        wanted = list(map(encode_key, keys))
        for first in range(0, len(wanted), MAX_KEYS_AT_ONCE):
            some = wanted[first : first + MAX_KEYS_AT_ONCE]
            rows = self._call(lambda c: c.fetch(KEYS, log, some))  # noqa: B023 - called at once
            found.update(decode_key(row[0]) for row in rows)
        return found

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return the numbers of entries."""
        sql, values = select_counts(log, query)
        rows = self._call(lambda c: c.fetch(sql, *values))
        return [EntryCount(_start(step, query), state, count) for step, state, count in rows]

    @contextmanager
    def session(self) -> Iterator[None]:
        """Let the reads in a `with` block see one state."""
        with self._lock:
            self._call(lambda c: c.execute(READ_ONLY))
            self._is_in_session = True
            try:
                yield
            finally:
                self._is_in_session = False
                if self._connection is not None and not self._connection.is_closed():
                    self._call(lambda c: c.execute("COMMIT"))

    def _call(self, work: Callable[[Connection], Any]) -> Any:
        with self._lock:
            if self._is_closed:
                raise StoreError("the store is not open")
            return self._link.call(self._with_connection(work))

    async def _with_connection(self, work: Callable[[Connection], Any]) -> Any:
        with self._address.translated():
            try:
                if self._connection is None or self._connection.is_closed():
                    if self._is_in_session:
                        raise StoreError(f"{self._address.place}: the connection was lost during a read; try again")
                    self._connection = await self._address.connect()
                return await work(self._connection)
            except BaseException:
                if self._connection is not None:
                    self._connection.terminate()
                    self._connection = None
                raise

    def disconnect(self) -> None:
        """Refuse further reads; called in the loop of the link."""
        self._is_closed = True
        if self._connection is not None:
            self._connection.terminate()


def _start(step: int | None, query: CountQuery) -> Any:
    if step is None or query.since is None or query.step is None:
        return None
    return query.since + step * query.step


def read_dump(address: Address, link: LoopThread) -> Iterator[Change]:
    """Return everything as of now: the snapshot is taken here, and read as one iterates, in any thread."""
    return _read_snapshot(address, link, _read_all)


async def _read_all(connection: Connection) -> AsyncIterator[list[Change]]:
    documents = await connection.cursor(f"{DOCUMENTS} ORDER BY kind, key")
    while rows := await documents.fetch(CHUNK_ROWS):
        found = [(row[0], *_load(row)) for row in rows]
        yield [Put(kind, key, body) for kind, key, body in found if not isinstance(body, CorruptDocument)]
    entries = await connection.cursor(f"{ENTRIES} ORDER BY seq")
    while rows := await entries.fetch(CHUNK_ROWS):
        yield [
            Append(row[0], decode_key(row[1]), row[2], row[3], row[4], json.loads(row[6]), row[5])
            for row in rows
            if _is_good(row)
        ]


ReadChunks = Callable[[Connection], AsyncIterator[list[T]]]


def _read_snapshot(address: Address, link: LoopThread, read: ReadChunks[T]) -> Iterator[T]:
    """Return what `read` yields from a snapshot, which is taken here; it ends with the iterator."""
    snapshot = _Snapshot(address, read)
    link.call(snapshot.open())
    found = _iterate(snapshot, link)
    # Started here, because closing a generator that was not started closes nothing else.
    next(found)
    return cast("Iterator[T]", found)


def _iterate(snapshot: "_Snapshot[T]", link: LoopThread) -> Iterator[T | None]:
    try:
        yield None
        # One whose rows are all damaged is empty.
        while (chunk := link.call(snapshot.read())) is not None:
            yield from chunk
    finally:
        with suppress(StoreError):
            link.submit(snapshot.close())


class _Snapshot(Generic[T]):
    """A read-only transaction with a connection of its own, which is read in chunks."""

    def __init__(self, address: Address, read: ReadChunks[T]) -> None:
        self._address, self._read = address, read
        self._connection: Connection | None = None
        self._chunks: AsyncIterator[list[T]] | None = None

    async def open(self) -> None:
        """Take the snapshot. Errors: StoreError."""
        connection = self._connection = await self._address.connect()
        with self._address.translated():
            try:
                await connection.execute(READ_ONLY)
                # The snapshot is that of the first query.
                await connection.fetchval("SELECT token FROM claim")
            except BaseException:
                connection.terminate()
                raise
        self._chunks = self._read(connection)

    async def read(self) -> list[T] | None:
        """Return the next chunk; None at the end. Errors: StoreError."""
        assert self._chunks is not None
        with self._address.translated():
            return await anext(self._chunks, None)

    async def close(self) -> None:
        """End the transaction."""
        if self._connection is not None:
            self._connection.terminate()
        await asyncio.sleep(0)
