"""The store of a virtual world, which outlives its crashes, and a store that fails on demand."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from rae_auto.engine.effects import Change, Discard, Save
from rae_auto.errors import StoreError
from rae_auto.model.documents import document_key

T = TypeVar("T")


class VirtualCrash(Exception):
    """The death of a virtual daemon; `durable` says whether its last commit is kept."""

    def __init__(self, *, durable: bool) -> None:
        super().__init__()
        self.durable = durable


class VirtualStore(Protocol):
    """A store of values; each commit is whole or not at all."""

    def commit(self, changes: Sequence[Change]) -> None: ...

    def load(self, cls: type[T]) -> tuple[T, ...]: ...

    def reopen(self) -> None:
        """Open the store for a new daemon after a crash."""
        ...


class ValueStore:
    """A store in memory."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Any] = {}

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if type(change) is Save:
                self._values[document_key(change.value)] = change.value
            elif type(change) is Discard:
                self._values.pop(document_key(change.value), None)

    def load(self, cls: type[T]) -> tuple[T, ...]:
        return tuple(value for value in self._values.values() if isinstance(value, cls))

    def reopen(self) -> None:
        pass

    def copy(self) -> "ValueStore":
        """Return a store with the same values."""
        copied = ValueStore()
        copied._values = dict(self._values)
        return copied


class UnreadStore:
    """A store for a world that never crashes: nothing is read from it but the values of the start."""

    def __init__(self, *values: Any) -> None:
        self._values = values

    def commit(self, changes: Sequence[Change]) -> None:
        pass

    def load(self, cls: type[T]) -> tuple[T, ...]:
        return tuple(value for value in self._values if isinstance(value, cls))

    def reopen(self) -> None:
        raise StoreError("a virtual store without crashes keeps nothing")


class FaultyStore:
    """A store that fails, or in whose commit the daemon dies, on demand."""

    def __init__(self, store: VirtualStore) -> None:
        self._store = store
        self.errors = 0
        """Number of next commits that fail."""
        self.crash: str | None = None
        """None, or "before" or "after": when the daemon dies, seen from the next durable commit."""

    def replace(self, store: VirtualStore) -> None:
        """Let another store be in the place of this one."""
        self._store = store

    def commit(self, changes: Sequence[Change]) -> None:
        if self.errors:
            self.errors -= 1
            raise StoreError("the virtual disk is full")
        crash, self.crash = self.crash, None
        if crash == "before":
            raise VirtualCrash(durable=False)
        self._store.commit(changes)
        if crash == "after":
            raise VirtualCrash(durable=True)

    def load(self, cls: type[T]) -> tuple[T, ...]:
        return self._store.load(cls)

    def reopen(self) -> None:
        self._store.reopen()
