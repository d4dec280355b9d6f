"""The digest: what happened in a span of time, what needs a person, and what comes next."""

from asyncio import gather
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from rae_auto.model.primitives.formatting import format_count, join_words, quote
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.overview import (
    MAX_ATTENTIONS,
    Attention,
    find_attentions,
    find_doctor_matters,
    list_upcoming,
)
from rae_auto.views.screens.parts.base import (
    BAD_STATES,
    Extent,
    ScreenBase,
    UpcomingStart,
    describe_end,
    list_bad_ends,
    local_times,
)
from rae_auto.views.screens.parts.digest_pictures import DigestPictures, load_digest_pictures
from rae_auto.views.screens.parts.doctor_report import DoctorReport
from rae_auto.views.screens.parts.record_source import (
    ComparedDurations,
    DigestRecords,
    RecordSource,
    SkipGroup,
    WorldSpan,
)
from rae_auto.views.status import describe_former_runs

SLOWER_FACTOR, MIN_DIFFERENCE = 1.5, timedelta(seconds=1)
MAX_NAMED_JOBS = 3
"""The number of jobs that the verdict names; it counts the others."""


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
    """True if there may be more starts than were counted."""
    text: str
    """The reason of the newest of them as a clause."""
    last_at: datetime
    """The instant at which the newest of them was due."""
    kinds: Mapping[str, int]
    """Numbers of them by what their reasons name, such as 'guard "holidays"'; empty if they name nothing."""
    examined: int
    """Number of them, the newest, that `kinds` is about."""


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
    """Runs of the span, but for those that were skipped after a wait, as the verdict counts them."""
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
    """The part of the jobs that may have had successful runs in the span, which was examined."""
    upcoming: tuple[UpcomingStart, ...]
    """The next start of each of the ten jobs that start first."""
    world: tuple[WorldSpan, ...]
    """Downtimes, suspensions and steps of the clock."""
    pictures: DigestPictures | None = None
    """The values of its pictures; None where they weren't asked for."""


async def load_digest(
    source: RecordSource,
    since: datetime,
    until: datetime,
    *,
    has_pictures: bool = False,
    doctor: DoctorReport | None = None,
) -> Digest:
    """Read what happened from `since` to before `until`, and build the digest, if asked for with its pictures.

    Problems in a report of doctor need a person, too.
    """
    # The records first: they are read from their answer while the daemon looks at the status of its jobs.
    records, status, world = await gather(
        source.digest_records(since, until, MIN_DIFFERENCE), source.status(), source.world(since, until)
    )
    digest = build_digest(
        status, records, world=world, since=since, until=until, now=source.now(), zone=source.zone.key, doctor=doctor
    )
    if not has_pictures:
        return digest
    failed, slower = [row.job for row in digest.failures], [row.job for row in digest.slower]
    return evolve(digest, pictures=await load_digest_pictures(source, failed, slower))


def build_digest(
    status: Mapping[str, Any],
    records: DigestRecords,
    *,
    world: Sequence[WorldSpan],
    since: datetime,
    until: datetime,
    now: datetime,
    zone: str,
    doctor: DoctorReport | None = None,
) -> Digest:
    """Return the digest of a status, the records of a span, and the problems that doctor found."""
    states = Counter[str]()
    for one in records.counts:
        states[one.outcome] += one.count
    time = local_times(zone, now)
    skipped = sum(one.count for one in records.skip_counts) + states[RunState.SKIPPED]
    bad = sum(states[state] for state in BAD_STATES)
    failures = records.failures
    found = () if doctor is None else find_doctor_matters(doctor, status["problems"])
    attention = (*find_attentions(status, {run.id: run for run, _ in failures}, now, time), *found)
    return Digest(
        since=since,
        until=until,
        zone=zone,
        ok=not attention,
        verdict=_verdict(attention, states, skipped, status, time),
        jobs=status["jobs"],
        runs=states.total() - states[RunState.SKIPPED],
        states=dict(states.most_common()),
        skipped=skipped,
        attention=attention[:MAX_ATTENTIONS],
        attention_extent=Extent(min(len(attention), MAX_ATTENTIONS), len(attention)),
        failures=tuple(_failure_row(run, is_over, time) for run, is_over in failures),
        failures_extent=Extent(len(failures), bad, failures[-1][0].queued_at if failures else None),
        skips=tuple(sorted((_skipped_row(one, time) for one in records.skips), key=lambda row: -row.count)),
        skips_extent=Extent(records.examined_skips, skipped),
        slower=tuple(_find_slower(records.durations)),
        slower_extent=Extent(records.examined_jobs, records.all_jobs),
        upcoming=list_upcoming(status),
        world=tuple(world),
    )


def _find_slower(compared: Sequence[ComparedDurations]) -> list[SlowerRow]:
    """Return the jobs that take longer than before the span, by how many times as long."""
    found = [
        SlowerRow(job=one.job, before=one.before, now=one.now, runs=one.runs)
        for one in compared
        if one.now >= one.before * SLOWER_FACTOR and one.now - one.before >= MIN_DIFFERENCE
    ]
    return sorted(found, key=lambda row: row.now / row.before if row.before else 0, reverse=True)


def _verdict(
    attention: Sequence[Attention], states: Counter[str], skipped: int, status: Mapping[str, Any], time: TimeFormat
) -> str:
    runs = format_count(states.total() - states[RunState.SKIPPED], "run")
    skips = [format_count(skipped, "skip")] if skipped else []
    former = describe_former_runs(status, lambda iso: time(datetime.fromisoformat(iso)))
    jobs = format_count(status["jobs"], "job")
    numbers = ", ".join([f"{runs} of {jobs}", *list_bad_ends(states), *skips, *former])
    if not attention:
        return f"All is well: {numbers}"
    matters = format_count(len(attention), "matter needs", "matters need")
    return f"{matters} you: {_name_matters(attention)} ({numbers})"


def _name_matters(attention: Sequence[Attention]) -> str:
    """Return the first jobs that need a person, and how many others and problems: `"a", 2 more jobs and 1 problem`."""
    jobs = list(dict.fromkeys(one.job for one in attention if one.job))
    more, problems = len(jobs) - MAX_NAMED_JOBS, sum(one.job is None for one in attention)
    return join_words(
        [
            *map(quote, jobs[:MAX_NAMED_JOBS]),
            *([format_count(more, "more job")] if more > 0 else []),
            *([format_count(problems, "problem")] if problems else []),
        ]
    )


def _failure_row(run: Run, is_over: bool, time: TimeFormat) -> FailureRow:
    return FailureRow(
        run_id=run.id,
        job=run.job,
        state=run.state.value,
        ended_at=run.finished_at or run.queued_at,
        text=describe_end(run, time),
        is_over=is_over,
    )


def _skipped_row(group: SkipGroup, time: TimeFormat) -> SkippedRow:
    newest = group.newest
    if newest is None:
        text = group.reason.replace("_", " ")
    elif isinstance(newest, Run):
        text = newest.describe_reason(time)
    else:
        text = newest.reason.describe_past(time)
    return SkippedRow(
        job=group.job,
        reason=group.reason,
        count=group.count,
        starts=group.starts,
        has_more_starts=group.has_more_starts,
        text=text,
        last_at=group.last_at,
        kinds=dict(group.kinds),
        examined=group.examined,
    )
