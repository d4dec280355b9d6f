"""References of a job that lead nowhere."""

from collections.abc import Iterator, Mapping

from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Problem
from rae_auto.runtime.execution.environment import resolve_readable


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
