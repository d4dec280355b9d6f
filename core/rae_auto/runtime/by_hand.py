"""Jobs that are added, and runs that are started, while the scheduler runs."""

import asyncio
import json
import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from graphlib import CycleError
from itertools import islice
from typing import Any

from rae_auto.engine.commands import AddJobs, Trigger
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import BadRequest, InvalidJob, NotStarted, SchedulerError
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import GuardRef, PluginRef, TriggerRef
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.graphs import sort_by_successors
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.model.run_inputs import inputs_of
from rae_auto.model.value_checks import check_arguments_as, describe_mismatch
from rae_auto.paths import user_name
from rae_auto.registry.factory import Planned
from rae_auto.runtime.inputs import occurrence_of
from rae_auto.runtime.runtime import Runtime

MAX_JOBS_AT_ONCE = 250
"""Number of jobs that are prepared before others get their turn, which takes some milliseconds."""

MAX_JOBS_A_COMMAND = 1_000
"""Number of jobs that are added by one command, in one commit; deciding on them takes some ten milliseconds."""

MAX_OPEN_COMMANDS = 2
"""Number of commands without an answer: the next jobs are prepared while those before are being committed."""


_PLAIN = {str, int, float, bool}
"""Types whose values every store can keep."""


async def keep_job(runtime: Runtime, job: Job, added_by: Requester, *, replace: bool = False) -> JobId:
    """Keep a job in the store, and run it from now on. Errors: DuplicateJob (unless `replace`), InvalidJob."""
    (job_id,) = await keep_jobs(runtime, [job], added_by, replace=replace)
    return job_id


async def keep_jobs(
    runtime: Runtime, jobs: Iterable[Job], added_by: Requester, *, replace: bool = False
) -> list[JobId]:
    """Keep jobs in the store, and run them from now on, with few commits for all, each after those that it needs.

    One that is refused keeps none of the others from being added; the first error is raised when all are done.
    Errors: as of `keep_job`.
    """
    errors: list[SchedulerError] = []
    asked: deque[tuple[list[Planned], asyncio.Future[Mapping[str, Any]]]] = deque()

    async def take_answer() -> None:
        prepared, answer = asked.popleft()
        try:
            refused: Mapping[int, SchedulerError] = (await answer)["refused"]
        except SchedulerError as error:
            errors.append(error)
            return
        errors.extend(refused.values())
        added = [planned for place, planned in enumerate(prepared) if place not in refused]
        for planned in added:
            # Most have neither, and a new job had none before.
            if planned.sources or planned.files or replace:
                runtime.inputs.set_job(planned)
        runtime.executions.preparations.start(planned.plan.job for planned in added)

    given, left = list[Job](), iter(jobs)
    while some := tuple(islice(left, MAX_JOBS_AT_ONCE)):
        given += some
        await asyncio.sleep(0)
    left = iter(_sort_by_needs(given))
    try:
        while some := tuple(islice(left, MAX_JOBS_A_COMMAND)):
            prepared = []
            for first in range(0, len(some), MAX_JOBS_AT_ONCE):
                prepared += _prepare_all(runtime, some[first : first + MAX_JOBS_AT_ONCE], errors)
                await asyncio.sleep(0)
            while len(asked) >= MAX_OPEN_COMMANDS:
                await take_answer()
            command = partial(AddJobs, tuple(one.plan for one in prepared), replace, added_by=added_by)
            (answer,) = await runtime.engine_loop.submit_requests([command])
            asked.append((prepared, answer))
        while asked:
            await take_answer()
    finally:
        for _, answer in asked:
            answer.cancel()
    if errors:
        raise errors[0]
    return [job.id for job in given]


def _sort_by_needs(jobs: Sequence[Job]) -> Sequence[Job]:
    """Return jobs in an order in which each follows those that it needs; as they are if these form a cycle."""
    by_id = {job.id: job for job in jobs if isinstance(job, Job)}
    known: set[JobId] = set()
    for job in by_id.values():
        if job.needs and any(need in by_id and need not in known for need in job.needs):
            break
        known.add(job.id)
    else:
        return jobs
    # Of jobs that are given twice, the last one would replace the first.
    if len(by_id) != len(jobs):
        return jobs
    with suppress(CycleError):
        return [
            by_id[id_] for id_ in sort_by_successors(by_id, lambda id_: filter(by_id.__contains__, by_id[id_].needs))
        ]
    return jobs


def _prepare_all(runtime: Runtime, jobs: Iterable[Job], errors: list[SchedulerError]) -> list[Planned]:
    prepared = []
    for job in jobs:
        try:
            prepared.append(_prepare(runtime, job))
        except SchedulerError as error:
            errors.append(error)
    return prepared


def _prepare(runtime: Runtime, job: Job) -> Planned:
    """Return a new job together with its plugins. Errors: InvalidJob, or BadRequest if the value isn't a job."""
    if not isinstance(job, Job):
        raise BadRequest(f"add_jobs: jobs {describe_mismatch([job], Iterable[Job])}")
    factory = runtime.factory
    job = factory.resolve_paths(job)
    planned = factory.plan(job, JobOrigin.STORE)
    factory.check_limits(job)
    _check_keepable(job)
    return planned


def _check_keepable(job: Job) -> None:
    """Refuse a job that no store can keep, which a store itself would find out too late. Errors: InvalidJob."""
    refs: tuple[TriggerRef | GuardRef | PluginRef, ...] = (*job.schedule, *job.guards, job.executor_ref)
    options = [ref.options for ref in refs]
    if not (job.args or job.kwargs) and all(_PLAIN.issuperset(map(type, one.values())) for one in options):
        # As of most jobs.
        return
    try:
        try:
            # All other fields have values of the model.
            json.dumps([job.args, job.kwargs, options])
        except TypeError:
            # Some of what is no JSON has documents, such as instants.
            json.dumps(documents.dump(job))
    except (TypeError, ValueError) as error:
        raise InvalidJob(f"job {quote(job.id)}: holds what no store can keep: {error}") from None


@check_arguments_as("trigger")
async def trigger_job(
    runtime: Runtime,
    job: str,
    *,
    event: Mapping[str, Any] | None,
    request: str | None,
    env: Mapping[str, str] | None,
    args: Sequence[str],
    force: bool,
    by: Requester | None = None,
) -> RunId:
    """Start a run for `by`, None for the program around the scheduler. The rest is as for `Scheduler.trigger`."""
    try:
        inputs = inputs_of(env, args)
        if inputs:
            inputs.check(runtime.engine.job(JobId(job)).job)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    occurrence = occurrence_of(JobId(job), MANUAL, request or os.urandom(16).hex(), event, runtime.now())
    can_repeat = request is not None
    try:
        answer = await runtime.request(lambda ask: Trigger(occurrence, ask, inputs, force, by, can_repeat))
    except NotStarted as error:
        if error.describe is None:
            raise
        raise NotStarted(error.describe(runtime.time_format(local=True)), error.reason) from None
    return RunId(answer["run_id"])


def requester_of_program(runtime: Runtime) -> Requester:
    """Return the requester that stands for the program around the scheduler."""
    return Requester(at=runtime.now(), via=RequestWay.PYTHON, user=find_user())


@cache
def find_user() -> str:
    """Return the name of the user of this process, who is also that of its peers, root aside."""
    return user_name() or (str(os.geteuid()) if hasattr(os, "geteuid") else "?")
