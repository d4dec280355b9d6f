"""One job, here and now, without a daemon: by the same executor and in the same environment."""

import asyncio
import os
import signal
import tempfile
import uuid
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from rae_auto.api.executor import Execution, Executor
from rae_auto.config import load
from rae_auto.errors import JobNotFound
from rae_auto.model.decision import MANUAL, Occurrence, run_id_of
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Result, Run
from rae_auto.registry import Registry
from rae_auto.registry.factory import PluginFactory
from rae_auto.runtime.clock import SystemClock
from rae_auto.runtime.execution.assignments import assignment_of

LOOK_AGAIN = 0.05
"""Seconds between looks for more output."""


def execute(config_path: Path, name: str, out: BinaryIO) -> Result:
    """Run a job of a configuration once, its output going to `out` as it comes. Ctrl-C and its timeout end it.

    Errors: ConfigError, JobNotFound, PluginError.
    """
    registry = Registry()
    config = load(config_path, registry)
    job = next((job for job in config.jobs if job.id == name), None)
    if job is None:
        raise JobNotFound(f"no job {name!r} in {config_path}{did_you_mean(name, [job.id for job in config.jobs])}")
    executor = PluginFactory(registry, config.timezone).executor(job.executor_ref)
    with tempfile.TemporaryDirectory(prefix="rae-auto-") as place:
        return asyncio.run(_execute(job, executor, Path(place), out))


async def _execute(job: Job, executor: Executor, directory: Path, out: BinaryIO) -> Result:
    try:
        assignment = assignment_of(_run_of(job), job, directory, os.environ)
    except ValueError as error:
        return Result(error=str(error))
    assignment.output.parent.mkdir()
    await executor.open(directory)
    try:
        execution = await executor.start(assignment)
        ending = asyncio.create_task(_end(execution, job))
        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ending.cancel)
        await _copy_until(ending, assignment.output, out)
        return ending.result()
    except Exception as error:
        return Result(error=str(error))
    finally:
        await executor.close()


def _run_of(job: Job) -> Run:
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
        cause=Reason.ASKED,
        attempt=1,
    )


async def _end(execution: Execution, job: Job) -> Result:
    limit = None if job.timeout is None else job.timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            return await execution.wait()
    except TimeoutError:
        why = f"timed out after {format_duration(job.timeout or timedelta(0))}"
    except asyncio.CancelledError:
        why = "interrupted"
    await execution.cancel(job.kill_after)
    await execution.wait()
    return Result(error=why)


async def _copy_until(ending: "asyncio.Task[Result]", path: Path, out: BinaryIO) -> None:
    copied, ended = 0, False
    while not ended:
        await asyncio.wait({ending}, timeout=LOOK_AGAIN)
        # Asked first: what is printed before the end is then copied after it.
        ended = ending.done()
        copied += await asyncio.to_thread(_copy, path, copied, out)


def _copy(path: Path, start: int, out: BinaryIO) -> int:
    """Copy what the file has from `start` on; how much that was."""
    try:
        with path.open("rb") as file:
            file.seek(start)
            count = out.write(file.read())
    except FileNotFoundError:
        return 0
    out.flush()
    return count
