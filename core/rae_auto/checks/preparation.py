"""The preparation of jobs by `check`, as the daemon does it when it loads them: what it can't resolve is an error."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

from rae_auto.api.executor import Executor
from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import describe_error
from rae_auto.model.primitives.problems import Problem
from rae_auto.runtime.execution.environment import expected_environment
from rae_auto.runtime.execution.preparations import prepare_job
from rae_auto.toolkit.secrets.masking import mask_secrets

MAX_CHECK_SECONDS = 120.0
"""Time that `check` takes at most to prepare all jobs; the daemon grants each more."""


@frozen
class _Findings:
    errors: list[Problem]
    warnings: list[Problem]


def prepare_all(jobs: Sequence[tuple[Job, Executor]], own: Mapping[str, str]) -> tuple[list[Problem], list[Problem]]:
    """Prepare jobs; return errors and warnings with keys in the file. `own` is the environment."""
    findings = _Findings([], [])
    if jobs:
        asyncio.run(_prepare(jobs, own, findings))
    return findings.errors, findings.warnings


async def _prepare(jobs: Sequence[tuple[Job, Executor]], own: Mapping[str, str], findings: _Findings) -> None:
    end = asyncio.get_running_loop().time() + MAX_CHECK_SECONDS
    for job, executor in jobs:
        environment, secrets = expected_environment(job, own)
        try:
            async with asyncio.timeout_at(end):
                problems = await prepare_job(executor, job, environment)
            findings.errors.extend(_find_errors(job, problems, secrets))
        except TimeoutError:
            what = f"could not be prepared within {MAX_CHECK_SECONDS:g} s; the daemon goes on with that"
            findings.warnings.append(Problem(("jobs", job.id), what))
        except Exception as error:
            what = mask_secrets(f"could not be prepared now: {describe_error(error)}", secrets)
            findings.warnings.append(Problem(("jobs", job.id), what))


def _find_errors(job: Job, problems: Mapping[str, str], secrets: Sequence[str]) -> Iterator[Problem]:
    for key, what in problems.items():
        yield Problem(("jobs", job.id, key), mask_secrets(what, secrets))


def needs_preparation(executor: Executor, job: Job) -> bool:
    """Return whether an executor has to prepare a job."""
    try:
        return executor.needs_preparation(job)
    except Exception:
        return False  # the daemon reports it
