"""The undo log of a turn: how to undo what a part of the turn has changed, so that one that fails changes nothing.

Each container and each entry of the engine's state notes how to undo a change before it makes it. Noting costs less
than a microsecond, so a turn pays for what it changes and not for the size of the state.

What is undone is the same in every respect but one: a key that was deleted from a mapping comes back at its end. The
order of mappings is for readers only, and decides nothing.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Generic, TypeVar, dataclass_transform

from attrs import Attribute, define, field

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")


class UndoLog(list[tuple[Any, ...]]):
    """The changes since the last `clear`, each as the function that undoes it, and its arguments."""

    __slots__ = ("is_recording",)

    def __init__(self) -> None:
        super().__init__()
        self.is_recording = True

    def note(self, *undo: Any) -> None:
        """Note how to undo a change: a function, and its arguments."""
        if self.is_recording:
            self.append(undo)

    def roll_back(self) -> None:
        """Undo all changes since the last `clear`, the latest first."""
        self.is_recording = False
        try:
            while self:
                undo, *args = self.pop()
                undo(*args)
        finally:
            self.is_recording = True


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def revertible(cls: type[T]) -> type[T]:
    """Make an attrs class, which has an `undo_log`, whose instances note the value that an attribute had."""
    made = define(cls, eq=False, weakref_slot=False, on_setattr=_write_as_it_is)
    # In place of that of attrs, which takes twice as long: most changes of the engine come this way.
    made.__setattr__ = _note_and_set  # type: ignore[method-assign]
    return made


def _write_as_it_is(_: Any, __: "Attribute[Any]", value: Any) -> Any:
    """Return a new value; with such a hook attrs makes a constructor that doesn't call `__setattr__`."""
    return value


def _note_and_set(instance: Any, name: str, value: Any) -> None:
    undo_log: UndoLog = instance.undo_log
    if undo_log.is_recording:
        undo_log.append((set_for_good, instance, name, getattr(instance, name)))
    set_for_good(instance, name, value)


set_for_good = object.__setattr__
"""Sets an attribute without a note: for what is changed between two parts, and goes back with none."""


class RevertibleDict(dict[K, V], Generic[K, V]):
    """A mapping that notes its changes. Only the methods below may change it."""

    __slots__ = ("_undo_log",)

    def __init__(self, undo_log: UndoLog) -> None:
        super().__init__()
        self._undo_log = undo_log

    def __setitem__(self, key: K, value: V) -> None:
        # Unbound methods: to look up those of `super()` takes longer than the change itself.
        undo_log = self._undo_log
        if undo_log.is_recording:
            undo_log.append((dict.__setitem__, self, key, self[key]) if key in self else (dict.pop, self, key))
        dict.__setitem__(self, key, value)

    def set_all(self, values: Mapping[K, V]) -> None:
        """Set many keys: while nothing is noted, as at a restart, all of them at once."""
        if self._undo_log.is_recording:
            for key, value in values.items():
                self[key] = value
        else:
            dict.update(self, values)

    def __delitem__(self, key: K) -> None:
        undo_log = self._undo_log
        if undo_log.is_recording:
            undo_log.append((dict.__setitem__, self, key, self[key]))
        dict.__delitem__(self, key)

    def pop(self, key: K, default: Any = None) -> Any:
        """Remove a key, and return its value, or the default where there is none."""
        if key not in self:
            return default
        value = self[key]
        del self[key]
        return value


class RevertibleList(list[T], Generic[T]):
    """A list that notes its changes. Only the methods below may change it."""

    __slots__ = ("_undo_log",)

    def __init__(self, undo_log: UndoLog) -> None:
        super().__init__()
        self._undo_log = undo_log

    def append(self, value: T) -> None:
        """Append a value."""
        self._undo_log.note(list.pop, self)
        list.append(self, value)

    def remove(self, value: T) -> None:
        """Remove the first of the values that equal this one."""
        self._undo_log.note(list.insert, self, self.index(value), value)
        list.remove(self, value)


class RevertibleHeap(list[T], Generic[T]):
    """A heap that notes its changes, as a list whose first value is the least one. No two of its values are equal.

    Only the methods below may change it.
    """

    __slots__ = ("_undo_log",)

    def __init__(self, undo_log: UndoLog) -> None:
        super().__init__()
        self._undo_log = undo_log

    def push(self, value: T) -> None:
        """Add a value."""
        undo_log = self._undo_log
        if undo_log.is_recording:
            undo_log.append((self._take_out, value))
        heapq.heappush(self, value)  # type: ignore[type-var]  # a heap is of values that can be compared

    def least_while(self, belongs: Callable[[T], bool]) -> Iterator[T]:
        """Yield the values up to a bound, in no order: those for which `belongs` holds, as for all that are less.

        It looks at these and their neighbours in the heap alone.
        """
        places = [0]
        while places:
            place = places.pop()
            if place < len(self) and belongs(self[place]):
                yield self[place]
                places += (2 * place + 1, 2 * place + 2)

    def pop_least(self) -> T:
        """Remove and return the least value. Raises IndexError if there is none."""
        undo_log, value = self._undo_log, self[0]
        if undo_log.is_recording:
            undo_log.append((heapq.heappush, self, value))
        heapq.heappop(self)  # type: ignore[type-var]
        return value

    def retain(self, values: list[T]) -> None:
        """Keep only these of its values. This can't be undone, so it is for the time between two turns."""
        self[:] = values
        heapq.heapify(self)  # type: ignore[type-var]

    def _take_out(self, value: T) -> None:
        self.remove(value)
        heapq.heapify(self)  # type: ignore[type-var]
