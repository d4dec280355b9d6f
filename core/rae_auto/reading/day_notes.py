"""The notes of days: what guards that can be computed forbid, for a whole day or for a part of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock

from rae_auto.model.guard import Computed
from rae_auto.model.primitives.formatting import quote_some
from rae_auto.model.primitives.zones import zone
from rae_auto.reading.due_minutes import Definition, plan_of
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

DAY = timedelta(days=1)

PAST_DAYS, COMING_DAYS = 400, 42
"""Days back and ahead for which the answers of guards are noted."""

MAX_NOTED_DAYS = 12
"""A part that a guard forbids on more days, and always on the same ones of the week, is left out."""

MAX_CHANGES = 4_000
"""Number of changes of a guard's answer that are followed; one that changes each minute has no parts of days."""

Span = tuple[datetime, datetime, str]
"""The begin and the end of what a guard forbids, and its reason at the begin."""


def find_day_notes(definitions: Sequence[Definition], zone_name: str, now: datetime) -> dict[date, list[str]]:
    """Return what the guards of jobs forbid on the days around `now`, each guard once with its jobs.

    What a guard forbids each week, such as one of weekdays or of times of the day, is no news and is left out.
    """
    factory, where = PluginFactory(Registry(), zone_name), zone(zone_name)
    guards: dict[str, Computed] = {}
    jobs: dict[str, list[str]] = {}
    for one in definitions:
        if one["definition"].get("guards") and (plan := plan_of(one, factory)) is not None:
            for ref in plan.job.guards:
                if (guard := plan.guards.get(ref.id)) is not None:
                    key = f"{ref.type} {ref.options}"
                    guards.setdefault(key, guard)
                    jobs.setdefault(key, []).append(plan.job.id)
    notes: dict[date, list[str]] = {}
    today = now.astimezone(where).date()
    for key, guard in guards.items():
        named = quote_some(jobs[key])
        whole = _forbidden_days(guard, today, where)
        if _is_notable(whole):
            for day, reason in whole.items():
                notes.setdefault(day, []).append(f"{named} can't start all day; at noon {reason}")
        for day, text in _forbidden_parts(guard, today, where, whole).items():
            notes.setdefault(day, []).append(f"{named} can't start {text}")
    return notes


def _is_notable(days: Mapping[date, object]) -> bool:
    return len({day.weekday() for day in days}) * 5 > len(days) or len(days) <= MAX_NOTED_DAYS


def _forbidden_days(guard: Computed, today: date, where: tzinfo) -> dict[date, str]:
    """Return the days around today on which a guard forbids each of five times of day, with its reason at noon."""
    found = {}
    for number in range(-PAST_DAYS, COMING_DAYS):
        day = today + DAY * number
        answers = [guard.evaluate(datetime.combine(day, clock(hour), where)) for hour in (0, 6, 12, 18, 23)]
        if not any(answer.allows for answer in answers):
            found[day] = answers[2].reason
    return found


def _forbidden_parts(guard: Computed, today: date, where: tzinfo, whole: Mapping[date, str]) -> dict[date, str]:
    """Return the parts of other days that a guard forbids, in words; not those that come back each week."""
    found: dict[date, list[tuple[str, str]]] = {}
    for begin, end, reason in find_forbidden_spans(guard, today, where):
        day = begin.astimezone(where).date()
        while (first := _midnight(day, where)) < end:
            last = _midnight(day + DAY, where)
            if day not in whole and not (begin <= first and last <= end):
                found.setdefault(day, []).append((_describe_part(begin, end, first, last, where), reason))
            day += DAY
    days_of: dict[tuple[str, ...], dict[date, str]] = {}
    for day, parts in found.items():
        text = f"{', '.join(part for part, _ in parts)}; {parts[0][1]}"
        days_of.setdefault(tuple(part for part, _ in parts), {})[day] = text
    return {day: text for days in days_of.values() if _is_notable(days) for day, text in days.items()}


def _describe_part(begin: datetime, end: datetime, first: datetime, last: datetime, where: tzinfo) -> str:
    if begin <= first:
        return f"until {end.astimezone(where):%H:%M}"
    since = f"from {begin.astimezone(where):%H:%M}"
    return f"{since} on" if end >= last else f"{since} to {end.astimezone(where):%H:%M}"


def find_forbidden_spans(guard: Computed, today: date, where: tzinfo) -> Iterator[Span]:
    """Yield the spans that a guard forbids around today; none if its answer changes too often to follow."""
    at, end = _midnight(today - DAY * PAST_DAYS, where), _midnight(today + DAY * COMING_DAYS, where)
    spans: list[Span] = []
    for _ in range(MAX_CHANGES):
        answer, change = guard.evaluate(at), guard.changes_after(at)
        until = end if change is None else min(change, end)
        if not answer.allows and spans and spans[-1][1] == at:
            spans[-1] = (spans[-1][0], until, spans[-1][2])
        elif not answer.allows:
            spans.append((at, until, answer.reason))
        at = until
        if at >= end:
            yield from spans
            return


def _midnight(day: date, where: tzinfo) -> datetime:
    return datetime.combine(day, clock(), where).astimezone(UTC)
