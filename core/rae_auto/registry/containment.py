"""Which errors of a call to a plugin are the plugin's, whatever their class, and stay with it.

A plugin may raise anything: `SystemExit`, `KeyboardInterrupt`, a `CancelledError` without a request. In a task,
asyncio would end the daemon for the first two, and the third would pass for a cancellation. So calls to plugins catch
`BaseException`, and pass on what isn't the plugin's:

- a cancellation that the caller's own task was asked for;
- `KeyboardInterrupt` in a command, where Ctrl-C raises it. The daemon takes SIGINT itself (`take_interrupts`), so what
  comes there as `KeyboardInterrupt` is what a plugin raised.
"""

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, ParamSpec, TypeVar, cast

from rae_auto.api.store import Store, StoreReader
from rae_auto.errors import SchedulerError, StoreError
from rae_auto.toolkit.threads.time_limit import call_within_limit
from rae_auto.toolkit.toml_values import format_plugin

P = ParamSpec("P")
T = TypeVar("T")

MAX_SHOWN_CHARACTERS = 120
"""Characters of a plugin with its options in messages."""

_ANSWERS_TAKEN_AT_ONCE = 50

_TAKEN = [False]


class LoopBlocked(BaseException):
    """Raised inside a plugin that has blocked the event loop for too long; not an Exception, so that few catch it."""


def take_interrupts() -> None:
    """Treat each KeyboardInterrupt as a plugin's from now on, because signals raise none in this process."""
    _TAKEN[0] = True


def is_foreign(error: BaseException) -> bool:
    """Return whether an error that a call to a plugin raised isn't the plugin's, so that it must be raised again."""
    if isinstance(error, asyncio.CancelledError):
        return _is_cancelled()
    if isinstance(error, KeyboardInterrupt):
        return not _TAKEN[0]
    return isinstance(error, GeneratorExit)


def _is_cancelled() -> bool:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False
    return task is not None and task.cancelling() > 0


def hash_of(plugin: object) -> int:
    """Return the hash of a plugin; one with an unhashable option, such as a list, is hashed by its `repr`."""
    try:
        return hash(plugin)
    except BaseException as error:
        if is_foreign(error):
            raise
        return hash(repr_of(plugin))


def ask(function: Callable[P, T], default: T, /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what an informational method of a plugin returns; a default if it fails."""
    try:
        return call_within_limit(function, *args, **kwargs)
    except BaseException as error:
        if is_foreign(error):
            raise
        return default


def are_equal(plugin: object, other: object) -> bool:
    """Return whether two plugins are equal; False if the comparison fails."""
    return bool(ask(lambda: plugin == other, False))


def repr_of(plugin: object) -> str:
    """Return the `repr` of a plugin; that of its class if it fails."""
    return ask(repr, f"{type(plugin).__name__}(…)", plugin)


def show_plugin(plugin: object, limit: int = MAX_SHOWN_CHARACTERS, *, with_defaults: bool = False) -> str:
    """Return a plugin as a configuration names it, in at most `limit` characters; its type if that says it all."""
    type_ = str(getattr(plugin, "type", "?"))
    shown = ask(format_plugin, type_, plugin, limit, with_defaults=with_defaults)
    return shown if shown.startswith("{") else type_


class SafeStore:
    """A store, or a reader of one, whose errors are StoreErrors that name the plugin.

    `isinstance` takes it for the store's own class. Iterators that it returns are contained too, as is its reader.
    """

    __slots__ = ("_call", "_inner", "_note_commit")

    def __init__(
        self,
        inner: object,
        call: Callable[[Callable[[], Any]], Any],
        note_commit: Callable[[float], None] = lambda _: None,
    ) -> None:
        """`call` calls a function, and raises a StoreError for whatever the function raises.

        `note_commit` gets the seconds that each commit took.
        """
        self._inner = inner
        self._call = call
        self._note_commit = note_commit

    @property  # type: ignore[misc]  # in place of the attribute of all objects
    def __class__(self) -> type:
        return type(self._inner)

    def __repr__(self) -> str:
        return repr_of(self._inner)

    def __getattr__(self, name: str) -> Any:
        call = self._call
        found = call(lambda: getattr(self._inner, name))
        if not inspect.ismethod(found):
            return found

        def contained(*args: Any, **kwargs: Any) -> Any:
            began = time.monotonic()
            answer = call(lambda: found(*args, **kwargs))
            if name == "commit":
                self._note_commit(time.monotonic() - began)
            if isinstance(answer, Iterator):
                return _SafeIterator(answer, call)
            return SafeStore(answer, call) if isinstance(answer, StoreReader) else answer

        return contained


class _SafeIterator(Iterator[T]):
    """The answers of a store one by one, with its errors contained; what it reads from is closed with it.

    Not a generator: closing one that was not started leaves open what it was given (from Python 3.13 on).
    """

    def __init__(self, answers: Iterator[T], call: Callable[[Callable[[], Any]], Any]) -> None:
        self._answers = answers
        self._call = call
        self._taken: deque[T] = deque()
        self._error: BaseException | None = None
        """Raised behind the answers that came before it."""

    def __next__(self) -> T:
        if not self._taken and self._error is None:
            # Some at a time: a contained call takes longer than most answers.
            try:
                self._call(self._take)
            except BaseException as error:
                if not self._taken:
                    raise
                self._error = error
        if self._taken:
            return self._taken.popleft()
        if self._error is not None:
            failure, self._error = self._error, None
            raise failure
        raise StopIteration

    def _take(self) -> None:
        # One by one, so that those before an error are there.
        for answer in islice(self._answers, _ANSWERS_TAKEN_AT_ONCE):
            self._taken.append(answer)
            if isinstance(answer, list):
                # It is many answers already, such as a store reads at once to have few in memory.
                break

    def close(self) -> None:
        """End the reading, wherever it is."""
        close = getattr(self._answers, "close", None)
        if close is not None:
            self._call(close)


def contain_store(
    store: Store, describe: Callable[[BaseException], str], note_commit: Callable[[float], None] = lambda _: None
) -> Store:
    """Return a store whose errors are StoreErrors; `describe` returns the text for errors of other classes.

    `note_commit` gets the seconds that each commit took.
    """

    def call(function: Callable[[], Any]) -> Any:
        try:
            return function()
        except SchedulerError:
            raise
        except BaseException as error:  # whatever a plugin raises
            if is_foreign(error):
                raise
            raise StoreError(describe(error)) from error

    return cast("Store", SafeStore(store, call, note_commit))
