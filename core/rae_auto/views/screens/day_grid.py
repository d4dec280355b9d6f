"""A day as a grid of 24 hours of 60 minutes: how much starts in each, and where there is room."""

from asyncio import gather
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as clock
from itertools import accumulate, islice, pairwise
from operator import add, sub
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.run import Run
from rae_auto.views.screens.parts.base import ScreenBase, expected_text, local_times
from rae_auto.views.screens.parts.day_troubles import MAX_ROWS, DayTroubles, build_day_troubles
from rae_auto.views.screens.parts.record_source import (
    MAX_OPEN_RUNS,
    NOTHING_COMPARED,
    OPEN_STATES,
    RUNS,
    SKIPS,
    ExpectedCounts,
    RecordSource,
)
from rae_auto.views.screens.parts.strip import BAD, SKIPPED, group_of

MINUTE = timedelta(minutes=1)
BUSIEST_MINUTES = 5
MAX_NAMED_JOBS = 8
SLOT_RADIUS = 30
"""Minutes around a free slot in which there should be little to do."""


@frozen(kw_only=True)
class GridHour:
    """An hour of a day; a day with a change of the clock has others than 24, also shorter ones."""

    start: datetime
    label: str
    """"02" by the clock of the zone, "02 CEST" and "02 CET" where it comes twice."""
    first_minute: int = 0
    """The first minute that it has on the clock: not 0 after a change by half an hour, or within an hour."""
    past: tuple[int, ...]
    """Runs that were queued in each of its minutes, but for those that were skipped after a wait."""
    expected: tuple[int, ...]
    """Starts that are due in each of its minutes."""
    bad: tuple[int, ...]
    """Numbers of the `past` runs that failed, timed out or were lost."""
    skipped: tuple[int, ...]
    """Skips that were decided in each of its minutes, one for starts missed together."""
    is_complete: bool
    """False if more starts are due than the `expected` ones that are known by now, or none is known."""

    @property
    def expected_text(self) -> str:
        """The starts that are due in the hour: "12", "at least 12" or "…"."""
        return expected_text(sum(self.expected), is_complete=self.is_complete)


@frozen(kw_only=True)
class BusyMinute:
    """A minute in which many runs start."""

    at: datetime
    count: int
    jobs: tuple[str, ...]
    """Some of the jobs; empty where they aren't known."""


@frozen(kw_only=True)
class DayGrid(ScreenBase):
    """One day, minute by minute."""

    now: datetime
    zone: str
    date: date
    troubles: DayTroubles
    """The runs that failed and the starts that were skipped."""
    hours: tuple[GridHour, ...]
    busiest: tuple[BusyMinute, ...]
    collisions: int
    """Minutes in which several runs start."""
    collisions_text: str
    free_slot: datetime | None
    """A minute with the least to do within half an hour around it."""
    free_slot_text: str
    expected_until: datetime
    is_pending: bool
    notes: tuple[str, ...] = ()
    """Remarks on the day: what guards that can be computed forbid on it, or on a part of it."""


def day_bounds(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the begin of a day and that of the next, by the clock of a zone, in UTC."""
    utc = ZoneInfo("UTC")
    begin = datetime.combine(day, clock(0), zone).astimezone(utc)
    return begin, datetime.combine(day + timedelta(days=1), clock(0), zone).astimezone(utc)


@frozen
class DayNumbers:
    """The numbers of runs of a day, of the bad ones among them, and of skips, in each minute from its begin on."""

    runs: Sequence[int]
    bad: Sequence[int]
    skipped: Sequence[int]


async def load_day_grid(source: RecordSource, day: date) -> DayGrid:
    """Read a day, and build its grid of hours and minutes."""
    begin, end = day_bounds(day, source.zone)
    now = source.now()
    start = max(begin, now.replace(second=0, microsecond=0))
    past_end = min(end, now + MINUTE)
    past, skips, opened, records, expected, (max_parallel, notes) = await gather(
        source.count_steps(RUNS, begin, past_end, MINUTE),
        source.count_steps(SKIPS, begin, past_end, MINUTE),
        source.runs(since=begin, until=end, states=OPEN_STATES, limit=MAX_OPEN_RUNS),
        source.digest_records(begin, max(past_end, begin), NOTHING_COMPARED, max_rows=MAX_ROWS),
        expected_between(source, start, end, MINUTE),
        gather(source.max_parallel(), source.day_notes(begin, end)),
    )
    size = (end - begin) // MINUTE
    groups = {outcome: group_of(outcome) for outcome in past}
    # Those that are open are counted nowhere else.
    open_counts = count_minutes(Counter(run.queued_at for run in opened), begin, end)
    runs = _add_up([*(past[one] for one, group in groups.items() if group != SKIPPED), open_counts], size)
    bad = _add_up([past[one] for one, group in groups.items() if group == BAD], size)
    skipped = _add_up([*(past[one] for one, group in groups.items() if group == SKIPPED), *skips.values()], size)
    totals = list(map(add, runs, count_minutes(expected.counts, begin, end)))
    most = sorted(range(size), key=totals.__getitem__, reverse=True)[:BUSIEST_MINUTES]
    places = [(begin + MINUTE * minute, totals[minute]) for minute in most if totals[minute]]
    jobs = await _jobs_of(source, [at for at, _ in places], opened, now)
    busiest = [BusyMinute(at=at, count=count, jobs=tuple(jobs.get(at, ()))) for at, count in places]
    time = local_times(source.zone.key, now)
    troubles = build_day_troubles(records, sum(bad), sum(skipped), time, is_future=begin > now)
    return build_day_grid(
        day,
        DayNumbers(runs, bad, skipped),
        expected,
        troubles=troubles,
        busiest=busiest,
        max_parallel=max_parallel,
        notes=notes.get(day, ()),
        now=now,
        zone=source.zone,
    )


def count_minutes(counts: Mapping[datetime, int], begin: datetime, end: datetime) -> list[int]:
    """Return the numbers of all minutes of a span: to look each of them up by its instant takes much longer."""
    numbers = [0] * ((end - begin) // MINUTE)
    for at, count in counts.items():
        if 0 <= (minute := (at - begin) // MINUTE) < len(numbers):
            numbers[minute] += count
    return numbers


def _add_up(rows: Iterable[Sequence[int]], size: int) -> list[int]:
    """Return the sums of rows of numbers, some of which may end early."""
    sums = [0] * size
    for row in rows:
        sums[: len(row)] = map(add, sums, row)
    return sums


async def expected_between(source: RecordSource, since: datetime, until: datetime, step: timedelta) -> ExpectedCounts:
    """Return the expected starts of a span; none of one that has no length."""
    return await source.expected(since, until, step) if since < until else ExpectedCounts({}, until)


async def _jobs_of(
    source: RecordSource, minutes: Sequence[datetime], opened: Sequence[Run], now: datetime
) -> Mapping[datetime, Sequence[str]]:
    """Return some jobs that started in each minute that is here or over, and that are due in the others."""
    over = [at for at in minutes if at <= now]
    ended = await source.started_jobs(over, MAX_NAMED_JOBS)
    started: dict[datetime, Sequence[str]] = {}
    for at in over:
        active = [run.job for run in opened if at <= run.queued_at < at + MINUTE]
        started[at] = tuple(dict.fromkeys([*active, *ended[at]]))[:MAX_NAMED_JOBS]
    return {**started, **await source.due_jobs([at for at in minutes if at > now])}


def build_day_grid(
    day: date,
    numbers: DayNumbers,
    expected: ExpectedCounts,
    *,
    troubles: DayTroubles,
    busiest: Sequence[BusyMinute],
    max_parallel: int,
    now: datetime,
    zone: ZoneInfo,
    notes: Sequence[str] = (),
) -> DayGrid:
    """Return the grid of a day from the numbers of its minutes."""
    begin, end = day_bounds(day, zone)
    hours = []
    starts = list(_clock_hours(begin, end, zone))
    due = count_minutes(expected.counts, begin, end)
    for label, (start, until) in zip(_labels(starts[:-1], zone), pairwise(starts), strict=True):
        minutes = slice((start - begin) // MINUTE, (until - begin) // MINUTE)
        hours.append(
            GridHour(
                start=start,
                label=label,
                first_minute=start.astimezone(zone).minute,
                past=tuple(numbers.runs[minutes]),
                expected=tuple(due[minutes]),
                bad=tuple(numbers.bad[minutes]),
                skipped=tuple(numbers.skipped[minutes]),
                is_complete=until <= max(expected.until, now),
            )
        )
    slot, text = find_free_slot(hours, now, zone)
    collisions, collisions_text = describe_collisions(hours, max_parallel)
    return DayGrid(
        now=now,
        zone=zone.key,
        date=day,
        troubles=troubles,
        hours=tuple(hours),
        busiest=tuple(busiest),
        collisions=collisions,
        collisions_text=collisions_text,
        free_slot=slot,
        free_slot_text=text,
        expected_until=expected.until,
        is_pending=expected.is_pending,
        notes=tuple(notes),
    )


def describe_collisions(hours: Sequence[GridHour], max_parallel: int) -> tuple[int, str]:
    """Return in how many minutes several runs start, and a sentence that tells how many are too many at once."""
    several = [count for hour in hours for count in map(add, hour.past, hour.expected) if count > 1]
    if not several:
        return 0, "No two runs start in the same minute"
    crowded = sum(1 for count in several if count > max_parallel)
    verb = "has" if len(several) == 1 else "have"
    more = f", and {crowded:,} of them more than can run at once (max_parallel {max_parallel})" if crowded else ""
    return len(several), f"{format_count(len(several), 'minute')} {verb} several starts{more}"


def _clock_hours(begin: datetime, end: datetime, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the begins of a day's hours on the clock of a zone, and the end of the day.

    A change of the clock ends an hour: at 3:45 on the Chatham Islands, and on Lord Howe Island by half an hour.
    """
    at = begin
    while at < end:
        yield at
        offset, minutes = _offset(at, zone), 60 - at.astimezone(zone).minute
        if _offset(at + MINUTE * (minutes - 1), zone) != offset:
            minutes = next(number for number in range(1, minutes) if _offset(at + MINUTE * number, zone) != offset)
        at += MINUTE * minutes
    yield end


def _offset(at: datetime, zone: ZoneInfo) -> timedelta | None:
    return at.astimezone(zone).utcoffset()


def _labels(starts: Sequence[datetime], zone: ZoneInfo) -> list[str]:
    """Return the hours of a day on the clock, with the name of the time where one comes twice."""
    local = [start.astimezone(zone) for start in starts]
    times = Counter(one.hour for one in local)
    return [f"{one:%H} {one.tzname()}" if times[one.hour] > 1 else f"{one:%H}" for one in local]


def find_free_slot(hours: Sequence[GridHour], now: datetime, zone: ZoneInfo) -> tuple[datetime | None, str]:
    """Return the minute to come with the least to do in it and around it, the first of those, and why it is that.

    Of a day that is over, the runs count instead.
    """
    counts = [count for hour in hours for count in map(max, hour.past, hour.expected)]
    if not hours or not counts:
        return None, ""
    begin = hours[0].start
    first = max(int((now - begin) / MINUTE) + 1, 0)
    first = 0 if first >= len(counts) else first
    # Sums of all minutes before each one, continued at both ends, so that a difference is the load of a span.
    sums = [*[0] * SLOT_RADIUS, *accumulate(counts, initial=0)]
    sums += [sums[-1]] * SLOT_RADIUS
    around = map(sub, sums[2 * SLOT_RADIUS + 1 :], sums)
    count, load, best = min(islice(zip(counts, around, range(len(counts)), strict=True), first, None))
    name, own = ("quietest minute", format_count(count, "start")) if count else ("free slot", "no start")
    at = begin + MINUTE * best
    local, near = at.astimezone(zone), format_count(load, "start")
    return at, f"The {name} is {local:%H:%M}: {own} in it, and {near} in the half hours before and after"
