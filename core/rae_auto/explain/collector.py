"""Collects the facts behind an explanation, from a running engine or from a store.

`JobSource` is the small interface that both satisfy. The records that have to be read first (runs and decisions around
the time in question) are passed in, because a running scheduler reads them asynchronously and a store does not:

    question = parse_question(source, "backup", at="03:00")
    runs, decisions = …read question.query(), and while there is one question.narrow(…)…
    explanation = explain(source, question, runs, decisions)
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from attrs import evolve, frozen

from rae_auto.api.store import LogQuery
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.engine.time.cursors import counting_points, current_schedules
from rae_auto.errors import BadRequest, JobNotFound, RunNotFound
from rae_auto.explain.answer import Explanation, explain_at, explain_now, explain_run
from rae_auto.explain.job_view import MAX_RECENT_RECORDS, JobView, Wait
from rae_auto.explain.next_start import describe_unknown_start
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.local_times import RequestedTime, parse_local_time
from rae_auto.model.primitives.names import SEE_JOBS, did_you_mean
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run

SEARCH_SPAN = timedelta(days=1)
"""The distance from the time in question within which records are read: catch-up looks back one day by default."""

MIN_SEARCH_SPAN = timedelta(seconds=1)
"""The time after the one in question within which records are read at least, of a job with very many."""

DISABLED_BY_CONFIGURATION = "enabled = false in the configuration"
"""The cause that all jobs start by hand only, unless it is an option of the daemon."""

MAX_RECORDS = 1000
"""The number of runs, and of decisions, that are read about a time: the newest before the end of a query."""


class JobSource(Protocol):
    """The current state of jobs: an engine that runs them, or a store and the configuration of the next daemon."""

    has_daemon: bool
    """True if a daemon looks after open runs now."""
    daemon_note: str
    """Which daemon does, or that none is running, where this is not the daemon's own answer; else ""."""
    zone: ZoneInfo
    """The time zone in which times are shown."""
    now: datetime
    disabled_by: str
    """The cause that all jobs start by hand only, if `is_enabled` is false."""

    @property
    def format_time(self) -> TimeFormat:
        """Return how instants are written in sentences."""
        ...

    def job_names(self) -> Iterable[str]:
        """Return the names of all jobs, for suggestions."""
        ...

    def find_plan(self, job: str) -> Plan | None:
        """Return the plan of a job; None if there is no such job."""
        ...

    def is_enabled(self) -> bool:
        """Return whether jobs start by themselves at all."""
        ...

    def job_state(self, job: str) -> JobState:
        """Return the durable state of a job; an empty one if nothing is known of it."""
        ...

    def next_run_at(self, plan: Plan) -> datetime | None:
        """Return when the schedules of a job are due next."""
        ...

    def trigger_problems(self, plan: Plan) -> Mapping[str, str]:
        """Return why triggers of a job don't work at present, by id: a clause that follows the trigger's name."""
        ...

    def preparation_problem(self, job: str) -> str | None:
        """Return why a job could not be prepared for its next run, as a clause, or None."""
        ...

    def known_occurrences(self, job: str) -> Iterable[SeenOccurrence]:
        """Return the newest occurrences that sources or requests reported."""
        ...

    def waits(self, runs: Sequence[Run]) -> Mapping[str, Wait]:
        """Return why open runs wait, by their ids."""
        ...


@frozen
class Question:
    """A question about a job: about a time, about one of its runs, or (neither) about the present."""

    job: str
    time: RequestedTime | None = None
    run: str | None = None

    def query(self) -> LogQuery:
        """Return the query for the runs and decisions that may belong to the answer."""
        if self.time is None:
            return LogQuery(job=self.job, limit=MAX_RECENT_RECORDS)
        first, last = self.time.instants[0], self.time.instants[-1]
        return LogQuery(job=self.job, since=first - SEARCH_SPAN, until=last + SEARCH_SPAN, limit=MAX_RECORDS)

    def narrow(self, query: LogQuery, found: Sequence[Run] | Sequence[Decision]) -> LogQuery | None:
        """Return the query to ask instead, because its newest records may have hidden those of the time; else None.

        It ends as long after the time as makes half of the records come before it.
        """
        if self.time is None or query.until is None or len(found) < query.limit:
            return None
        first, last = self.time.instants[0], self.time.instants[-1]
        oldest = min(one.queued_at if isinstance(one, Run) else one.decided_at for one in found)
        after = query.until - last
        if oldest <= first or after <= MIN_SEARCH_SPAN:
            return None
        return evolve(query, until=last + max(min(query.until - oldest, after) / 2, MIN_SEARCH_SPAN))


def parse_question(source: JobSource, job: str, at: str | datetime | None = None, run: str | None = None) -> Question:
    """Return a question; `at` is an instant, or a time by the clock of the source's zone. Errors: BadRequest."""
    if at is None or isinstance(at, datetime):
        return Question(job, None if at is None else RequestedTime((at,)), run)
    try:
        return Question(job, parse_local_time(at, source.zone, source.now), run)
    except ValueError as error:
        raise BadRequest(f"at: {error}") from error


def explain(
    source: JobSource,
    question: Question,
    runs: Sequence[Run],
    decisions: Sequence[Decision],
    run: Run | None = None,
) -> Explanation:
    """Return the answer to a question from the records that its query found, and the run it names.

    Errors: JobNotFound if there is neither a job nor a record of it; RunNotFound if the run belongs to another job.
    """
    view = collect(source, question.job, runs, decisions)
    if run is not None:
        if run.job != question.job:
            raise RunNotFound(f"run {run.id} belongs to job {quote(run.job)}, not to {quote(question.job)}")
        return explain_run(run, view)
    return explain_now(view) if question.time is None else explain_at(question.time, view)


def collect(source: JobSource, job: str, runs: Sequence[Run], decisions: Sequence[Decision]) -> JobView:
    """Return all that an explanation is based on. Errors: JobNotFound, unless there are records of the job."""
    plan = source.find_plan(job)
    if plan is None and not runs and not decisions:
        raise JobNotFound(f"no job {quote(job)}{did_you_mean(job, source.job_names()) or SEE_JOBS}")
    state = source.job_state(job)
    disabled_by = _disabled_by(plan.job, source) if plan else "it is no longer defined"
    next_at = source.next_run_at(plan) if plan else None
    return JobView(
        job=job,
        definition=plan.job if plan else None,
        problem=plan.problem if plan else None,
        disabled_by=disabled_by,
        pause=state.find_pause(source.now) if plan else None,
        paused_at=state.paused_at if plan else None,
        expectation=state.expectation if plan else None,
        skips=[skip for skip in state.skips if skip.at > source.now] if plan else (),
        added_by=state.added_by if plan and plan.origin is JobOrigin.STORE else None,
        now=source.now,
        zone=source.zone,
        format_time=source.format_time,
        next_at=next_at if disabled_by is None else None,
        last_finished_at=state.last_finished_at,
        runs=runs,
        decisions=decisions,
        repeated=[seen for seen in source.known_occurrences(job) if seen.repeats],
        waiting=source.waits(runs),
        schedules=current_schedules(plan, state.cursors) if plan else {},
        unknown_starts=_unknown_starts(plan, state) if plan else {},
        guards=plan.guards if plan else {},
        summaries=_summaries(plan) if plan else {},
        guard_summaries=plan.guard_summaries if plan else {},
        cursors=state.cursors,
        trigger_problems=source.trigger_problems(plan) if plan else {},
        preparation_problem=source.preparation_problem(job),
        has_daemon=source.has_daemon,
        daemon_note=source.daemon_note,
    )


def _unknown_starts(plan: Plan, state: JobState) -> dict[str, str]:
    counts_from = counting_points(plan, state.cursors)
    found = {trigger: describe_unknown_start(plan, trigger, counts_from) for trigger in plan.run_points}
    return {trigger: why for trigger, why in found.items() if why is not None}


def _disabled_by(job: Job, source: JobSource) -> str | None:
    """Return what keeps a job from starting by itself, or None."""
    if not job.enabled:
        return "enabled = false in its definition"
    return None if source.is_enabled() else source.disabled_by


def _summaries(plan: Plan) -> dict[str, str]:
    refs = plan.job.schedule
    return dict(zip((ref.id for ref in refs), plan.summaries or (ref.type for ref in refs), strict=True))
