"""The contract of stores that daemons on several machines use: one daemon leads, the others stand by.

The store knows which daemon leads by its *claim*, and each claim has a token of its own. A commit names the token, and
the store checks it in the same transaction: what a daemon commits after it has lost its claim is refused with
ClaimLost, however long it was stopped or cut off, and whatever its clock says. So at most one daemon decides at a time,
and who takes over reads everything that was ever acknowledged.

A claim holds for a short time and is renewed by the store itself, by the clock of the server alone. `open` claims the
store, or raises StoreLocked at once; a daemon calls `stand_by` before, which waits for its turn.

Attempts stay where they are: each was started by one *node*, a state directory on a machine, whose name its run has.
Only that node's executors can find it again. A node that stands by looks after the attempts it started, and sends what
becomes of them to the leader, as a message; the leader asks it in the same way to cancel one.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import field, frozen

from rae_auto.api.store import Store
from rae_auto.errors import ClaimLost, StoreError


@frozen(kw_only=True)
class Node:
    """A state directory on a machine, and the daemon that has it now.

    `machine` is the same for all nodes of a machine, `boot` until it is booted again; "" where that isn't known.
    """

    name: str
    host: str
    machine: str = ""
    boot: str = ""
    pid: int = 0
    directory: str = ""


SILENT_SECONDS = 10.0
"""Time after which a silent node counts as away; one that leads or stands by is seen more often."""


@frozen(kw_only=True)
class KnownNode:
    """A node as the store knows it: when it was last seen, and when a person declared it dead, if so.

    `silent_seconds` is the time since `seen_at`, by the clock of the store.
    """

    node: Node
    seen_at: datetime
    silent_seconds: float
    is_connected: bool = False
    fenced_at: datetime | None = None


@frozen(kw_only=True)
class Leader:
    """The node that holds the claim, or held it last."""

    node: str
    host: str
    pid: int
    since: datetime

    def describe(self) -> str:
        """Return its name for messages: "process 4711 on nas"."""
        return f"process {self.pid} on {self.host}"


@frozen(kw_only=True)
class Standby:
    """The reason why a daemon stands by: another one leads, or the store has a problem, such as no connection.

    `silent_seconds`, called in any thread, returns how old the last sign of life of the leader is: its claim holds
    for a while if it is killed. None where that isn't known.
    """

    leader: Leader | None = None
    problem: str | None = None
    silent_seconds: Callable[[], float | None] = field(default=lambda: None, eq=False, repr=False)


@frozen
class NodeMessage:
    """A message from one node to another, or to the leader; it stays until it is discarded."""

    id: int
    sender: str
    body: Mapping[str, Any]


LEADER = ""
"""The recipient of messages to whichever node leads."""


class SharedStore(Store):
    """A store that several daemons use. Beside `stand_by`, while it waits, all methods below may be called."""

    @abstractmethod
    def stand_by(self, directory: Path, node: Node, report: Callable[[Standby], None]) -> None:
        """Take the lock of the directory, join as `node`, and wait for the claim; `open` of the directory follows.

        `report` is called in this thread with the reason for the wait, whenever it changes. A server that can't be
        reached is waited for as well. Errors: StoreLocked (another daemon has the directory), StoreError for what
        errors that are not temporary, or after `interrupt`.
        """

    @abstractmethod
    def interrupt(self) -> None:
        """End a `stand_by` that waits; it raises StoreError. Called in any thread."""

    @abstractmethod
    def watch(self, on_lost: Callable[[ClaimLost], None], on_message: Callable[[], None]) -> None:
        """Have these called, in any thread: when the claim turns out to be lost, and when a message may have come."""

    @abstractmethod
    def clock_offset(self) -> float:
        """Return the seconds by which the server's clock is ahead of `time.monotonic()`, as last measured.

        Where clocks of machines differ, this one counts. Called in any thread, and quick.
        """

    def is_temporary(self, error: StoreError) -> bool:
        """Return whether an error of this store is temporary, such as that of a server that is restarting.

        A daemon whose start ends with such an error starts again, and waits in `stand_by`.
        """
        del error
        return False

    @abstractmethod
    def nodes(self) -> Sequence[KnownNode]:
        """Return all nodes that ever joined. Errors: StoreError."""

    def find_leader(self) -> Leader | None:
        """Return the node whose claim holds now; None without one, or where that can't be told. Errors: StoreError.

        It is also called after `open_read_only`, beside the leader.
        """
        return None

    @abstractmethod
    def fence(self, node: str) -> None:
        """Note that a person, or a time limit, has declared a node dead, with all it started. Errors: StoreError."""

    @abstractmethod
    def send(self, sender: str, recipient: str, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Make messages durable and notify the recipient; LEADER is whichever node leads. Errors: StoreError."""

    @abstractmethod
    def receive(self, recipient: str) -> Sequence[NodeMessage]:
        """Return the messages to a recipient, the oldest first. Errors: StoreError."""

    @abstractmethod
    def discard(self, messages: Sequence[int]) -> None:
        """Remove messages that were dealt with, by their ids. Errors: StoreError."""
