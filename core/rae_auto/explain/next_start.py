"""The start of a run that is due, as far as the guards decide that can be computed."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.model.guard import Computed
from rae_auto.model.reasons import GuardBlocked, SkippedByHand

Guards = Mapping[str, Computed | None]
"""Guards by their ids; None for one that reads the machine."""


@frozen
class NextStart:
    """An instant at which a job is due, its start, and why that is later.

    `starts_at` is None if a guard, or a request to skip it, forbids it. `note` is a remark of the schedule, such as
    on a shift by DST.
    """

    due_at: datetime
    starts_at: datetime | None
    blocker: GuardBlocked | SkippedByHand | None = None
    note: str | None = None


def find_start(guards: Guards, guard_timeout: timedelta, due_at: datetime) -> NextStart:
    """Return when a run that is due at an instant starts, where its guards alone decide it.

    It waits for them as long as `guard_timeout`. Guards that read the machine count as saying yes.
    """
    at, first = due_at, _find_blocker(guards, due_at)
    blocker = first
    while blocker is not None:
        guard = guards[blocker.guard]
        change = None if guard is None else guard.changes_after(at)
        if change is None or change > due_at + guard_timeout:
            return NextStart(due_at, None, first)
        at = change
        blocker = _find_blocker(guards, at)
    return NextStart(due_at, at, first)


def _find_blocker(guards: Guards, at: datetime) -> GuardBlocked | None:
    for name, guard in guards.items():
        if guard is not None and not (result := guard.evaluate(at)).allows:
            return GuardBlocked.from_result(name, result)
    return None
