"""Assignments: an attempt with its environment, its secrets and its output file."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from attrs import evolve

from rae_auto.api.executor import Assignment, Executor
from rae_auto.model.job import Job
from rae_auto.model.run import Run
from rae_auto.paths import output_file, output_path
from rae_auto.runtime.execution.environment import build_environment, oversized_event
from rae_auto.runtime.execution.event_path import fill_in_path
from rae_auto.runtime.execution.output_files import create_output_directory
from rae_auto.runtime.execution.secret_files import secret_directory, write_secret_files
from rae_auto.runtime.secrets import resolve_job
from rae_auto.toolkit.files import write_atomically

MAX_NOTE_BYTES = 256
"""Bytes that an executor may add to an output file, to say how much is missing."""


def event_path(directory: Path, run: Run) -> Path:
    """Return the path of the event of a run, used when it is too large for a variable."""
    return output_path(directory, run.job, run.id, 1).with_name(f"{run.id}.event.json")


async def prepare_output(executor: Executor, run: Run, directory: Path) -> None:
    """Make the folder for the output of a run, unless its executor does, and write an event that is too large.

    Errors: OSError, RuntimeError.
    """
    event = oversized_event(run)
    if event is not None or not executor.makes_output_folder:
        # Each time, because tidying up may remove it; it costs some microseconds.
        create_output_directory(directory / "output" / run.job)
    if event is not None:
        await asyncio.to_thread(write_atomically, event_path(directory, run), event)


async def prepare_adoption(executor: Executor, run: Run, job: Job, directory: Path) -> Assignment:
    """Return the attempt of an earlier daemon, with the folder for its output, which may have run elsewhere."""
    if executor.finds_from_anywhere:
        # Without room for it the attempt has no output here; it is looked for all the same.
        with suppress(OSError, RuntimeError):
            await asyncio.to_thread(create_output_directory, directory / "output" / run.job)
    return rebuild_assignment(run, job, directory)


def build_assignment(
    run: Run, job: Job, directory: Path, inherited: Mapping[str, str], *, has_process: bool = True
) -> Assignment:
    """Return the run's current attempt, with its private files written. It may block if `has_slow_references`.

    `directory` is the state directory, `inherited` the daemon's own environment, of which jobs get a few names. Without
    a process an attempt has no environment. Raises ValueError if a secret is missing, or a file for {path}, OSError if
    its private files can't be written.
    """
    job = run.inputs.apply_to(job)
    if not has_process:
        return rebuild_assignment(run, fill_in_path(job, run.event), directory)
    resolved = resolve_job(job, inherited)
    job = fill_in_path(job, run.event)
    private = secret_directory(directory, run.id, run.attempt) if resolved.files else None
    paths = write_secret_files(private, resolved.files) if private is not None else {}
    return Assignment(
        run=run.id,
        attempt=run.attempt,
        job=job,
        environment=build_environment(run, job, {**resolved.env, **paths}, inherited, partial(event_path, directory)),
        output=output_file(directory, run.job, run.id, run.attempt),
        secrets=resolved.secrets,
        stdin=resolved.stdin,
        secret_directory=private,
    )


def rebuild_assignment(run: Run, job: Job, directory: Path) -> Assignment:
    """Return the current attempt as it was started; a secret may be missing by now."""
    output = output_file(directory, run.job, run.id, run.attempt)
    return Assignment(run=run.id, attempt=run.attempt, job=job, environment={}, output=output)


def bound_output(job: Job, max_output_bytes: Callable[[], int] | None) -> Job:
    """Return the job with a limit on its output that leaves room for all of it within the bound for the job."""
    if max_output_bytes is None:
        return job
    max_bytes = max(max_output_bytes() - MAX_NOTE_BYTES, 0)
    if job.limits.output <= max_bytes:
        return job
    return evolve(job, limits=evolve(job.limits, output=max_bytes))
