"""What a virtual world keeps over a crash, and what can go wrong with keeping it."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from rae_auto.engine.effects import Change, Discard, Save
from rae_auto.errors import StoreError
from rae_auto.model.documents import document_key

T = TypeVar("T")


class Crashed(Exception):
    """The virtual daemon dies here; `durable` says whether what it was committing is kept."""

    def __init__(self, *, durable: bool) -> None:
        super().__init__()
        self.durable = durable


class Memory(Protocol):
    """Keeps values: each commit whole or not at all."""

    def commit(self, changes: Sequence[Change]) -> None: ...

    def load(self, cls: type[T]) -> tuple[T, ...]: ...

    def reopen(self) -> None:
        """A new daemon takes it over from one that has crashed."""
        ...


class Values:
    """The plainest memory."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Any] = {}

    def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, Save):
                self._values[document_key(change.value)] = change.value
            elif isinstance(change, Discard):
                self._values.pop(document_key(change.value), None)

    def load(self, cls: type[T]) -> tuple[T, ...]:
        return tuple(value for value in self._values.values() if isinstance(value, cls))

    def reopen(self) -> None:
        pass


class Faulty:
    """A memory that fails, or in whose commit the daemon dies, when it is told to."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.errors = 0
        """How many of the next commits fail."""
        self.crash: str | None = None
        """Whether the daemon dies "before" or "after" the next commit is durable."""

    def commit(self, changes: Sequence[Change]) -> None:
        if self.errors:
            self.errors -= 1
            raise StoreError("the virtual disk is full")
        crash, self.crash = self.crash, None
        if crash == "before":
            raise Crashed(durable=False)
        self._memory.commit(changes)
        if crash == "after":
            raise Crashed(durable=True)

    def load(self, cls: type[T]) -> tuple[T, ...]:
        return self._memory.load(cls)

    def reopen(self) -> None:
        self._memory.reopen()
