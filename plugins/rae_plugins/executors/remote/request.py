"""Pure conversions: a job to the request of its attempt, and what the host reports to a result."""

import base64
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import evolve

from rae_auto.api import Assignment
from rae_auto.model.job import Job
from rae_auto.model.policies import FailOn, Limits
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_auto.toolkit.environment import INHERITED
from rae_plugins.executors.process.attempt_files import to_result as to_process_result

TIMEOUT_MARGIN_SECONDS = 15.0
"""Time for which the daemon, which ends attempts after their timeout itself, goes before the host."""

EVENT_FILE = "RAE_EVENT_FILE"


def build_token(assignment: Assignment) -> str:
    """Return the name of an attempt on its host, which no other attempt ever has."""
    return name_attempt(assignment.run, assignment.attempt)


def name_attempt(run: RunId, number: int) -> str:
    """Return the name of the attempt with this number on its host."""
    return f"{run}.{number}"


def build_request(assignment: Assignment, orphans: str) -> dict[str, Any]:
    """Return what the keeper on the host needs to start the attempt. Errors: ValueError, OSError."""
    job = assignment.job
    environment, files = _split_environment(assignment)
    argv = (job.shell_program or "/bin/sh", "-c", job.shell) if job.shell else job.argv
    timeout = None if job.timeout is None else job.timeout.total_seconds() + job.kill_after.total_seconds()
    return {
        "run": assignment.run,
        "argv": argv,
        "env": environment,
        "files": files,
        "cwd": job.cwd,
        "stdin": assignment.stdin,
        "umask": None if job.umask is None else int(job.umask, 8),
        "cap": job.limits.output,
        "hide": assignment.secrets,
        "watches_stderr": FailOn.STDERR in job.fail_on,
        "limits": _limits(job.limits),
        "orphans": orphans,
        "kill_after": job.kill_after.total_seconds(),
        "timeout": None if timeout is None else timeout + TIMEOUT_MARGIN_SECONDS,
    }


def _split_environment(assignment: Assignment) -> tuple[dict[str, str], dict[str, str]]:
    """Return the variables that mean something on another machine, and the files that variables name.

    Variables that the daemon passes on from its own machine, such as PATH and HOME, are dropped; the host has its own.
    """
    environment, files = {}, {}
    for name, value in assignment.environment.items():
        if name in INHERITED and name not in assignment.job.env and os.environ.get(name, value) == value:
            continue
        if name == EVENT_FILE or _is_in(value, assignment.secret_directory):
            files[name] = base64.b64encode(Path(value).read_bytes()).decode()
        else:
            environment[name] = value
    return environment, files


def _is_in(path: str, directory: Path | None) -> bool:
    return directory is not None and Path(path).parent == directory


def _limits(limits: Limits) -> dict[str, Any]:
    values = {name: getattr(limits, name) for name in limits.names}
    if limits.cpu_time is not None:
        values["cpu_time"] = limits.cpu_time.total_seconds()
    return {**values, "best_effort": limits.best_effort} if values else {}


def to_result(record: Mapping[str, Any], *, is_past: bool) -> Result:
    """Return the result that an exit record describes.

    It has times, which are by the host's clock, only if `is_past`: the job ended while the daemon was not connected.
    """
    ended_at = record.get("ended_at")
    result = to_process_result(record)
    if not is_past:
        return evolve(result, started_at=None)
    return evolve(result, ended_at=datetime.fromtimestamp(ended_at, UTC)) if ended_at else result


def describe_problem_of_job(job: Job) -> Mapping[str, str]:
    """Return the keys of a job that mean something else on a host, each with the problem."""
    if job.cwd is None and job.command and job.command[0].startswith("./"):
        return {"command": f'{job.command[0]} is looked for in the home directory on the host; set "cwd"'}
    return {}
