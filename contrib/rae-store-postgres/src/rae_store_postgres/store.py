"""The PostgreSQL store; its rules are in the package's docstring, its tables in `schema.sql`."""

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import asyncpg
from attrs import define, field

from rae_auto.api.shared_store import SILENT_SECONDS, KnownNode, Leader, Node, NodeMessage, SharedStore, Standby
from rae_auto.api.store import (
    Change,
    CorruptDocument,
    CountQuery,
    Document,
    EntryCount,
    LogQuery,
    PackedDocument,
    RetentionRule,
)
from rae_auto.errors import ClaimLost, StoreError, StoreLocked
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.files import DirectoryLock
from rae_auto.toolkit.secrets import SecretText, to_secret_text
from rae_store_postgres import node_messages
from rae_store_postgres.claim import Claim, find_leader
from rae_store_postgres.link import Address, Connection, LoopThread, disconnect
from rae_store_postgres.problems import is_temporary
from rae_store_postgres.reading import Reader, read_documents, read_dump, read_packed
from rae_store_postgres.statements import COMMIT, COMMIT_AND_FORGET, PRUNE, ChangeArrays, decode_key

MAX_PRUNED = 300
"""Number of entries that one step of pruning removes at most."""

MIN_LEASE, MAX_LEASE = timedelta(seconds=1), timedelta(minutes=5)

T = TypeVar("T")


@define(eq=False, kw_only=True)
class PostgresStore(SharedStore):
    """Keeps the state in PostgreSQL, where a daemon on another machine can take over.

    Each daemon has a state directory of its own, for the output of jobs. Create the tables with 'rae-auto postgres
    migrate' before the first start.
    """

    type: ClassVar[str] = "postgres"
    example: ClassVar[Mapping[str, Any]] = {"dsn": "postgresql://rae@db.local/rae?sslmode=verify-full"}

    dsn: SecretText = field(
        converter=to_secret_text,
        metadata={"help": "address as libpq has it; `${file:PATH}`, `${env:NAME}` or `${keyring:…}` for a secret"},
    )
    schema: str = field(default="rae_auto", metadata={"help": "schema of the tables; one for each installation"})
    lease: timedelta = field(
        default=timedelta(seconds=2),
        converter=parse_duration,
        metadata={"help": "time after which another daemon takes over from one that doesn't answer"},
    )
    fence_after: timedelta | None = field(
        default=None,
        converter=lambda value: None if value is None else parse_duration(value),
        metadata={"help": "time after which a silent machine counts as dead, with the jobs it ran; never by default"},
    )

    _lock: DirectoryLock | None = field(init=False, default=None)
    _link: LoopThread | None = field(init=False, default=None)
    _claim: Claim | None = field(init=False, default=None)
    _main: Connection | None = field(init=False, default=None)
    _reader: Reader | None = field(init=False, default=None)
    _is_read_only: bool = field(init=False, default=False)
    _is_interrupted: bool = field(init=False, default=False)
    _skipped: set[tuple[str, bytes]] = field(init=False, factory=set)
    _on_lost: Callable[[ClaimLost], None] = field(init=False, default=lambda _: None)
    _on_message: Callable[[], None] = field(init=False, default=lambda: None)
    _guard: threading.RLock = field(init=False, factory=threading.RLock)
    """Held by one call on the main connection at a time."""

    def __attrs_post_init__(self) -> None:
        """Refuse options that can't work. Errors: ValueError."""
        if not MIN_LEASE <= self.lease <= MAX_LEASE:
            raise ValueError('"lease" must be from 1s to 5m')
        if self.fence_after is not None and self.fence_after < self.lease + timedelta(seconds=SILENT_SECONDS):
            least = format_duration(self.lease + timedelta(seconds=SILENT_SECONDS))
            raise ValueError(
                f'"fence_after" must be at least "{least}", the lease and {SILENT_SECONDS:g} seconds, '
                "because a daemon that lives would count as dead otherwise"
            )
        if not self.schema or self.schema.startswith("pg_"):
            raise ValueError('"schema" must be a name that doesn\'t begin with "pg_"')

    @property
    def _address(self) -> Address:
        return Address(self.dsn, self.schema, silence_seconds=self.lease.total_seconds())

    @property
    def skipped_entries(self) -> int:
        """The number of damaged entries that were met since the store was opened."""
        return len(self._skipped)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Return what is wrong with the server, or with the rights that it gives."""
        from rae_store_postgres.health import find_problems  # lazy: start-up

        return find_problems(self._address, self.lease)

    # Opening

    def stand_by(self, directory: Path, node: Node, report: Callable[[Standby], None]) -> None:
        """Take the lock of the directory, join, and wait for the claim. Errors: StoreLocked, StoreError."""
        self._lock = DirectoryLock(directory)
        try:
            claim = self._start_link()
            assert self._link is not None
            self._link.call(claim.wait(node, report))
        except BaseException:
            self.close()
            raise

    def interrupt(self) -> None:
        """End a wait for the claim."""
        self._is_interrupted = True
        link, claim = self._link, self._claim
        if link is not None and claim is not None:
            with contextlib.suppress(StoreError):
                link.submit(_call(claim.interrupt))

    def open(self, directory: Path) -> Sequence[str]:
        """Claim the store unless `stand_by` has; there is nothing to repair. Errors: StoreLocked, StoreError."""
        if self._claim is not None and self._claim.token is not None:
            return ()
        self._lock = DirectoryLock(directory)
        try:
            claim = self._start_link()
            assert self._link is not None
            host = socket.gethostname()
            try:
                self._link.call(claim.take_now(Node(name="", host=host, pid=os.getpid())))
            except ClaimLost as error:
                raise StoreLocked(f"{error}; stop it, or have it do this") from error
        except BaseException:
            self.close()
            raise
        return ()

    def open_read_only(self, directory: Path) -> Sequence[str]:
        """Connect for reading alone, beside the daemons."""
        self._start_link()
        self._is_read_only = True
        return ()

    def _start_link(self) -> Claim:
        self._skipped = set()
        self._link = LoopThread.start()
        claim = self._claim = Claim(self._address, self.lease)
        claim.on_lost, claim.on_message = (lambda error: self._on_lost(error)), (lambda: self._on_message())
        if self._is_interrupted:
            claim.interrupt()
        return claim

    def watch(self, on_lost: Callable[[ClaimLost], None], on_message: Callable[[], None]) -> None:
        """Have these called when the claim is lost, and when a message may have come."""
        self._on_lost, self._on_message = on_lost, on_message
        if self._claim is not None and self._claim.lost is not None:
            on_lost(self._claim.lost)

    def clock_offset(self) -> float:
        """Return by how much the server's clock is ahead of the monotonic one."""
        return 0.0 if self._claim is None else self._claim.offset

    # Calls

    def _call(self, work: Callable[[Connection], Any]) -> Any:
        """Return the result of a coroutine function with the main connection. Errors: StoreError."""
        with self._guard:
            if self._link is None:
                raise StoreError("the store is not open")
            return self._link.call(self._with_main(work))

    async def _with_main(self, work: Callable[[Connection], Any]) -> Any:
        with self._address.translated():
            try:
                if self._main is None or self._main.is_closed():
                    self._main = await self._address.connect()
                    await self._main.execute(
                        "SELECT set_config('synchronous_commit', 'on', false)"
                        " WHERE current_setting('synchronous_commit') IN ('off', 'local')"
                    )
                return await work(self._main)
            except asyncpg.PostgresError as error:
                # The server has answered, so the connection is in order.
                if (loss := self._find_loss(error)) is not None:
                    raise loss from error
                raise
            except BaseException:
                # It is unknown whether it was carried out; the same call on another connection finds out.
                if self._main is not None:
                    self._main.terminate()
                raise

    def _find_loss(self, error: asyncpg.PostgresError) -> ClaimLost | None:
        """Return the loss of the claim that an error of the server means; None for any other."""
        if error.sqlstate == "RAE01" and self._claim is not None:
            return self._claim.lose()
        if error.sqlstate == "RAE02" and self._claim is not None:
            return self._claim.give_up(
                f"an occurrence that this daemon decided was decided by an earlier leader, as the store in "
                f"{self._address.place} says; it starts again, and reads the store"
            )
        return None

    @property
    def _token(self) -> int:
        if self._claim is None or self._claim.token is None:
            raise StoreError("the store is not open")
        if self._claim.lost is not None:
            raise self._claim.lost
        return self._claim.token

    def _claim_arguments(self) -> tuple[int, timedelta]:
        return self._token, self.lease

    # Documents and logs

    def load(self, kind: str) -> Iterator[tuple[str, Document | CorruptDocument]]:
        """Return all documents of a kind by key, as of one instant; damaged ones as CorruptDocument."""
        if self._link is None:
            raise StoreError("the store is not open")
        return read_documents(self._call, self._address, self._link, kind)

    def load_packed(self, kind: str) -> Iterator[Sequence[tuple[str, PackedDocument]]]:
        """Return all documents of a kind by key, as of one instant, as they are kept; damaged ones as CorruptDocument.

        Errors: as of `load`.
        """
        if self._link is None:
            raise StoreError("the store is not open")
        return read_packed(self._call, self._address, self._link, kind)

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Damaged ones are skipped and counted."""
        return self._make_reader().query(log, query)

    def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that entries of a log have, damaged ones too."""
        return self._make_reader().find_keys(log, keys)

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return the numbers of entries."""
        return self._make_reader().count(log, query)

    def make_reader(self) -> Reader:
        """Return a reader with a connection of its own."""
        return self._make_reader()

    def _make_reader(self) -> Reader:
        if self._link is None:
            raise StoreError("the store is not open")
        if self._reader is None:
            self._reader = Reader(self._address, self._link, self._skipped.add)
        return self._reader

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable, or none. Errors: ClaimLost, StoreError."""
        arrays = ChangeArrays.of(changes)
        arguments = (*self._claim_arguments(), *arrays.columns())
        if arrays.forgotten:
            self._call(lambda c: c.fetchval(COMMIT_AND_FORGET, *arguments, arrays.forgotten))
        else:
            self._call(lambda c: c.fetchval(COMMIT, *arguments))

    def prune(self, log: str, keep: RetentionRule) -> Sequence[str]:
        """Remove a part of what need not stay; return its keys."""
        states = list(map(str, keep.states)) or None
        rule = (log, states, keep.job, keep.since, keep.newest, MAX_PRUNED)
        arguments = (*self._claim_arguments(), *rule)
        rows = self._call(lambda c: c.fetch(PRUNE, *arguments))
        return [decode_key(row[0]) for row in rows]

    def dump(self) -> Iterator[Change]:
        """Return everything as of now, read in the background from one snapshot."""
        if self._link is None:
            raise StoreError("the store is not open")
        return read_dump(self._address, self._link)

    # Nodes and messages

    def is_temporary(self, error: StoreError) -> bool:
        """Return whether the server, or the line to it, may be back by itself."""
        return is_temporary(error)

    def nodes(self) -> Sequence[KnownNode]:
        """Return all nodes that ever joined."""
        found: Sequence[KnownNode] = self._call(lambda c: node_messages.read_nodes(c, self.fence_after))
        return found

    def find_leader(self) -> Leader | None:
        """Return the node whose claim holds, by the clock of the server."""
        found: Leader | None = self._call(find_leader)
        return found

    def fence(self, node: str) -> None:
        """Note that a node was declared dead."""
        self._call(lambda c: node_messages.fence(c, node))

    def send(self, sender: str, recipient: str, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Make messages durable, and notify the recipient."""
        texts = [json.dumps(body) for body in bodies]
        self._call(lambda c: node_messages.send(c, self.schema, sender, recipient, texts))

    def receive(self, recipient: str) -> Sequence[NodeMessage]:
        """Return the messages to a recipient, the oldest first."""
        found: Sequence[NodeMessage] = self._call(lambda c: node_messages.receive(c, recipient))
        return found

    def discard(self, messages: Sequence[int]) -> None:
        """Remove messages that were dealt with."""
        self._call(lambda c: node_messages.discard(c, messages))

    # The end

    def close(self) -> None:
        """Let the claim go, and disconnect. A second call does nothing."""
        link, self._link = self._link, None
        if link is not None:
            claim, main, reader = self._claim, self._main, self._reader
            self._claim = self._main = self._reader = None
            with contextlib.suppress(StoreError):
                link.call(_close_all(claim, main, reader))
            link.stop()
        if self._lock is not None:
            self._lock.release()
            self._lock = None


async def _call(function: Callable[[], T]) -> T:
    return function()


async def _close_all(claim: Claim | None, main: Connection | None, reader: Reader | None) -> None:
    if reader is not None:
        reader.disconnect()
    if main is not None and not main.is_closed():
        # Its last call may still be under way.
        await disconnect(main)
    if claim is not None:
        await claim.release()
