"""References in the environment of a job that lead nowhere."""

from collections.abc import Iterator, Mapping

from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Problem
from rae_auto.runtime.execution.environment import resolve_readable


def find_bad_references(job: Job, own: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each variable that refers to a missing variable, or to a file that is missing or open."""
    for name, value in job.env.items():
        try:
            resolve_readable(value, own, job.directory)
        except ValueError as error:
            yield Problem(("env", name), str(error).removeprefix("env "))
