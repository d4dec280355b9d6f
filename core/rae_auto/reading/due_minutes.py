"""The starts that are due in each minute to come, computed from the definitions of jobs.

Ten thousand jobs that start each minute have fourteen million starts a day. So the computation has a limit of time for
all jobs, and says until when it is complete.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from heapq import nsmallest
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.errors import InvalidJob
from rae_auto.explain.next_start import find_start
from rae_auto.explain.upcoming import iterate_instants
from rae_auto.model import documents
from rae_auto.model.guard import Computed
from rae_auto.model.job import Job
from rae_auto.model.primitives.zones import zone as find_zone
from rae_auto.reading.due_counts import DueCounts, minute_of
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.views.screens.day_grid import BUSIEST_MINUTES, MAX_NAMED_JOBS

DAY = timedelta(days=1)

MAX_COMPUTING_SECONDS = 20.0
NAMED_MINUTES = BUSIEST_MINUTES + 15
"""Number of minutes of a day of which jobs are noted: some of the busiest pass until they are computed again."""

STEP = timedelta(hours=1)
"""The part of the span that is computed of all jobs before the next part."""


Definition = Mapping[str, Any]
"""A job's document, and what decides when it starts next."""


def count_due_minutes(
    definitions: Sequence[Definition], zone: str, since: datetime, horizons: Sequence[datetime]
) -> Iterator[DueCounts]:
    """Count the scheduled starts of jobs from `since` to each horizon, as far as there is time.

    Guards that can be computed delay and forbid them; those that read the machine count as saying yes.
    """
    factory = PluginFactory(Registry(), zone)
    limit = time.monotonic() + MAX_COMPUTING_SECONDS
    streams = [(one["definition"]["id"], stream) for one in definitions for stream in _streams_of(one, factory, since)]
    counts, jobs = Counter[int](), defaultdict[int, list[str]](list)
    pending = [(*first, job, stream) for job, stream in streams if (first := next(stream, None)) is not None]
    end = since
    for horizon in horizons:
        while end < horizon and time.monotonic() < limit:
            end = min(end + STEP, horizon)
            pending = list(_count_until(end, pending, counts, jobs))
        named = {minute: jobs[minute] for minute in _find_busiest(counts, find_zone(zone))}
        yield DueCounts.from_counter(since, end, counts, named)
        if end < horizon:
            return


Instants = Iterator[tuple[datetime, bool]]
"""When runs start that are due, ascending; with False when one is due that the guards forbid.

Guards may forbid all of them, for good; so a reader can stop at one that is too late.
"""

Pending = tuple[datetime, bool, str, Instants]
"""The next instant of a schedule, its job, and the instants after it."""


def _count_until(
    end: datetime, pending: Iterable[Pending], counts: Counter[int], jobs: Mapping[int, list[str]]
) -> Iterator[Pending]:
    """Count the starts of schedules before an end, and note the first jobs of each minute; yield those that go on."""
    for instant, is_allowed, job, stream in pending:
        while instant < end:
            if is_allowed:
                minute = minute_of(instant)
                counts[minute] += 1
                if len(named := jobs[minute]) < MAX_NAMED_JOBS and job not in named:
                    named.append(job)
            following = next(stream, None)
            if following is None:
                break
            instant, is_allowed = following
        else:
            yield instant, is_allowed, job, stream


def _find_busiest(counts: Mapping[int, int], where: ZoneInfo) -> Iterator[int]:
    """Yield the busiest minutes of each day, of minutes with as many starts the first ones, as the page of a day has
    them.
    """
    days: dict[date, list[int]] = {}
    for minute in counts:
        days.setdefault(datetime.fromtimestamp(minute * 60, where).date(), []).append(minute)
    for minutes in days.values():
        yield from nsmallest(NAMED_MINUTES, minutes, key=lambda minute: (-counts[minute], minute))


def _streams_of(one: Definition, factory: PluginFactory, since: datetime) -> list[Instants]:
    plan = plan_of(one, factory)
    if plan is None or not plan.job.enabled or (one["paused"] and one["paused_until"] is None):
        return []
    begin = since - timedelta(microseconds=1)
    if one["paused_until"] is not None:
        begin = max(begin, datetime.fromisoformat(one["paused_until"]) - timedelta(microseconds=1))
    skips = {datetime.fromisoformat(at) for at in one["skips"]}
    guards = {name: guard for name, guard in plan.guards.items() if guard is not None}
    streams = [
        (instant for instant in iterate_instants(schedule, begin) if instant not in skips)
        for trigger, schedule in plan.schedules.items()
        # The instants of those that count from the last run are known to none.
        if trigger not in plan.run_points
    ]
    return [_starts_of(stream, guards, plan.job.guard_timeout) for stream in streams]


def _starts_of(instants: Iterator[datetime], guards: Mapping[str, Computed], guard_timeout: timedelta) -> Instants:
    """Yield when the runs start that are due at these instants, as far as guards decide it.

    No guard is asked again before its answer can change: a job of each minute is due 43,200 times in a month.
    """
    allowed_since = datetime.min.replace(tzinfo=UTC)
    allowed_until = allowed_since if guards else datetime.max.replace(tzinfo=UTC)
    for due_at in instants:
        if allowed_since <= due_at < allowed_until:
            yield due_at, True
            continue
        start = find_start(guards, guard_timeout, due_at).starts_at
        yield start or due_at, start is not None
        if start is not None:
            allowed_since = start
            changes = [change for guard in guards.values() if (change := guard.changes_after(start)) is not None]
            allowed_until = min(changes, default=datetime.max.replace(tzinfo=UTC))


def plan_of(one: Definition, factory: PluginFactory) -> Plan | None:
    """Return the plan of a definition; None if the job can't be used here."""
    try:
        return factory.plan(documents.load(Job, one["definition"]), JobOrigin.CONFIG).plan
    except InvalidJob:
        return None
