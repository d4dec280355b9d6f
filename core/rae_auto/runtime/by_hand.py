"""Jobs that are added, and runs that are started, while the scheduler runs."""

import json
import os
import uuid
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from rae_auto.engine.commands import AddJob, Trigger
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import BadRequest, InvalidJob, NotStarted
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons.requesters import Requester, RequestWay
from rae_auto.model.run_inputs import inputs_of
from rae_auto.model.value_checks import check_arguments_as
from rae_auto.paths import user_name
from rae_auto.runtime.inputs import occurrence_of
from rae_auto.runtime.runtime import Runtime


async def keep_job(runtime: Runtime, job: Job, added_by: Requester, *, replace: bool = False) -> JobId:
    """Keep a job in the store, and run it from now on. Errors: DuplicateJob (unless `replace`), InvalidJob."""
    job = runtime.factory.resolve_paths(job)
    planned = runtime.factory.plan(job, JobOrigin.STORE)
    runtime.factory.check_limits(job)
    _check_keepable(job)
    await runtime.request(lambda ask: AddJob(planned.plan, replace, ask, added_by))
    runtime.inputs.set_job(planned)
    runtime.executions.preparations.start([planned.plan.job])
    return job.id


def _check_keepable(job: Job) -> None:
    """Refuse a job that no store can keep, which a store itself would find out too late. Errors: InvalidJob."""
    try:
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
    occurrence = occurrence_of(JobId(job), MANUAL, request or uuid.uuid4().hex, event, runtime.now())
    try:
        answer = await runtime.request(lambda ask: Trigger(occurrence, ask, inputs, force, by))
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
