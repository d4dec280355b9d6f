"""The digest: what happened in a span of time, what needs a person, and what comes next."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from attrs import frozen

from rae_auto.model.decision import Decision
from rae_auto.model.primitives.formatting import format_count, quote_some
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.overview import MAX_ATTENTIONS, Attention, describe_end, find_attentions, list_upcoming
from rae_auto.views.screens.parts.base import Extent, ScreenBase, UpcomingStart, local_times
from rae_auto.views.screens.parts.record_source import RUNS, SKIPS, RecordCount, RecordSource, WorldSpan
from rae_auto.views.screens.parts.strip import Strip, load_strip

BAD_STATES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
MAX_FAILURES = 50
MAX_SKIPS = 500
EXAMINED_RUNS = 500
"""Number of successful runs of the span, the newest, that are compared with those before it."""

MAX_COMPARED_JOBS = 40
COMPARED_RUNS, MIN_COMPARED_RUNS = 20, 3
SLOWER_FACTOR, MIN_DIFFERENCE = 1.5, timedelta(seconds=1)

STRIP_WAIT, MAX_STRIP_WAIT = timedelta(seconds=0.1), timedelta(seconds=30)
"""The polling interval for the future starts, and the time after which the digest goes on without them."""

_INSTANT = timedelta(microseconds=1)


@frozen(kw_only=True)
class FailureRow:
    """A run of the span that did not succeed."""

    run_id: str
    job: str
    state: str
    ended_at: datetime
    text: str
    is_over: bool
    """True if a later run of the job succeeded."""


@frozen(kw_only=True)
class SkippedRow:
    """Occurrences of a job that were skipped for one reason."""

    job: str
    reason: str
    count: int
    """Number of decisions, as every view counts skips."""
    starts: int
    """Number of starts that they are about: those missed together have one decision."""
    has_more_starts: bool
    """True if there were more starts than were counted."""
    text: str
    """The reason of the newest of them as a clause."""
    last_at: datetime


@frozen(kw_only=True)
class SlowerRow:
    """A job whose runs take longer than they did."""

    job: str
    before: timedelta
    """The median duration of runs before the span."""
    now: timedelta
    """The median duration of runs in the span."""
    runs: int


@frozen(kw_only=True)
class Digest(ScreenBase):
    """The report of a span, from `since` to `until`."""

    since: datetime
    until: datetime
    zone: str
    ok: bool
    verdict: str
    """One sentence: "All is well: 128 runs of 41 jobs, 3 skips"."""
    jobs: int
    runs: int
    states: Mapping[str, int]
    """Runs of the span by their final state; those that were skipped after a wait are among them."""
    skipped: int
    """Skips of the span: decisions not to run, one for starts missed together, and runs skipped after a wait."""
    attention: tuple[Attention, ...]
    """Matters that need a person now, the worst first."""
    attention_extent: Extent
    failures: tuple[FailureRow, ...]
    failures_extent: Extent
    skips: tuple[SkippedRow, ...]
    skips_extent: Extent
    """The part of the skips that `skips` is about."""
    slower: tuple[SlowerRow, ...]
    slower_extent: Extent
    """The part of the jobs with successful runs, among the newest of the span, that was examined."""
    upcoming: tuple[UpcomingStart, ...]
    """The next ten starts, one of each job."""
    world: tuple[WorldSpan, ...]
    """Downtimes, suspensions and steps of the clock."""
    strip: Strip | None = None
    """A day back and a day ahead, for a picture; None where it wasn't asked for."""


async def load_digest(source: RecordSource, since: datetime, until: datetime, *, has_strip: bool = False) -> Digest:
    """Read what happened from `since` to before `until`, and build the digest, if asked for with its strip."""
    last = until - _INSTANT
    (status, counts, skip_counts), bad, skips, newest, world = await asyncio.gather(
        asyncio.gather(
            source.status(),
            source.count(RUNS, since=since, until=until),
            source.count(SKIPS, since=since, until=until),
        ),
        source.runs(states=BAD_STATES, since=since, until=last, limit=MAX_FAILURES),
        source.skips(since=since, until=last, limit=MAX_SKIPS),
        source.durations(since=since, until=last, limit=EXAMINED_RUNS),
        source.world(since, until),
    )
    failures, (slower, slower_extent) = await asyncio.gather(
        _with_recoveries(source, bad), _find_slower(source, newest, since)
    )
    skipped_runs: Sequence[Run] = ()
    if any(one.outcome == RunState.SKIPPED for one in counts):
        skipped_runs = await source.runs(states=(RunState.SKIPPED,), since=since, until=last, limit=MAX_SKIPS)
    return build_digest(
        status,
        counts=counts,
        skip_counts=skip_counts,
        failures=failures,
        skips=skips,
        skipped_runs=skipped_runs,
        slower=slower,
        slower_extent=slower_extent,
        world=world,
        ends={run.id: run for run in bad},
        since=since,
        until=until,
        now=source.now(),
        zone=source.zone.key,
        strip=await _load_whole_strip(source) if has_strip else None,
    )


async def _load_whole_strip(source: RecordSource) -> Strip:
    """Return the strip with the starts to come, which are computed in the background, if that ends soon."""
    strip = await load_strip(source)
    for _ in range(int(MAX_STRIP_WAIT / STRIP_WAIT)):
        if not strip.is_pending:
            break
        await asyncio.sleep(STRIP_WAIT.total_seconds())
        strip = await load_strip(source)
    return strip


async def _with_recoveries(source: RecordSource, bad: Sequence[Run]) -> list[tuple[Run, bool]]:
    """Return each of these runs, given newest first, with whether its job has succeeded since."""
    jobs = list(dict.fromkeys(run.job for run in bad))
    successes = await source.newest_runs(jobs, states=(RunState.SUCCEEDED,), limit=1)
    return [(run, any(good.queued_at > run.queued_at for good in successes.get(run.job, ()))) for run in bad]


async def _find_slower(
    source: RecordSource, by_job: Mapping[str, Sequence[timedelta]], since: datetime
) -> tuple[tuple[SlowerRow, ...], Extent]:
    """Return the jobs that take longer than before the span, by their durations in it, and how many were examined."""
    medians = {job: _median(by_job[job]) for job in list(by_job)[:MAX_COMPARED_JOBS]}
    # What takes less than the least difference can't take longer by it.
    earlier = await source.durations(
        [job for job, now in medians.items() if now >= MIN_DIFFERENCE], until=since, limit=COMPARED_RUNS
    )
    found = []
    for job, before in earlier.items():
        if len(before) >= MIN_COMPARED_RUNS:
            then, now = _median(before), medians[job]
            if now >= then * SLOWER_FACTOR and now - then >= MIN_DIFFERENCE:
                found.append(SlowerRow(job=job, before=then, now=now, runs=len(by_job[job])))
    found.sort(key=lambda row: row.now / row.before if row.before else 0, reverse=True)
    return tuple(found), Extent(min(len(by_job), MAX_COMPARED_JOBS), len(by_job))


def _median(durations: Sequence[timedelta]) -> timedelta:
    return timedelta(seconds=median(duration.total_seconds() for duration in durations))


def build_digest(
    status: Mapping[str, Any],
    *,
    counts: Sequence[RecordCount],
    skip_counts: Sequence[RecordCount],
    failures: Sequence[tuple[Run, bool]],
    skips: Sequence[Decision],
    skipped_runs: Sequence[Run] = (),
    slower: tuple[SlowerRow, ...],
    slower_extent: Extent,
    world: Sequence[WorldSpan],
    ends: Mapping[str, Run],
    since: datetime,
    until: datetime,
    now: datetime,
    zone: str,
    strip: Strip | None = None,
) -> Digest:
    """Return the digest; `counts` are the numbers of all runs, `failures` the newest with whether they are over."""
    states = Counter[str]()
    for one in counts:
        states[one.outcome] += one.count
    time = local_times(zone, now)
    found = list_skipped(skips, skipped_runs)[:MAX_SKIPS]
    skipped = sum(one.count for one in skip_counts) + states[RunState.SKIPPED]
    bad = sum(states[state] for state in BAD_STATES)
    attention = tuple(find_attentions(status, ends, now, time))
    runs = states.total()
    return Digest(
        since=since,
        until=until,
        zone=zone,
        ok=not attention,
        verdict=_verdict(attention, states, skipped, status["jobs"]),
        jobs=status["jobs"],
        runs=runs,
        states=dict(states.most_common()),
        skipped=skipped,
        attention=attention[:MAX_ATTENTIONS],
        attention_extent=Extent(min(len(attention), MAX_ATTENTIONS), len(attention)),
        failures=tuple(_failure_row(run, is_over, time) for run, is_over in failures),
        failures_extent=Extent(len(failures), bad, failures[-1][0].queued_at if failures else None),
        skips=tuple(_group_skips(found, time)),
        skips_extent=Extent(len(found), skipped, found[-1].decided_at if found else None),
        slower=slower,
        slower_extent=slower_extent,
        upcoming=list_upcoming(status),
        world=tuple(world),
        strip=strip,
    )


def _verdict(attention: Sequence[Attention], states: Counter[str], skipped: int, jobs: int) -> str:
    runs = format_count(states.total() - states[RunState.SKIPPED], "run")
    bad = sum(states[state] for state in BAD_STATES)
    failed = f", {bad:,} failed" if bad else ""
    left_out = f", {format_count(skipped, 'skip')}" if skipped else ""
    numbers = f"{runs} of {format_count(jobs, 'job')}{failed}{left_out}"
    if not attention:
        return f"All is well: {numbers}"
    problems = sum(one.job is None for one in attention)
    named = [one.job for one in attention if one.job]
    names = [
        *([format_count(problems, "problem")] if problems else []),
        *([quote_some(named)] if named else []),
    ]
    matters = format_count(len(attention), "matter needs", "matters need")
    return f"{matters} you: {', '.join(names)} ({numbers})"


def _failure_row(run: Run, is_over: bool, time: TimeFormat) -> FailureRow:
    return FailureRow(
        run_id=run.id,
        job=run.job,
        state=run.state.value,
        ended_at=run.finished_at or run.queued_at,
        text=describe_end(run, time),
        is_over=is_over,
    )


@frozen
class DigestSkip:
    """A start that was skipped, when it was due or after a wait; or several that were skipped together."""

    job: str
    reason: str
    """The code of the reason, or the state of a run without one."""
    starts: int
    has_more: bool
    at: datetime
    decided_at: datetime
    record: Decision | Run

    def describe(self, time: TimeFormat) -> str:
        """Return the reason as a clause."""
        if isinstance(self.record, Run):
            return self.record.describe_reason(time)
        return self.record.reason.describe_past(time)


def list_skipped(skips: Sequence[Decision], runs: Sequence[Run]) -> list[DigestSkip]:
    """Return decisions not to run and runs that were skipped after a wait, the newest first."""
    found = [
        DigestSkip(one.job, one.reason.code, one.count, one.has_more, one.at, one.decided_at, one) for one in skips
    ]
    for run in runs:
        code = run.state.value if run.reason is None else run.reason.code
        found.append(DigestSkip(run.job, code, 1, False, run.scheduled_for, run.queued_at, run))
    return sorted(found, key=lambda one: one.decided_at, reverse=True)


def _group_skips(skips: Sequence[DigestSkip], time: TimeFormat) -> list[SkippedRow]:
    """Return a row for each job and reason, the most frequent first; `skips` are given newest first."""
    groups: dict[tuple[str, str], list[DigestSkip]] = {}
    for skip in skips:
        groups.setdefault((skip.job, skip.reason), []).append(skip)
    rows = [
        SkippedRow(
            job=job,
            reason=code,
            count=len(found),
            starts=sum(skip.starts for skip in found),
            has_more_starts=any(skip.has_more for skip in found),
            text=found[0].describe(time),
            last_at=found[0].at,
        )
        for (job, code), found in groups.items()
    ]
    return sorted(rows, key=lambda row: row.count, reverse=True)
