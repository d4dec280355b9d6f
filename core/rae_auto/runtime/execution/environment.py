"""The environment variables of an attempt."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from rae_auto.model.job import Job
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.trace import TRACE_VARIABLE, traceparent_of
from rae_auto.model.run import Run
from rae_auto.runtime.execution.event_path import PATH_VARIABLE, find_path
from rae_auto.toolkit.environment import inherited_environment
from rae_auto.toolkit.secrets.env_files import read_env_file
from rae_auto.toolkit.secrets.masking import sort_secrets
from rae_auto.toolkit.secrets.references import resolve_references

MAX_EVENT_VARIABLE_BYTES = 32 << 10
"""Bytes of RAE_EVENT: a single variable can't be much larger than this on every system."""


def build_environment(
    run: Run,
    job: Job,
    env: Mapping[str, str],
    inherited: Mapping[str, str],
    event_file: Callable[[Run], Path],
) -> dict[str, str]:
    """Return all variables of the run's current attempt: a few of the daemon's, the job's own, and those about the run.

    `env` are the job's own with their secrets, `inherited` the daemon's. `event_file` returns where the event stands if
    it is too large for a variable.
    """
    own = {
        "RAE_RUN_ID": run.id,
        "RAE_JOB": run.job,
        "RAE_ATTEMPT": str(run.attempt),
        "RAE_SCHEDULED_FOR": format_instant(run.scheduled_for),
        "RAE_TRIGGER": run.trigger,
        "RAE_EVENT": _event(run),
    }
    if (path := find_path(run.event)) is not None:
        own[PATH_VARIABLE] = path
    if (large := oversized_event(run)) is not None:
        file = str(event_file(run))
        own["RAE_EVENT"] = json.dumps({"too_large": len(large), "file": file})
        own["RAE_EVENT_FILE"] = file
    trace = {TRACE_VARIABLE: traceparent_of(run.id, run.attempt, run.event)}
    return {**inherited_environment(inherited, job.pass_env), **trace, **env, **own}


def expected_environment(job: Job, inherited: Mapping[str, str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """Return the variables that the job would get now, without those of a run, and the secrets among the values.

    A variable is missing if its reference leads nowhere. Reads files, and runs nothing.
    """
    environment, secrets = inherited_environment(inherited, job.pass_env), set[str]()
    if job.env_file is not None:
        with suppress(ValueError):
            values, found_in_file = read_env_file(Path(job.env_file))
            environment.update(values)
            secrets.update(found_in_file)
    for name, value in job.env.items():
        with suppress(ValueError):
            environment[name], found = resolve_readable(value, inherited, job.directory)
            secrets.update(found)
    return environment, tuple(sort_secrets(secrets))


def resolve_readable(value: str, inherited: Mapping[str, str], directory: str | None) -> tuple[str, tuple[str, ...]]:
    """Return a value of env with those references replaced that are read without running anything, and the secrets.

    Raises ValueError for a reference that leads nowhere.
    """
    text, secrets = resolve_references(value, inherited, "env", directory, run_programs=False)
    return text, tuple(secrets)


def oversized_event(run: Run) -> bytes | None:
    """Return the run's event as JSON if it is too large for a variable, else None."""
    if not run.event:
        return None
    content = _event(run).encode()
    return content if len(content) > MAX_EVENT_VARIABLE_BYTES else None


def _event(run: Run) -> str:
    if not run.event:
        return "{}"
    text = json.dumps(run.event, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        # The name of a file need not be text, and then only an escape can express it.
        return json.dumps(run.event)
    return text
