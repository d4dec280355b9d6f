"""References of a job that lead nowhere."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Problem
from rae_auto.runtime.execution.environment import resolve_readable
from rae_auto.toolkit.secrets.env_files import read_env_file


def find_bad_references(job: Job, own: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each text that refers to a missing variable, or to a file that is missing or open."""
    texts: list[tuple[tuple[str, ...], str]] = [(("env", name), value) for name, value in job.env.items()]
    texts += [(("secret_files", name), value) for name, value in job.secret_files.items()]
    texts += [] if job.stdin is None else [(("stdin",), job.stdin)]
    for key, text in texts:
        try:
            resolve_readable(text, own, job.directory, key[0])
        except ValueError as error:
            yield Problem(key, str(error).removeprefix(f"{key[0]} "))


def find_env_file_problem(job: Job) -> Problem | None:
    """Return why the file of variables of a job can't be used, with its key in the file, or None."""
    if job.env_file is None:
        return None
    try:
        read_env_file(Path(job.env_file))
    except ValueError as error:
        return Problem(("jobs", job.id, "env_file"), str(error))
    return None
