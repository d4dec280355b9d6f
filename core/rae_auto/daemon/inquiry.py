"""Gathers what `why` goes by, of a scheduler and its store."""

from datetime import datetime, timedelta

from rae_auto.api.store import LogQuery
from rae_auto.daemon.scheduler import Scheduler
from rae_auto.daemon.why import Standing, Why, why_at, why_now, why_run
from rae_auto.model.names import JobId

AROUND = timedelta(days=1)
"""How far from what was asked records are looked for: catch-up makes up for a day by default."""

MOST = 1000
"""How many runs, and how many decisions, are looked at: the newest."""


async def why(scheduler: Scheduler, job: str, at: datetime | None = None, run: str | None = None) -> Why:
    """Why a job ran, didn't run or waits; at a time, or for one of its runs. Errors: JobNotFound, RunNotFound."""
    engine = scheduler.engine
    entry = engine.job(JobId(job))
    since, until = (None, None) if at is None else (at - AROUND, at + AROUND)
    around = LogQuery(job=job, since=since, until=until, limit=MOST)
    runs = await scheduler.runs(around)
    standing = Standing(
        job=job,
        enabled=entry.job.enabled and scheduler.settings.enabled,
        paused=entry.state.paused,
        next_at=engine.next_at(entry.job.id),
        runs=runs,
        decisions=await scheduler.decisions(around),
        waiting={found.id: scheduler.waiting_for(found.id) or "" for found in runs if engine.run(found.id) is not None},
    )
    if run is not None:
        return why_run(await scheduler.get_run(run), standing)
    if at is None:
        return why_now(standing)
    return why_at(at, standing, *engine.due_around(entry.job.id, at))
