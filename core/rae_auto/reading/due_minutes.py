"""The starts that are due in each minute to come, computed from the definitions of jobs.

Ten thousand jobs that start each minute have fourteen million starts a day. So the computation has a limit of time for
each job and in all, and says until when it is complete; it rests often, because people wait for another thread.
"""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from datetime import time as clock
from typing import Any

from attrs import frozen

from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import InvalidJob
from rae_auto.explain.upcoming import iterate_instants
from rae_auto.model import documents
from rae_auto.model.guard import Computed
from rae_auto.model.job import Job
from rae_auto.model.primitives.zones import zone
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)

PAST_DAYS, COMING_DAYS = 400, 42
"""Days back and ahead for which the answers of guards are noted."""

MAX_NOTED_DAYS = 12
"""A guard that forbids more days, and always the same ones of the week, isn't noted."""

MAX_COMPUTING_SECONDS = 20.0
WORK_SECONDS, REST_SECONDS = 0.002, 0.004
"""Time for which is computed without a pause, and the pause after it."""


@frozen
class DueMinutes:
    """Starts that are due; complete from `since` until `until`.

    They are counted by minutes since 1970, and by quarters of an hour, of which a month has few enough.
    """

    since: datetime
    until: datetime
    counts: Mapping[int, int]
    quarters: Mapping[int, int]

    def count(self, since: datetime, until: datetime, step: timedelta) -> Counter[datetime]:
        """Return the numbers of a span, step by step from `since` on."""
        first, last, width = _minute_of(since), _minute_of(until), int(step / MINUTE)
        is_coarse = not (first % 15 or last % 15 or width % 15)
        size, counts = (15, self.quarters) if is_coarse else (1, self.counts)
        counted: Counter[int] = Counter()
        for number in range(first // size, last // size):
            if (count := counts.get(number)) is not None:
                counted[(number * size - first) // width] += count
        return Counter({since + step * number: count for number, count in counted.items()})


def _minute_of(instant: datetime) -> int:
    return int(instant.timestamp()) // 60


Definition = Mapping[str, Any]
"""A job's document, and what decides when it starts next."""


def count_due_minutes(
    definitions: Sequence[Definition],
    zone: str,
    since: datetime,
    until: datetime,
    limit_seconds: float = MAX_COMPUTING_SECONDS,
) -> DueMinutes:
    """Count the scheduled starts of jobs from `since` on, minute by minute, hour after hour as long as there is time.

    Guards count as saying yes: they delay starts more often than they forbid them, which a sum can't show.
    """
    factory = PluginFactory(Registry(), zone)
    limit = time.monotonic() + limit_seconds
    streams = []
    for number, one in enumerate(definitions):
        streams += _streams_of(one, factory, since)
        if number % 10 == 0:
            time.sleep(REST_SECONDS)
    counts: Counter[int] = Counter()
    pending = [(next(stream, None), stream) for stream in streams]
    end, rest_at = since, time.monotonic() + WORK_SECONDS
    while end < until and time.monotonic() < limit:
        end = min(end + timedelta(hours=1), until)
        for number, (instant, stream) in enumerate(pending):
            while instant is not None and instant < end:
                counts[_minute_of(instant)] += 1
                instant = next(stream, None)
                if time.monotonic() > rest_at:
                    # Python runs one thread at a time, and people wait for the other one.
                    time.sleep(REST_SECONDS)
                    rest_at = time.monotonic() + WORK_SECONDS
            pending[number] = (instant, stream)
    quarters: Counter[int] = Counter()
    for minute, count in counts.items():
        quarters[minute // 15] += count
    return DueMinutes(since, end, counts, quarters)


def find_day_notes(definitions: Sequence[Definition], zone_name: str, now: datetime) -> dict[date, list[str]]:
    """Return what the guards of jobs forbid for a whole day, for the days around `now`, each reason once.

    A guard that forbids a day of each week, such as one of weekdays, is no news and is left out.
    """
    factory, where = PluginFactory(Registry(), zone_name), zone(zone_name)
    guards: dict[str, Computed] = {}
    for one in definitions:
        if one["definition"].get("guards") and (plan := plan_of(one, factory)) is not None:
            for ref in plan.job.guards:
                if (guard := plan.guards.get(ref.id)) is not None:
                    guards.setdefault(f"{ref.type} {ref.options}", guard)
    notes: dict[date, list[str]] = {}
    today = now.astimezone(where).date()
    for guard in guards.values():
        forbidden = _forbidden_days(guard, today, where)
        if len({day.weekday() for day in forbidden}) * 5 > len(forbidden) or len(forbidden) <= MAX_NOTED_DAYS:
            for day, reason in forbidden.items():
                notes.setdefault(day, []).append(reason)
    return notes


def _forbidden_days(guard: Computed, today: date, where: tzinfo) -> dict[date, str]:
    """Return the days around today on which a guard forbids each of five times of day, with its reason at noon."""
    found = {}
    for number in range(-PAST_DAYS, COMING_DAYS):
        day = today + DAY * number
        answers = [guard.evaluate(datetime.combine(day, clock(hour), where)) for hour in (0, 6, 12, 18, 23)]
        if not any(answer.allows for answer in answers):
            found[day] = answers[2].reason
    return found


def _streams_of(one: Definition, factory: PluginFactory, since: datetime) -> list[Any]:
    plan = plan_of(one, factory)
    if plan is None or not plan.job.enabled or (one["paused"] and one["paused_until"] is None):
        return []
    begin = since - timedelta(microseconds=1)
    if one["paused_until"] is not None:
        begin = max(begin, datetime.fromisoformat(one["paused_until"]) - timedelta(microseconds=1))
    skips = {datetime.fromisoformat(at) for at in one["skips"]}
    return [
        (instant for instant in iterate_instants(schedule, begin) if instant not in skips)
        for trigger, schedule in plan.schedules.items()
        # The instants of those that count from the last run are known to none.
        if trigger not in plan.run_points
    ]


def plan_of(one: Definition, factory: PluginFactory) -> Plan | None:
    """Return the plan of a definition; None if the job can't be used here."""
    try:
        return factory.plan(documents.load(Job, one["definition"]), JobOrigin.CONFIG).plan
    except InvalidJob:
        return None
