"""Wraps a guard for the engine, which gets a valid answer even if the plugin misbehaves."""

import asyncio
from datetime import datetime

from rae_auto.api.guard import ComputedGuard, GuardResult, ReadGuard, Verdict
from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import blame
from rae_auto.registry.containment import are_equal, hash_of, is_foreign, repr_of, show_plugin
from rae_auto.registry.quarantine import Quarantine
from rae_auto.toolkit.threads.time_limit import call_within_limit

GUARD_TIMEOUT_SECONDS = 10.0
"""Seconds that a guard has for its answer."""


class SafeGuard:
    """Asks a computed guard, and checks its answers; an invalid one counts as UNKNOWN.

    Two are equal where their guards are, so that a reload changes nothing that stays the same.
    """

    __slots__ = ("_is_failing", "_quarantine", "inner")

    def __init__(self, inner: ComputedGuard, quarantine: Quarantine) -> None:
        self.inner = inner
        self._quarantine = quarantine
        self._is_failing = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SafeGuard) and are_equal(self.inner, other.inner)

    def __hash__(self) -> int:
        return hash_of(self.inner)

    def __repr__(self) -> str:
        return repr_of(self.inner)

    def evaluate(self, instant: datetime) -> GuardResult:
        """Return the result of the guard; UNKNOWN if it fails."""
        try:
            result = _check_result(call_within_limit(self.inner.evaluate, instant), self.inner.evaluate)
        except BaseException as error:
            if is_foreign(error):
                raise
            self._is_failing = True
            return failed(self._quarantine, self.inner, error)
        if self._is_failing:
            self._is_failing = False
            self._quarantine.succeeded(Kind.GUARD, self.inner.type, place(self.inner))
        return result

    def changes_after(self, instant: datetime) -> datetime | None:
        """Return when the answer may change; None if it never does, or if the guard's answer is invalid."""
        try:
            change = call_within_limit(self.inner.changes_after, instant)
            if change is not None and (change.tzinfo is None or change <= instant):
                wrong = f"{change.isoformat()}, which isn't an aware instant after {instant.isoformat()}"
                raise blame(ValueError(f"changes_after returned {wrong}"), self.inner.changes_after)
        except BaseException as error:
            if is_foreign(error):
                raise
            failed(self._quarantine, self.inner, error)
            return None
        return change


def ask_verdict(guard: ComputedGuard, instant: datetime) -> str | None:
    """Return how the result of a computed guard breaks its contract, None if it doesn't. Raises what it raises."""
    return find_verdict_problem(guard.evaluate(instant))


def find_verdict_problem(result: object) -> str | None:
    """Return how a return value of `evaluate` breaks its contract, None if it doesn't."""
    if not isinstance(result, GuardResult) or not isinstance(result.verdict, Verdict):
        return f"evaluate returned {result!r:.60}, which is not a GuardResult"
    return None


def ask_change(guard: ComputedGuard, instant: datetime) -> str | None:
    """Return how `changes_after` of a computed guard breaks its contract, None if it doesn't. Raises what it raises."""
    return find_change_problem(guard.changes_after(instant), instant)


def find_change_problem(change: object, instant: datetime) -> str | None:
    """Return how a return value of `changes_after` breaks its contract, None if it doesn't."""
    if change is not None and not (isinstance(change, datetime) and change.tzinfo is not None and change > instant):
        return f"changes_after returned {change!r:.60}, which isn't an aware instant after {instant.isoformat()}"
    return None


async def read_guard(guard: ReadGuard, quarantine: Quarantine) -> GuardResult:
    """Return the result of a guard; UNKNOWN if it fails or takes too long."""
    limit = asyncio.timeout(GUARD_TIMEOUT_SECONDS)
    try:
        async with limit:
            result = _check_result(await guard.read(), guard.read)
    except BaseException as error:
        if is_foreign(error) or isinstance(error, asyncio.CancelledError):
            raise  # cancelled by the reader of guards
        return give_up(quarantine, guard) if limit.expired() else failed(quarantine, guard, error)
    quarantine.succeeded(Kind.GUARD, guard.type, place(guard))
    return result


def _check_result(result: object, method: object) -> GuardResult:
    if not isinstance(result, GuardResult) or not isinstance(result.verdict, Verdict):
        raise blame(TypeError(f"it answered {result!r:.60}, which is not a GuardResult"), method)
    return GuardResult(result.verdict, " ".join(str(result.reason).split())[:300])


def give_up(quarantine: Quarantine, guard: ReadGuard) -> GuardResult:
    """Record that a guard has not answered in time, and return that it can't tell."""
    text = f"it has not answered within {GUARD_TIMEOUT_SECONDS:g} s"
    # Not a TimeoutError: that would be one of the system, which the author of a guard can do nothing about.
    quarantine.failed(Kind.GUARD, guard.type, place(guard), blame(RuntimeError(text), guard.read))
    return GuardResult(Verdict.UNKNOWN, text)


def failed(quarantine: Quarantine, guard: ComputedGuard | ReadGuard, error: BaseException) -> GuardResult:
    quarantine.failed(Kind.GUARD, guard.type, place(guard), error)
    return failure(error)


def failure(error: BaseException) -> GuardResult:
    return GuardResult(Verdict.UNKNOWN, f"it failed: {' '.join(repr(error).split())[:200]}")


def place(guard: ComputedGuard | ReadGuard) -> str:
    return show_plugin(guard)
