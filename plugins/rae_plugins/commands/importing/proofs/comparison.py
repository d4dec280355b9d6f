"""Proof that imported jobs start when the source would: compared with an independent calculation, over two years.

`independent_starts` says who calculates for which source.
Sparse schedules are compared start by start. Of dense ones the first `MAX_DENSE_STARTS`, and all starts within a day
of each change of the clock, because that is where programs differ.
"""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.api import ScheduleTrigger, Verdict
from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.primitives.zones import zone
from rae_plugins.commands.importing.imported import FireTimes, ImportedJob
from rae_plugins.commands.importing.proofs.independent_starts import independent_starts
from rae_plugins.guards.weekday import WeekdayGuard
from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.interval import IntervalTrigger

SPAN = timedelta(days=731)
MAX_DENSE_STARTS = 3000
"""Number of starts that are compared one by one; a daily job has 731 in two years."""
CHANGE_SPAN = timedelta(days=1)


@frozen
class Proof:
    """The result of a comparison: how many starts are equal, and the first ones that are not.

    `problem` says why nothing could be compared.
    """

    compared: int = 0
    differences: tuple[str, ...] = ()
    problem: str | None = None


def prove_job(job: ImportedJob, now: datetime) -> list[Proof]:
    """Compare the start times of a job with those of its source, each of its schedules."""
    days = next((guard for guard in job.table.get("guards", ()) if guard["type"] == "weekday"), None)
    return [_prove(times, expression, now, days) for times, expression in _pairs(job)]


def _pairs(job: ImportedJob) -> Iterator[tuple[FireTimes, ScheduleTrigger]]:
    triggers = job.table.get("triggers") or [job.table.get("trigger") or {"expression": job.table.get("schedule")}]
    schedules = [one for one in triggers if one.get("expression") or _is_by_clock(one)]
    for times, trigger in zip(job.times, schedules, strict=False):
        where = trigger.get("timezone") or times.timezone
        if trigger.get("expression"):
            yield times, CronTrigger(expression=trigger["expression"], timezone=where)
        else:
            start = {"from_": trigger["from"]} if "from" in trigger else {}
            yield times, IntervalTrigger(every=trigger["every"], timezone=where, **start)


def _is_by_clock(trigger: Mapping[str, Any]) -> bool:
    return "every" in trigger and trigger.get("from") not in ("start", "end")


def _prove(times: FireTimes, ours: ScheduleTrigger, now: datetime, guard: Mapping[str, Any] | None = None) -> Proof:
    days = None if guard is None else WeekdayGuard(days=tuple(guard["days"]), timezone=guard.get("timezone"))
    where = zone(times.timezone or "local")
    until = now + SPAN
    try:
        differences, compared = [], 0
        for begin, end, most in _spans(now, until, where):
            mine = list(islice(_starts(ours, begin, end, days), most))
            theirs = list(islice(independent_starts(times, begin, end, where, most=len(mine) + 2), most))
            compared += len(mine)
            differences += _differences(mine, theirs, where)
        return Proof(compared, tuple(dict.fromkeys(differences)))
    except ImportError as error:
        name = str(error.name or "cronsim").partition(".")[0]
        return Proof(problem=f"{name} is not installed; 'pip install {name}' lets the start times be compared")
    except (ValueError, OSError, subprocess.SubprocessError) as error:
        return Proof(problem=f"the start times of {times.text!r} could not be compared: {error}"[:200])


def _spans(now: datetime, until: datetime, where: ZoneInfo) -> Iterator[tuple[datetime, datetime, int]]:
    yield now, until, MAX_DENSE_STARTS
    for change in clock_changes(where, now, until):
        yield change - CHANGE_SPAN, change + CHANGE_SPAN, 2 * 24 * 60


def clock_changes(where: ZoneInfo, since: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the hours in which the offset of a zone changes."""
    hour, offset = since.astimezone(UTC), since.astimezone(where).utcoffset()
    while hour < until:
        hour += timedelta(hours=6)
        if (found := hour.astimezone(where).utcoffset()) != offset:
            offset = found
            yield hour


def _starts(
    ours: ScheduleTrigger, begin: datetime, end: datetime, days: WeekdayGuard | None = None
) -> Iterator[datetime]:
    at = ours.next_after(begin)
    while at is not None and at < end:
        if days is None or days.evaluate(at).verdict is Verdict.YES:
            yield at
        at = ours.next_after(at)


def _differences(mine: Sequence[datetime], theirs: Sequence[datetime], where: ZoneInfo) -> list[str]:
    """Return a line for each start that only one of the two has, with its cause."""
    end = min(mine[-1] if mine else datetime.max.replace(tzinfo=UTC), theirs[-1] if theirs else _MAX)
    both = {at for at in mine if at <= end} ^ {at for at in theirs if at <= end}
    return [_describe(at, at in set(mine), where) for at in sorted(both)]


_MAX = datetime.max.replace(tzinfo=UTC)


def _describe(at: datetime, is_ours: bool, where: ZoneInfo) -> str:
    change = next(clock_changes(where, at - CHANGE_SPAN, at + CHANGE_SPAN), None)
    who = "only here" if is_ours else "only by the source"
    why = "no cause is known" if change is None else _explain_change(change, where, is_ours=is_ours)
    return f"{at.astimezone(where):%Y-%m-%d %H:%M %Z} {who}: {why}"


def _explain_change(change: datetime, where: ZoneInfo, *, is_ours: bool) -> str:
    before, after = ((change + step).astimezone(where).utcoffset() for step in (-CHANGE_SPAN / 2, CHANGE_SPAN / 2))
    if (after or _NOTHING) > (before or _NOTHING):
        return "the clock is set forward that day; here a fixed time that it skips comes at the end of the gap"
    rule = "an hour that is * counts both times" if is_ours else "a fixed time counts the first time only"
    return f"the clock is set back that day; here {rule}"


_NOTHING = timedelta(0)


def describe_proofs(proofs: Sequence[Proof]) -> Iterator[str]:
    """Yield lines about comparisons: how much is equal, what differs, and what could not be compared."""
    compared = sum(proof.compared for proof in proofs)
    different = [line for proof in proofs for line in proof.differences]
    proven = [proof for proof in proofs if proof.problem is None]
    if proven:
        schedules = format_count(len(proven), "schedule")
        equal = "all equal" if not different else f"{len(different)} different"
        yield f"start times: {format_count(compared, 'start')} of {schedules} in the next two years compared, {equal}"
    yield from (f"  {line}" for line in different[:10])
    if len(different) > 10:
        yield f"  and {len(different) - 10} more"
    yield from dict.fromkeys(proof.problem for proof in proofs if proof.problem is not None)
