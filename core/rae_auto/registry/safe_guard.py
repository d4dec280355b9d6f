"""A guard's plugin at the border of the engine: whatever it does, the engine gets a verdict."""

import asyncio
from datetime import datetime

from rae_auto.api.guard import Answer, ComputedGuard, ReadGuard, Says
from rae_auto.api.plugin import Kind
from rae_auto.registry.quarantine import Containment

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
            return failed(self._containment, self.inner, error)
        if self._is_failing:
            self._is_failing = False
            self._containment.succeeded(Kind.GUARD, self.inner.type, place(self.inner))
        return says

    def changes_after(self, instant: datetime) -> datetime | None:
        """When it may say something else, where that is an instant to come."""
        try:
            change = self.inner.changes_after(instant)
            if change is not None and (change.tzinfo is None or change <= instant):
                wrong = f"{change.isoformat()}, which is no aware instant after {instant.isoformat()}"
                raise ValueError(f"changes_after returned {wrong}")
        except (Exception, SystemExit) as error:
            failed(self._containment, self.inner, error)
            return None
        return change


async def read_guard(guard: ReadGuard, containment: Containment) -> Says:
    """What a guard says now, where that is an answer and comes in time."""
    try:
        async with asyncio.timeout(PATIENCE):
            says = _checked(await guard.read())
    except TimeoutError:
        return Says(Answer.UNKNOWN, f"it has not answered within {PATIENCE:g} s")
    except (Exception, SystemExit) as error:
        return failed(containment, guard, error)
    containment.succeeded(Kind.GUARD, guard.type, place(guard))
    return says


def _checked(says: object) -> Says:
    if not isinstance(says, Says) or not isinstance(says.answer, Answer):
        raise TypeError(f"it answered {says!r:.60}, which is no Says")
    return Says(says.answer, " ".join(str(says.because).split())[:300])


def failed(containment: Containment, guard: ComputedGuard | ReadGuard, error: BaseException) -> Says:
    containment.failed(Kind.GUARD, guard.type, place(guard), error)
    return failure(error)


def failure(error: BaseException) -> Says:
    return Says(Answer.UNKNOWN, f"it failed: {' '.join(repr(error).split())[:200]}")


def place(guard: ComputedGuard | ReadGuard) -> str:
    return f"{guard!r:.120}"
