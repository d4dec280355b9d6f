"""The environment of a job as it would be now, and references in it that lead nowhere."""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress

from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Problem
from rae_auto.runtime.secrets import resolve_secrets
from rae_auto.toolkit.environment import inherited_environment

_KIND = re.compile(r"\$\{(\w+):")
_READABLE_KINDS = {"env", "file"}
"""References that are read without running anything."""


def expected_environment(job: Job, own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the job would get now, without those whose references lead nowhere."""
    environment = inherited_environment(own, job.pass_env)
    for name, value in job.env.items():
        with suppress(ValueError):
            environment[name] = _resolve(value, own, job.directory)
    return environment


def find_bad_references(job: Job, own: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each variable that refers to a missing variable, or to a file that is missing or open."""
    for name, value in job.env.items():
        try:
            _resolve(value, own, job.directory)
        except ValueError as error:
            yield Problem(("env", name), str(error).removeprefix("env "))


def _resolve(value: str, own: Mapping[str, str], directory: str | None) -> str:
    if not _READABLE_KINDS.issuperset(_KIND.findall(value)):
        return value
    return resolve_secrets({"": value}, own, directory)[0][""]
