"""What a start takes up of the store. A document that is damaged holds its own job; all others run."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen
from loguru import logger

from rae_auto.api.store import Change, Delete, Put
from rae_auto.engine.events import AttemptFound, Event, Origin, Plan, Restored, Settings
from rae_auto.errors import DuplicateJob, StoreError
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run
from rae_auto.runtime.execution.executions import Executions
from rae_auto.runtime.repository import Hurt, Repository
from rae_auto.toolkit.files import write_whole


@frozen
class Taken:
    """What the engine is told, and why jobs are held, by their ids."""

    restored: Restored
    held: dict[JobId, str]


async def take_up(
    archive: Repository, directory: Path, settings: Settings, plans: Sequence[Plan], plan_of: Callable[[Job], Plan]
) -> Taken:
    """Read all that is stored beside the plans of the configuration. Errors: DuplicateJob, InvalidJob, StoreError."""
    stored, bad_jobs = await archive.load(documents.JOB, Job)
    configured = {plan.job.id for plan in plans}
    for job in stored:
        if job.id in configured:
            raise DuplicateJob(
                f"job {job.id!r} stands in the configuration and was added by hand too; rename the first"
            )
    states, bad_states = await archive.load(documents.STATE, JobState)
    runs, bad_runs = await archive.load(documents.RUN, Run)
    seen, bad_seen = await archive.load(documents.SEEN, Seen)
    all_plans = [*plans, *(plan_of(job) for job in stored)]
    # In the place of a job that can't be read: it can be seen, removed and replaced, and starts nothing.
    all_plans += [
        Plan(Job(id=JobId(hurt.key), command="damaged", enabled=False), origin=Origin.STORE)
        for hurt in bad_jobs
        if hurt.key not in configured
    ]
    hurts = [*bad_jobs, *bad_states, *bad_runs, *bad_seen]
    held = {JobId(hurt.job): _words(hurt, hurt.job) for hurt in hurts if hurt.job is not None}
    by_job = {state.job: state for state in states}
    for job_id in held:
        by_job[job_id] = evolve(by_job.get(job_id, JobState(job_id)), paused=True)
    if hurts:
        await _put_aside(archive, directory, hurts, [by_job[job_id] for job_id in held])
    return Taken(Restored(settings, tuple(all_plans), tuple(by_job.values()), runs, seen), held)


async def find_again(restored: Restored, executions: Executions, report: Callable[[Event], None]) -> None:
    """Ask the executors what became of what was in hand when the last daemon ended."""
    jobs = {plan.job.id: plan.job for plan in restored.plans}
    in_hand = [run for run in restored.runs if run.state.active]
    for run in in_hand:
        if run.job not in jobs:
            report(AttemptFound(run.id, run.attempt))
    await executions.find([(run, jobs[run.job]) for run in in_hand if run.job in jobs])


def _words(hurt: Hurt, job: str) -> str:
    remedy = f"'rae-auto resume {job}' lets it go on"
    if hurt.kind == documents.JOB:
        remedy = f"add it anew with 'rae-auto add --replace' and then resume it, or 'rae-auto remove {job}'"
    return f"job {job!r} is held, since what the store has of it is damaged: {hurt.problem}; {remedy}"


async def _put_aside(archive: Repository, directory: Path, hurts: Sequence[Hurt], states: Sequence[JobState]) -> None:
    """Keep what is damaged in a file, and hold its jobs durably until somebody resumes them."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    aside = directory / f"documents.corrupt-{moment}.json"
    content = [{"kind": hurt.kind, "key": hurt.key, "problem": hurt.problem, "text": hurt.text} for hurt in hurts]
    try:
        write_whole(aside, json.dumps(content, indent=1).encode())
    except OSError as error:
        raise StoreError(f"{aside}: can't be written ({error.strerror})") from error
    for hurt in hurts:
        of = "" if hurt.job is None else f"; job {hurt.job!r} is held"
        place = f"the {hurt.kind} {hurt.key!r} in the store"
        logger.error("{} is damaged ({}){}; it is kept in {}", place, hurt.problem, of, aside)
    # The job's own definition stays: only a person can say what it was.
    changes: list[Change] = [Delete(hurt.kind, hurt.key) for hurt in hurts if hurt.kind != documents.JOB]
    changes += [Put(*documents.place_of(state), documents.dump(state)) for state in states]
    await archive.ask(lambda store: store.commit(changes))
