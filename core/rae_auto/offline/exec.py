"""Runs one job in the foreground, with the executor and the environment that the daemon would give it."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve

from rae_auto.api.executor import Execution, Executor
from rae_auto.engine.runs.judgement import judge_result
from rae_auto.errors import BadRequest, JobNotFound
from rae_auto.model.decision import MANUAL, Occurrence, run_id_of
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.reasons import Manual
from rae_auto.model.run import Result, Run, RunState
from rae_auto.model.run_inputs import NO_INPUTS, RunInputs
from rae_auto.offline import job_queries
from rae_auto.offline.project import Project
from rae_auto.paths import state_directory
from rae_auto.platforms.process_signals import call_at_interrupt
from rae_auto.records.events import check_event
from rae_auto.runtime.execution.assignments import build_assignment, event_path
from rae_auto.runtime.execution.environment import oversized_event
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.toolkit.files import write_atomically
from rae_auto.toolkit.secrets.programs import allow_programs

POLL_INTERVAL_SECONDS = 0.05
"""The time between two reads of the output."""


def execute(
    project: Project,
    name: str,
    out: BinaryIO,
    inputs: RunInputs = NO_INPUTS,
    event: Mapping[str, Any] | None = None,
) -> tuple[Result, str | None]:
    """Run a job of the configuration or of the store once, and copy its output to `out` as it comes.

    Ctrl-C and the timeout of the job end it. The run gets `inputs` beside the variables and arguments of the job, and
    `event` as RAE_EVENT. Returns the result, and how it failed, None for a success.

    Errors: JobNotFound, PluginError, BadRequest, StoreError.
    """
    job = _find_job(project, name)
    try:
        inputs.check(job)
    except ValueError as error:
        raise BadRequest(str(error)) from None
    run = evolve(_new_run(job), inputs=inputs, event=check_event(event))
    executor = project.plugins.executor(job.executor_ref)
    own = {"RAE_STATE_DIR": str(state_directory()), "RAE_CONFIG": str(project.config.path.absolute())}
    inherited = {**os.environ, **own}
    allow_programs(project.config.secret_commands)
    with tempfile.TemporaryDirectory(prefix="rae-auto-") as directory:
        result = asyncio.run(_execute(run, job, executor, Path(directory), inherited, out))
    state, reason = judge_result(job, result)
    if state is RunState.SUCCEEDED:
        return result, None
    return result, reason.text if reason else f"exit code {result.exit_code}"


def _find_job(project: Project, name: str) -> Job:
    """Return a job. The store is read only for one that the configuration hasn't. Errors: JobNotFound, StoreError."""
    try:
        return project.find_job(name)
    except JobNotFound:
        return job_queries.find_job(project, name)[0]


async def _execute(
    run: Run, job: Job, executor: Executor, directory: Path, inherited: Mapping[str, str], out: BinaryIO
) -> Result:
    try:
        assignment = build_assignment(run, job, directory, inherited)
    except ValueError as error:
        return Result(error=str(error))
    assignment.output.parent.mkdir(parents=True)
    if (large := oversized_event(run)) is not None:
        write_atomically(event_path(directory, run), large)
    try:
        await executor.open(directory)
        execution = await executor.start(assignment)
        end = asyncio.create_task(_wait_for_end(execution, job))
        call_at_interrupt(end.cancel)
        await _copy_until(end, assignment.output, out)
        return end.result()
    except Exception as error:
        return Result(error=str(error))
    finally:
        await executor.close()


def _new_run(job: Job) -> Run:
    moment = SystemClock().now()
    now = moment.wall
    occurrence = Occurrence(job.id, MANUAL, uuid.uuid4().hex, now)
    return Run(
        id=run_id_of(occurrence, moment),
        job=job.id,
        trigger=MANUAL,
        key=occurrence.key,
        scheduled_for=now,
        queued_at=now,
        cause=Manual(),
        attempt=1,
    )


async def _wait_for_end(execution: Execution, job: Job) -> Result:
    limit = None if job.timeout is None else job.timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            ended = await execution.wait()
            return ended if isinstance(ended, Result) else Result(error="its result can't be known")
    except TimeoutError:
        why = f"timed out after {format_elapsed(job.timeout or timedelta(0))}"
    except asyncio.CancelledError:
        why = "interrupted"
    await execution.cancel(job.kill_after)
    await execution.wait()
    return Result(error=why)


async def _copy_until(end: "asyncio.Task[Result]", path: Path, out: BinaryIO) -> None:
    copied, ended = 0, False
    while not ended:
        await asyncio.wait({end}, timeout=POLL_INTERVAL_SECONDS)
        # Checked before the copy, so that the last output is copied too.
        ended = end.done()
        copied += await asyncio.to_thread(_copy, path, copied, out)


def _copy(path: Path, start: int, out: BinaryIO) -> int:
    """Copy the file from `start` on and return the number of bytes."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            count = out.write(file.read())
    except FileNotFoundError:
        return 0
    out.flush()
    return count
