"""Guards at the border of the engine: the engine gets an answer, whatever their plugins do."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import cast

from rae_auto.api.guard import Answer, ComputedGuard, ReadGuard, Says
from rae_auto.api.plugin import Kind
from rae_auto.daemon.containment import Containment
from rae_auto.daemon.endings import wait_for_all
from rae_auto.engine.events import GuardsRead
from rae_auto.engine.step import ReadGuards

PATIENCE = 10.0
"""Seconds that a guard has for its answer."""


class GuardedGuard:
    """Asks a computed guard, and checks its answers; a bad one counts as that it can't tell.

    Two are equal where their guards are, so that a reload changes nothing that stays the same.
    """

    __slots__ = ("_containment", "_is_failing", "inner")

    def __init__(self, inner: ComputedGuard, containment: Containment) -> None:
        self.inner = inner
        self._containment = containment
        self._is_failing = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GuardedGuard) and bool(self.inner == other.inner)

    def __hash__(self) -> int:
        return hash(self.inner)

    def __repr__(self) -> str:
        return repr(self.inner)

    def says(self, instant: datetime) -> Says:
        """What the guard says, where that is an answer."""
        try:
            says = _checked(self.inner.says(instant))
        except (Exception, SystemExit) as error:
            self._is_failing = True
            return _failed(self._containment, self.inner, error)
        if self._is_failing:
            self._is_failing = False
            self._containment.succeeded(Kind.GUARD, self.inner.type, _place(self.inner))
        return says

    def changes_after(self, instant: datetime) -> datetime | None:
        """When it may say something else, where that is an instant to come."""
        try:
            change = self.inner.changes_after(instant)
            if change is not None and (change.tzinfo is None or change <= instant):
                wrong = f"{change.isoformat()}, which is no aware instant after {instant.isoformat()}"
                raise ValueError(f"changes_after returned {wrong}")
        except (Exception, SystemExit) as error:
            _failed(self._containment, self.inner, error)
            return None
        return change


class GuardReader:
    """Reads the guards that look at the machine. Equal ones that are wanted at once are read once."""

    def __init__(self, tell: Callable[[GuardsRead], None], containment: Containment) -> None:
        self._tell = tell
        self._containment = containment
        self._reading: dict[ReadGuard, asyncio.Task[Says]] = {}
        self._answering: set[asyncio.Task[None]] = set()

    def read(self, wanted: ReadGuards) -> None:
        """Begin to read what the engine wants to know; it is told when all have answered."""
        task = asyncio.get_running_loop().create_task(self._answer(wanted))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def close(self) -> None:
        """Read no more."""
        for task in (*self._answering, *self._reading.values()):
            task.cancel()
        await wait_for_all({*self._answering, *self._reading.values()}, "a guard")

    async def _answer(self, wanted: ReadGuards) -> None:
        guards = cast("Iterable[ReadGuard]", wanted.guards.values())
        # Whatever they do there is an answer: without one the run would wait for ever.
        answers = await asyncio.gather(*map(self._read, guards), return_exceptions=True)
        says = [answer if isinstance(answer, Says) else _failure(answer) for answer in answers]
        self._tell(GuardsRead(wanted.run, dict(zip(wanted.guards, says, strict=True))))

    async def _read(self, guard: ReadGuard) -> Says:
        try:
            reading = self._reading.get(guard)
        except Exception as error:  # it can't be hashed, or compared
            return _failed(self._containment, guard, error)
        if reading is None:
            work = read_guard(guard, self._containment)
            reading = self._reading[guard] = asyncio.get_running_loop().create_task(work, name=_place(guard))
            reading.add_done_callback(lambda _: self._reading.pop(guard, None))
        # Nothing but time ends this: a guard may ignore its cancellation, or be cancelled by a library of its own.
        await asyncio.wait({reading}, timeout=PATIENCE)
        if not reading.done():
            reading.cancel()
            return Says(Answer.UNKNOWN, f"it has not answered within {PATIENCE:g} s")
        return Says(Answer.UNKNOWN, "it was cancelled") if reading.cancelled() else reading.result()


async def read_guard(guard: ReadGuard, containment: Containment) -> Says:
    """What a guard says now, where that is an answer and comes in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            says = _checked(await guard.read())
    except TimeoutError:
        return Says(Answer.UNKNOWN, f"it has not answered within {PATIENCE:g} s")
    except (Exception, SystemExit) as error:
        return _failed(containment, guard, error)
    containment.succeeded(Kind.GUARD, guard.type, _place(guard))
    return says


def _checked(says: object) -> Says:
    if not isinstance(says, Says) or not isinstance(says.answer, Answer):
        raise TypeError(f"it answered {says!r:.60}, which is no Says")
    return Says(says.answer, " ".join(str(says.because).split())[:300])


def _failed(containment: Containment, guard: ComputedGuard | ReadGuard, error: BaseException) -> Says:
    containment.failed(Kind.GUARD, guard.type, _place(guard), error)
    return _failure(error)


def _failure(error: BaseException) -> Says:
    return Says(Answer.UNKNOWN, f"it failed: {' '.join(repr(error).split())[:200]}")


def _place(guard: ComputedGuard | ReadGuard) -> str:
    return f"{guard!r:.120}"
