"""The timeline: jobs over time, with what ran, waited, was skipped, and is expected."""

from asyncio import gather
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.model.decision import Decision
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run, RunState
from rae_auto.views.runs import shown_state
from rae_auto.views.screens.parts.base import Extent, ScreenBase, UpcomingStart, local_times
from rae_auto.views.screens.parts.record_source import (
    RUNS,
    SKIPS,
    JobsFound,
    JobSpan,
    RecordCount,
    RecordSource,
    WorldSpan,
)
from rae_auto.views.screens.parts.strip import BAD, GOOD, SKIPPED, STOPPED, group_of

MIN_IDLE_PART = 0.06
"""The part of the whole span from which time without a mark can be left out."""

MAX_TIMELINE_JOBS = 40
"""Number of jobs on a timeline; the others come by `offset`."""

MAX_BARS = 40
"""Number of runs, and of skips, of a job that are shown one by one; a row with more has cells instead."""

CELLS = 120
"""Number of cells that a span is cut into, about."""

MIN_TIMELINE_SPAN, MAX_TIMELINE_SPAN = timedelta(minutes=1), timedelta(days=35)
DECIDED_SKIP = "decided_skip"
"""The outcome of decisions not to run among the numbers of a `JobSpan`, where "skipped" is a state of runs."""

DEFAULT_DURATION = timedelta(minutes=1)
"""The length of an expected bar of a job that has not run yet."""


@frozen(kw_only=True)
class AttemptBar:
    """An attempt on the timeline."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    """Its end, or the last proof that one was alive which was lost, or has no daemon; None while it goes on."""
    state: str
    unknown_until: datetime | None = None
    """When a lost one was found to be gone: it ended between `ended_at` and then. Without a daemon it is now, and one
    that was active may still go on. None for all others."""


@frozen(kw_only=True)
class RunBar:
    """A run on the timeline: due, waiting from `queued_at` to `started_at`, then its attempts."""

    run_id: str
    state: str
    """Its state; "was_running" for one that was active when a daemon was last there."""
    due_at: datetime
    queued_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    """Its end, or the last proof that it was alive, as that of its last attempt; None while it goes on."""
    attempts: tuple[AttemptBar, ...]
    lateness: timedelta
    """From the due instant to the first start, or to now."""
    reason: str | None
    """The code of its reason, if there is one."""
    text: str
    """Its state and reason in words."""


@frozen(kw_only=True)
class SkipMark:
    """A decision not to run: a hollow mark at `at`, or from `since` to `at` for instants skipped together."""

    at: datetime
    since: datetime | None
    count: int
    """Starts that it is about; of many missed together the newest hundred are counted."""
    reason: str
    text: str


@frozen(kw_only=True)
class ExpectedBar:
    """A start to come, as long as runs of the job usually take."""

    at: datetime
    ends_at: datetime
    note: str
    is_blocked: bool = False
    """True if it is known to be skipped: a guard forbids it, or a person."""


@frozen(kw_only=True)
class TimelineCell:
    """The numbers of a job in a step of time, in a row with too many runs to show one by one."""

    start: datetime
    good: int
    bad: int
    stopped: int
    skipped: int


@frozen(kw_only=True)
class TimelineRow:
    """A job on the timeline. It has bars and skips, or cells where there are too many of them."""

    job: str
    name: str = ""
    """Its name for people; the id if it has no other."""
    bars: tuple[RunBar, ...]
    skips: tuple[SkipMark, ...]
    expected: tuple[ExpectedBar, ...]
    cells: tuple[TimelineCell, ...]
    runs: int
    """Number of runs in the span, but for those that were skipped after a wait."""
    skipped: int
    """Skips in the span: decisions not to run, one for starts missed together, and runs skipped after a wait."""
    expected_until: datetime
    """Expectations are complete until then."""


@frozen(kw_only=True)
class ConcurrencyStep:
    """The number of runs that are active from `at` until the next step."""

    at: datetime
    active: int


@frozen(kw_only=True)
class Timeline(ScreenBase):
    """Jobs over a span of time."""

    now: datetime
    zone: str
    since: datetime
    until: datetime
    rows: tuple[TimelineRow, ...]
    jobs_extent: Extent
    """The part of the matching jobs that is shown."""
    cell_step: timedelta
    """The length of a cell, in rows that have cells."""
    bands: tuple[WorldSpan, ...]
    """Downtimes, suspensions, steps of the clock."""
    concurrency: tuple[ConcurrencyStep, ...]
    """Numbers of shown runs that were active, as steps; of rows with cells only open ones are counted."""
    concurrency_extent: Extent
    """The part of the runs of the span, of all jobs, that `concurrency` counts."""
    max_parallel: int
    totals: Mapping[str, int]
    """Numbers of all jobs in the span: runs by final state, and skips: "skipped" are decisions not to run,
    "skipped_runs" runs that were queued first, also where a guard said no at once."""
    idle: tuple[tuple[datetime, datetime], ...]
    """The longer spans in which nothing is shown of any of these jobs."""


async def load_timeline(
    source: RecordSource,
    since: datetime,
    until: datetime,
    *,
    text: str = "",
    offset: int = 0,
    limit: int = MAX_TIMELINE_JOBS,
) -> Timeline:
    """Read the timeline of jobs whose names contain a text, from the `offset`-th on. Errors: BadRequest."""
    if not MIN_TIMELINE_SPAN <= until - since <= MAX_TIMELINE_SPAN:
        raise BadRequest("a timeline shows between a minute and 35 days; choose another span")
    found, counts, skips, bands, max_parallel, seen_until = await gather(
        source.jobs(text, offset=offset, limit=min(limit, MAX_TIMELINE_JOBS)),
        source.count(RUNS, since=since, until=until),
        source.count(SKIPS, since=since, until=until),
        source.world(since, until),
        source.max_parallel(),
        source.seen_until(),
    )
    names = [job["id"] for job in found.jobs]
    return build_timeline(
        found,
        await source.job_spans(names, since, until, cell_step_of(until - since), MAX_BARS),
        counts=counts,
        skips=skips,
        bands=bands,
        max_parallel=max_parallel,
        now=source.now(),
        zone=source.zone.key,
        since=since,
        until=until,
        seen_until=seen_until,
    )


async def find_smallest_span(source: RecordSource, spans: Iterable[timedelta], future_part: float) -> timedelta:
    """Return the smallest of these ascending spans that shows all there is on record, or the last of them.

    Each of them ends as far in the future as a part of it, as on a timeline that goes with the time.
    """
    shown, now = list(spans), source.now()
    for span in shown[:-1]:
        since = now - span * (1 - future_part)
        older = await gather(source.runs(until=since, limit=1), source.skips(until=since, limit=1))
        if not any(older):
            return span
    return shown[-1]


def cell_step_of(span: timedelta) -> timedelta:
    """Return the length of a cell: whole minutes, so that about `CELLS` of them cover the span."""
    return timedelta(minutes=max(round(span / CELLS / timedelta(minutes=1)), 1))


def build_timeline(
    found: JobsFound,
    spans: Mapping[str, JobSpan],
    *,
    counts: Sequence[RecordCount],
    skips: Sequence[RecordCount],
    bands: Sequence[WorldSpan],
    max_parallel: int,
    now: datetime,
    zone: str,
    since: datetime,
    until: datetime,
    seen_until: datetime | None = None,
) -> Timeline:
    """Return the timeline of these jobs; `counts` and `skips` are the numbers of all jobs in the span.

    A daemon saw active runs last at `seen_until`, None if one does now.
    """
    time = local_times(zone, now)
    rows = tuple(
        _row(
            job["id"],
            job.get("name", ""),
            spans[job["id"]],
            [bar_of(run, now, time, seen_until) for run in reversed(spans[job["id"]].runs)],
            time,
        )
        for job in found.jobs
    )
    totals = Counter({state.value: 0 for state in RunState if state.final and state is not RunState.SKIPPED})
    for one in counts:
        totals["skipped_runs" if one.outcome == RunState.SKIPPED else one.outcome] += one.count
    totals["skipped"] = sum(one.count for one in skips)
    drawn = sum(len(row.bars) for row in rows)
    return Timeline(
        now=now,
        zone=zone,
        since=since,
        until=until,
        rows=rows,
        jobs_extent=Extent(len(rows), found.matched),
        cell_step=cell_step_of(until - since),
        bands=tuple(bands),
        concurrency=tuple(count_active((bar for row in rows for bar in row.bars), since, until, now)),
        concurrency_extent=Extent(drawn, max(drawn, sum(one.count for one in counts))),
        max_parallel=max_parallel,
        totals=dict(totals),
        idle=tuple(find_idle(rows, bands, since, until, now)),
    )


def find_idle(
    rows: Iterable[TimelineRow], bands: Iterable[WorldSpan], since: datetime, until: datetime, now: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans of at least `MIN_IDLE_PART` of the whole in which there is nothing to see, with a margin."""
    step, least = cell_step_of(until - since), (until - since) * MIN_IDLE_PART
    margin = least / 8
    busy = [(now, now), *((band.since, band.until) for band in bands)]
    for row in rows:
        busy += [(min(bar.due_at, bar.queued_at), bar.ended_at or now) for bar in row.bars]
        busy += [(mark.since or mark.at, mark.at) for mark in row.skips]
        busy += [(bar.at, bar.ends_at) for bar in row.expected]
        busy += [(cell.start, cell.start + step) for cell in row.cells]
        if row.expected_until < until:
            busy.append((max(row.expected_until, since), until))
    reached = since - margin
    for begin, end in [*sorted(busy), (until + margin, until + margin)]:
        if begin - reached - 2 * margin >= least:
            yield reached + margin, begin - margin
        reached = max(reached, end)


def _row(job: str, name: str, span: JobSpan, bars: Iterable[RunBar], time: TimeFormat) -> TimelineRow:
    usual = _usual(span)
    waited = sum(run.state is RunState.SKIPPED for run in span.runs)
    waited += sum(one.count for one in span.counts if one.outcome == RunState.SKIPPED)
    return TimelineRow(
        job=job,
        name=name,
        bars=tuple(bars),
        skips=tuple(_mark(decision, time) for decision in reversed(span.skips)),
        expected=tuple(_expected_bar(start, usual) for start in span.starts),
        cells=tuple(_cells(span.counts)),
        runs=span.run_count - waited,
        skipped=span.skip_count + waited,
        expected_until=span.starts_until,
    )


def _expected_bar(start: UpcomingStart, usual: timedelta) -> ExpectedBar:
    at = start.starts_at or start.due_at
    return ExpectedBar(at=at, ends_at=at + usual, note=start.note, is_blocked=start.starts_at is None)


def _usual(span: JobSpan) -> timedelta:
    durations = [run.duration for run in (*span.runs, *span.earlier) if run.duration is not None]
    if not durations:
        return DEFAULT_DURATION
    return timedelta(seconds=median(duration.total_seconds() for duration in durations))


def bar_of(run: Run, now: datetime, time: TimeFormat, seen_until: datetime | None = None) -> RunBar:
    """Return the bar of a run, which a daemon saw last at `seen_until` if it is active, None if one does now."""
    ended_at, state = run.known_until, shown_state(run.state.value, seen_until)
    attempts = [
        AttemptBar(
            number=one.number,
            started_at=one.started_at,
            ended_at=one.known_until,
            state=one.state.value,
            unknown_until=None if one.is_end_known else one.finished_at,
        )
        for one in run.attempts
    ]
    if run.state.active and run.attempt_started_at is not None:
        if seen_until is not None:
            ended_at = max(seen_until, run.attempt_started_at)
        attempts.append(
            AttemptBar(
                number=run.attempt,
                started_at=run.attempt_started_at,
                ended_at=ended_at,
                state=state,
                unknown_until=None if seen_until is None else now,
            )
        )
    reason, words = run.describe_reason(time), state.replace("_", " ")
    return RunBar(
        run_id=run.id,
        state=state,
        due_at=run.scheduled_for,
        queued_at=run.queued_at,
        started_at=run.started_at,
        ended_at=ended_at,
        attempts=tuple(attempts),
        lateness=max((run.started_at or run.finished_at or now) - run.scheduled_for, timedelta(0)),
        reason=None if run.reason is None else run.reason.code,
        text=f"{words}: {reason}" if reason else words,
    )


def _mark(decision: Decision, time: TimeFormat) -> SkipMark:
    return SkipMark(
        at=decision.at,
        since=decision.since,
        count=decision.count,
        reason=decision.reason.code,
        text=decision.reason.describe_past(time),
    )


def _cells(counts: Sequence[RecordCount]) -> Iterator[TimelineCell]:
    steps: dict[datetime, dict[str, int]] = {}
    for found in counts:
        if found.start is not None:
            group = SKIPPED if found.outcome == DECIDED_SKIP else group_of(found.outcome)
            groups = steps.setdefault(found.start, {GOOD: 0, BAD: 0, STOPPED: 0, SKIPPED: 0})
            groups[group] = groups.get(group, 0) + found.count
    for start, groups in sorted(steps.items()):
        yield TimelineCell(
            start=start, good=groups[GOOD], bad=groups[BAD], stopped=groups[STOPPED], skipped=groups[SKIPPED]
        )


def count_active(bars: Iterable[RunBar], since: datetime, until: datetime, now: datetime) -> Iterator[ConcurrencyStep]:
    """Yield how many of these runs had an attempt that went on, from each change to the next within the span."""
    changes: Counter[datetime] = Counter()
    for bar in bars:
        for attempt in bar.attempts:
            begin, end = max(attempt.started_at, since), min(attempt.ended_at or now, until)
            if begin < end:
                changes[begin] += 1
                changes[end] -= 1
    active = 0
    for at, change in sorted(changes.items()):
        if change:
            active += change
            yield ConcurrencyStep(at=at, active=active)
