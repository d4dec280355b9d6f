"""The page of a job: its schedule, its last occurrences, its trends, what its guards say, and its policies."""

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.errors import JobNotFound
from rae_auto.model.decision import Decision
from rae_auto.model.figures.durations import EXAMINED_RUNS, UsualDuration, summarize_durations
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run
from rae_auto.views.runs import shown_state
from rae_auto.views.screens.parts.base import (
    Action,
    Extent,
    Fact,
    ScreenBase,
    UpcomingStart,
    local_times,
)
from rae_auto.views.screens.parts.policies import describe_policies
from rae_auto.views.screens.parts.record_source import RUNS, SKIPS, JobFacts, JobTrends, RecordCount, RecordSource
from rae_auto.views.screens.parts.trends import Trends

OCCURRENCES_SHOWN = 60
HISTORY_ROWS = 100
NEXT_STARTS = 10
STARTS_SPAN = timedelta(days=400)


@frozen(kw_only=True)
class OccurrenceMark:
    """The outcome of one occurrence: a run, or a decision not to run."""

    due_at: datetime
    state: str
    """The state of the run, or "skipped"; "was_running" for one that was active when a daemon was last there."""
    run_id: str | None
    reason: str | None
    """The code of the reason, if there is one."""
    text: str
    """The reason as a clause; "" where the state says all."""
    decided_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration: timedelta | None = None
    lateness: timedelta | None = None
    """From the due instant to the first start, also of a run that was caught up; None before it."""
    attempt: int = 0
    count: int = 1
    """Starts that this decision is about; of many missed together the newest hundred are counted."""


@frozen(kw_only=True)
class TriggerRow:
    """A trigger of a job."""

    id: str
    summary: str
    problem: str | None = None
    """Why it doesn't work at present."""
    action: Action | None = None
    """One thing that a person can do about the problem."""


@frozen(kw_only=True)
class GuardRow:
    """A guard of a job, and its answer now."""

    id: str
    answer: str
    """"yes", "no" or "unknown"."""
    text: str
    summary: str
    """A few words for the guard."""
    is_asked: bool = False
    """True if it has just read the machine."""


@frozen(kw_only=True)
class JobPage(ScreenBase):
    """The page of a job."""

    now: datetime
    zone: str
    job: str
    name: str
    """A name for people; the job's id where the definition has none."""
    origin: str
    """"config" for a job of the configuration file, "store" for an added one."""
    defined_at: str | None
    """File and line of the definition, "rae.toml:12"; None if that isn't known."""
    added_by: str | None
    """Where an added job comes from, in words; None for a job of the configuration file."""
    activity: str
    enabled: bool
    paused: bool
    paused_at: datetime | None
    """None also if an earlier version of rae-auto paused it."""
    paused_until: datetime | None
    pause_note: str
    failures: int
    """Unsuccessful runs in a row."""
    next_at: datetime | None
    next_blocked: str | None = None
    """Why that start will be skipped, if a guard already says so."""
    expected_by: datetime | None
    overdue_at: datetime | None
    schedule: str
    """The schedule as one sentence."""
    why: str
    """Why the job is in its present state, or the outcome of its latest occurrence."""
    triggers: tuple[TriggerRow, ...]
    guards: tuple[GuardRow, ...]
    policies: tuple[Fact, ...]
    definition: str
    """The definition as TOML, without values of secrets."""
    occurrences: tuple[OccurrenceMark, ...]
    """The newest ones, oldest first: runs and skips alike."""
    history: tuple[OccurrenceMark, ...]
    """The newest ones, newest first."""
    history_extent: Extent
    usual: UsualDuration | None
    trends: Trends
    upcoming: tuple[UpcomingStart, ...]
    actions: tuple[Action, ...]


async def load_job_page(
    source: RecordSource, job: str, *, asks_guards: bool = False, has_trends: bool = True
) -> JobPage:
    """Read what the page of a job shows, and build it; guards read the machine if `asks_guards`.

    Without `has_trends` neither trends nor usual durations are read, which takes most of the time.

    Errors: JobNotFound.
    """
    now = source.now()
    facts, (runs, skips), starts, trends, skip_counts, (why, seen_until) = await gather(
        source.job(job, asks_guards=asks_guards),
        gather(source.runs(job, limit=HISTORY_ROWS), source.skips(job, limit=HISTORY_ROWS)),
        source.starts(job, now, now + STARTS_SPAN, NEXT_STARTS),
        source.trends(job, max_durations=EXAMINED_RUNS) if has_trends else _count_runs(source, job),
        source.count(SKIPS, job),
        gather(source.why(job), source.seen_until()),
    )
    if facts.definition.id != job:
        raise JobNotFound(f"job {quote(job)} was renamed; it is {quote(facts.definition.id)} now")
    return build_job_page(
        facts,
        runs,
        skips,
        trends=trends,
        skip_counts=skip_counts,
        upcoming=starts.starts,
        why=why["answer"],
        now=now,
        zone=source.zone.key,
        seen_until=seen_until,
    )


async def _count_runs(source: RecordSource, job: str) -> JobTrends:
    """Return the numbers of runs that come with trends, without these."""
    counts = await source.count(RUNS, job)
    nothing = Trends(step=timedelta(days=1), duration=(), lateness=(), cpu_time=(), memory=(), extent=Extent(0, 0))
    return JobTrends(counts=counts, durations=(), trends=nothing)


def build_job_page(
    facts: JobFacts,
    runs: Sequence[Run],
    skips: Sequence[Decision],
    *,
    trends: JobTrends,
    skip_counts: Sequence[RecordCount],
    upcoming: Sequence[UpcomingStart],
    why: str,
    now: datetime,
    zone: str,
    seen_until: datetime | None = None,
) -> JobPage:
    """Return the page of a job; `runs` and `skips` are the newest, newest first, the counts the numbers of all.

    Open runs, of which an old one may not be among the newest, are counted by the facts; a daemon saw them last at
    `seen_until`, None if one does now.
    """
    from rae_auto.config.job_text import format_job  # lazy: start-up

    definition, info = facts.definition, facts.info
    marks = newest_marks(runs, skips, HISTORY_ROWS, local_times(zone, now), seen_until)
    total = sum(found.count for found in (*trends.counts, *skip_counts)) + len(info["open"])
    since = min((mark.decided_at for mark in marks), default=None)
    return JobPage(
        now=now,
        zone=zone,
        job=definition.id,
        name=definition.name or definition.id,
        origin=info["origin"],
        defined_at=facts.defined_at,
        added_by=info["added_by"] and info["added_by"]["text"],
        activity=info["activity"],
        enabled=info["enabled"],
        paused=info["paused"],
        paused_at=_instant(info.get("paused_at")),
        paused_until=_instant(info["paused_until"]),
        pause_note=info["pause_note"],
        failures=info["failures"],
        next_at=_instant(info["next_at"]),
        next_blocked=info.get("next_blocked"),
        expected_by=_instant(info["expected_by"]),
        overdue_at=_instant(info["overdue_at"]),
        schedule="; ".join(facts.triggers.values() or info["schedule"]) or "starts by hand only",
        why=why,
        triggers=_triggers(definition, facts),
        guards=_guards(definition, facts),
        policies=describe_policies(definition),
        definition=format_job(definition),
        occurrences=tuple(reversed(marks[:OCCURRENCES_SHOWN])),
        history=tuple(marks),
        history_extent=Extent(len(marks), max(total, len(marks)), since),
        usual=summarize_durations(trends.durations),
        trends=trends.trends,
        upcoming=tuple(upcoming),
        actions=find_actions(info),
    )


def newest_marks(
    runs: Sequence[Run],
    skips: Sequence[Decision],
    limit: int,
    time: TimeFormat,
    seen_until: datetime | None = None,
) -> list[OccurrenceMark]:
    """Return the newest runs and skips as marks, newest first; `time` writes the instants in reasons.

    A daemon saw active runs last at `seen_until`, None if one does now.
    """
    ran = (mark_of_run(run, time, seen_until) for run in runs[:limit])
    marks = [*ran, *(mark_of_skip(skip, time) for skip in skips[:limit])]
    return sorted(marks, key=lambda mark: mark.decided_at, reverse=True)[:limit]


def mark_of_run(run: Run, time: TimeFormat, seen_until: datetime | None = None) -> OccurrenceMark:
    """Return the mark of a run, which a daemon saw last at `seen_until` if it is active, None if one does now."""
    late = None if run.started_at is None else run.started_at - run.scheduled_for
    return OccurrenceMark(
        due_at=run.scheduled_for,
        state=shown_state(run.state.value, seen_until),
        run_id=run.id,
        reason=None if run.reason is None else run.reason.code,
        text=run.describe_reason(time) or _describe_end(run),
        decided_at=run.queued_at,
        started_at=run.started_at,
        ended_at=run.finished_at,
        duration=run.duration,
        lateness=None if late is None else max(late, timedelta(0)),
        attempt=run.attempt,
    )


def _describe_end(run: Run) -> str:
    """Return how the last attempt of a run that is over ended, where its state has no reason: "exit code 3"."""
    result = run.attempts[-1].result if run.attempts and run.state.final else None
    return "" if result is None else result.text


def mark_of_skip(decision: Decision, time: TimeFormat) -> OccurrenceMark:
    """Return the mark of a decision not to run."""
    return OccurrenceMark(
        due_at=decision.at,
        state="skipped",
        run_id=None,
        reason=decision.reason.code,
        text=decision.reason.describe_past(time),
        decided_at=decision.decided_at,
        count=decision.count,
    )


def find_actions(info: Mapping[str, Any]) -> tuple[Action, ...]:
    """Return what a person can do with a job now, the likeliest first."""
    job = info["id"]
    actions = [Action("run", job, "run now", f"rae-auto trigger {job}")]
    if info["open"]:
        actions.append(Action("cancel", job, "cancel", f"rae-auto cancel {job}"))
    if info["paused"]:
        actions.append(Action("resume", job, "resume", f"rae-auto resume {job}"))
    else:
        actions.append(Action("pause", job, "pause", f"rae-auto pause {job}"))
    return tuple(actions)


def _triggers(definition: Job, facts: JobFacts) -> tuple[TriggerRow, ...]:
    summaries = facts.triggers or dict(
        zip((ref.id for ref in definition.schedule), facts.info["schedule"], strict=False)
    )
    return tuple(
        TriggerRow(
            id=ref.id,
            summary=summaries.get(ref.id, ref.type),
            problem=(problem := facts.trigger_problems.get(ref.id)),
            action=None if problem is None else _TRY_AGAIN,
        )
        for ref in definition.schedule
    )


_TRY_AGAIN = Action("reload", "", "reload, and try it again", "rae-auto reload")
"""The end of a quarantine, which holds a plugin that failed too often."""


def _guards(definition: Job, facts: JobFacts) -> tuple[GuardRow, ...]:
    summaries = dict(zip((ref.id for ref in definition.guards), facts.info["guards"], strict=False))
    rows = []
    for name, answer in facts.guards.items():
        verdict, _, text = answer.partition(": ")
        rows.append(
            GuardRow(
                id=name,
                answer=verdict,
                text=text,
                summary=summaries.get(name, name),
                is_asked=name in facts.asked_guards,
            )
        )
    return tuple(rows)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
