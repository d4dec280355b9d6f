"""The start of a run that is due, as far as the guards decide that can be computed."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.engine.plan import Plan
from rae_auto.model.guard import Computed
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.zones import zone
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


def explain_blocked(plan: Plan, due_at: datetime | None) -> str | None:
    """Return why the start that is due then will be skipped, if a guard that can be computed already says so."""
    if due_at is None or not plan.guards:
        return None
    start = find_start(plan.guards, plan.job.guard_timeout, due_at)
    return None if start.starts_at is not None or start.blocker is None else start.blocker.text


@frozen
class ZoneNote:
    """The time in a schedule's own zone as a clause, and how far its clock is ahead of the one that is shown."""

    text: str
    difference: timedelta


def note_own_zone(schedule: object, instant: datetime, shown: ZoneInfo) -> ZoneNote | None:
    """Return the time in the schedule's own zone, if its clock shows another time than the zone that is `shown`."""
    name = getattr(schedule, "timezone", None)
    if not isinstance(name, str) or name == "local":
        return None
    there, here = instant.astimezone(zone(name)), instant.astimezone(shown)
    difference = there.replace(tzinfo=None) - here.replace(tzinfo=None)
    if not difference:
        return None
    text = f"{here:%H:%M} in {shown.key} is {there:%H:%M} on {there.date()} in {name}, the trigger's zone"
    return ZoneNote(text, difference)


def _find_blocker(guards: Guards, at: datetime) -> GuardBlocked | None:
    for name, guard in guards.items():
        if guard is not None and not (result := guard.evaluate(at)).allows:
            return GuardBlocked.from_result(name, result)
    return None


def describe_unknown_start(plan: Plan, trigger: str, counts_from: Mapping[str, datetime | None]) -> str | None:
    """Return why the next instant of a schedule is not known that counts from the last run of its job; else None.

    `counts_from` has the instants that such schedules count from, None while a run goes on whose end isn't known.
    """
    if trigger not in plan.run_points or counts_from.get(trigger) is not None:
        return None
    numbers = {ref.id: number for number, ref in enumerate(plan.job.schedule)}
    what = plan.summaries[numbers[trigger]] if plan.summaries else trigger
    if trigger in counts_from:
        return f"{quote(what)} counts from the end of the run that goes on, which isn't known yet"
    return f"{quote(what)} counts from when a daemon loads the job"
