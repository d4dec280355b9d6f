"""A guard's plugin at the border of the engine: whatever it does, the engine gets a verdict."""

import asyncio
from datetime import datetime

from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.api.plugin import Kind
from rae_auto.registry.quarantine import Quarantine

GUARD_TIMEOUT_SECONDS = 10.0
"""Seconds that a guard has for its answer."""


class SafeGuard:
    """Asks a computed guard, and checks its answers; a bad one counts as that it can't tell.

    Two are equal where their guards are, so that a reload changes nothing that stays the same.
    """

    __slots__ = ("_is_failing", "_quarantine", "inner")

    def __init__(self, inner: ComputedGuard, quarantine: Quarantine) -> None:
        self.inner = inner
        self._quarantine = quarantine
        self._is_failing = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SafeGuard) and bool(self.inner == other.inner)

    def __hash__(self) -> int:
        return hash(self.inner)

    def __repr__(self) -> str:
        return repr(self.inner)

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return the result of the guard; UNKNOWN if it fails."""
        try:
            result = _check_result(self.inner.evaluate(instant))
        except (Exception, SystemExit) as error:
            self._is_failing = True
            return failed(self._quarantine, self.inner, error)
        if self._is_failing:
            self._is_failing = False
            self._quarantine.succeeded(Kind.GUARD, self.inner.type, place(self.inner))
        return result

    def changes_after(self, instant: datetime) -> datetime | None:
        """When it may say something else, where that is an instant to come."""
        try:
            change = self.inner.changes_after(instant)
            if change is not None and (change.tzinfo is None or change <= instant):
                wrong = f"{change.isoformat()}, which isn't an aware instant after {instant.isoformat()}"
                raise ValueError(f"changes_after returned {wrong}")
        except (Exception, SystemExit) as error:
            failed(self._quarantine, self.inner, error)
            return None
        return change


async def read_guard(guard: ReadGuard, quarantine: Quarantine) -> GuardResult:
    """Return the result of a guard; UNKNOWN if it fails or takes too long."""
    try:
        async with asyncio.timeout(GUARD_TIMEOUT_SECONDS):
            result = _check_result(await guard.read())
    except TimeoutError:
        return GuardResult(Verdict.UNKNOWN, f"it has not answered within {GUARD_TIMEOUT_SECONDS:g} s")
    except (Exception, SystemExit) as error:
        return failed(quarantine, guard, error)
    quarantine.succeeded(Kind.GUARD, guard.type, place(guard))
    return result


def _check_result(result: object) -> GuardResult:
    if not isinstance(result, GuardResult) or not isinstance(result.verdict, Verdict):
        raise TypeError(f"it answered {result!r:.60}, which is not a GuardResult")
    return GuardResult(result.verdict, " ".join(str(result.reason).split())[:300])


def failed(quarantine: Quarantine, guard: ComputedGuard | ReadGuard, error: BaseException) -> GuardResult:
    quarantine.failed(Kind.GUARD, guard.type, place(guard), error)
    return failure(error)


def failure(error: BaseException) -> GuardResult:
    return GuardResult(Verdict.UNKNOWN, f"it failed: {' '.join(repr(error).split())[:200]}")


def place(guard: ComputedGuard | ReadGuard) -> str:
    return f"{guard!r:.120}"
