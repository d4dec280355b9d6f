"""Assignments: an attempt with its environment, its secrets and its output file."""

from collections.abc import Mapping
from pathlib import Path

from rae_auto.api.executor import Assignment
from rae_auto.model.job import Job
from rae_auto.model.run import Run
from rae_auto.paths import output_path
from rae_auto.runtime.execution.environment import build_environment
from rae_auto.runtime.execution.event_path import fill_in_path
from rae_auto.runtime.secrets import resolve_secrets


def event_path(directory: Path, run: Run) -> Path:
    """Return the path of the event of a run, used when it is too large for a variable."""
    return output_path(directory, run.job, run.id, 1).with_name(f"{run.id}.event.json")


def build_assignment(run: Run, job: Job, directory: Path, inherited: Mapping[str, str]) -> Assignment:
    """Return the run's current attempt. Raises ValueError if a secret is missing, or a file for {path}.

    `directory` is the state directory, `inherited` the daemon's own environment, of which jobs get a few names.
    """
    job = fill_in_path(run.inputs.apply_to(job), run.event)
    env, secrets = resolve_secrets(job.env, inherited, job.directory)
    environment = build_environment(run, job, env, inherited, event_path(directory, run))
    return _assignment(run, job, directory, environment, secrets)


def rebuild_assignment(run: Run, job: Job, directory: Path) -> Assignment:
    """Return the current attempt as it was started; a secret may be missing by now."""
    return _assignment(run, job, directory, {}, ())


def _assignment(
    run: Run, job: Job, directory: Path, environment: Mapping[str, str], secrets: tuple[str, ...]
) -> Assignment:
    return Assignment(
        run=run.id,
        attempt=run.attempt,
        job=job,
        environment=environment,
        secrets=secrets,
        output=output_path(directory, run.job, run.id, run.attempt),
    )
