"""Gathers what `why` goes by, of a scheduler and its store."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rae_auto.api.store import LogQuery
from rae_auto.engine.engine import Engine
from rae_auto.errors import BadRequest, JobNotFound, RunNotFound
from rae_auto.explain.job_view import JobView, Wait
from rae_auto.explain.wall_times import Asked, read_time
from rae_auto.explain.why import Why, why_at, why_now, why_run
from rae_auto.model.decision import Decision
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.primitives.zones import zone
from rae_auto.model.run import Run
from rae_auto.runtime.scheduler import Scheduler

AROUND = timedelta(days=1)
"""How far from what was asked records are looked for: catch-up makes up for a day by default."""

MOST = 1000
"""How many runs, and how many decisions, are looked at: the newest."""


async def why(scheduler: Scheduler, job: str, at: str | datetime | None = None, run: str | None = None) -> Why:
    """Why a job ran, didn't run or waits; at a time, or for one of its runs.

    Errors: JobNotFound, RunNotFound, BadRequest (a time that is none).
    """
    place = zone(scheduler.runtime.factory.timezone)
    asked = time_asked(at, place, scheduler.runtime.now())
    query = records_around(job, asked)
    runs, decisions = await scheduler.runtime.runs(query), await scheduler.runtime.decisions(query)
    wanted = None if run is None else await scheduler.get_run(run)
    standing = standing_in(scheduler.runtime.engine, job, runs, decisions, scheduler.runtime.clock.now(), place)
    return answered(standing, asked, wanted)


def time_asked(at: str | datetime | None, place: ZoneInfo, now: datetime) -> Asked | None:
    """What `at` means, if anything. Errors: BadRequest."""
    if isinstance(at, datetime):
        return Asked((at,))
    try:
        return None if at is None else read_time(at, place, now)
    except ValueError as error:
        raise BadRequest(f"at: {error}") from error


def records_around(job: str, asked: Asked | None) -> LogQuery:
    """Which records may have to do with what is asked."""
    if asked is None:
        return LogQuery(job=job, limit=MOST)
    return LogQuery(job=job, since=asked.instants[0] - AROUND, until=asked.instants[-1] + AROUND, limit=MOST)


def standing_in(
    engine: Engine,
    job: str,
    runs: Sequence[Run],
    decisions: Sequence[Decision],
    now: Moment,
    place: ZoneInfo,
) -> JobView:
    """How a job stands in an engine. Errors: JobNotFound, unless there are records of it."""
    try:
        entry = engine.job(JobId(job))
    except JobNotFound:
        if not runs and not decisions:
            raise
        entry = None
    opened = [run.id for run in runs if engine.run(run.id) is not None]
    waits: dict[str, Wait] = {run: wait for run in opened if (wait := engine.waiting_for(run, now)) is not None}
    return JobView(
        job=job,
        definition=entry.job if entry else None,
        enabled=entry is not None and entry.job.enabled and engine.settings_enabled,
        paused=entry is not None and entry.state.paused,
        now=now.wall,
        zone=place,
        next_at=engine.next_at(JobId(job)) if entry else None,
        runs=runs,
        decisions=decisions,
        repeated=[seen for seen in engine.remembered(JobId(job)) if seen.repeats],
        waiting=waits,
        schedules=entry.plan.schedules if entry else {},
        cursors=entry.state.cursors if entry else {},
    )


def answered(standing: JobView, asked: Asked | None, run: Run | None) -> Why:
    """The answer to what was asked. Errors: RunNotFound, where the run is another job's."""
    if run is not None:
        if run.job != standing.job:
            raise RunNotFound(f"run {run.id} is one of {run.job}, not of {standing.job}")
        return why_run(run, standing)
    return why_now(standing) if asked is None else why_at(asked, standing)
