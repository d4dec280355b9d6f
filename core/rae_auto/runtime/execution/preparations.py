"""Preparations of jobs in the background: packages are installed when a job comes, not at its first run.

No start waits for a preparation or depends on it: a preparation that failed is tried again by the run itself. So a
failure is only reported (log, status, `why`), until a run of the job succeeds or the job is loaded again.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from loguru import logger

from rae_auto.api.executor import Executor, JobContext
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import describe_error, quote
from rae_auto.model.run import Run, RunState
from rae_auto.paths import home_or_root
from rae_auto.registry.containment import is_foreign
from rae_auto.runtime.concurrency.background_tasks import CLOSE_TIMEOUT_SECONDS, BackgroundTasks
from rae_auto.runtime.execution.environment import expected_environment
from rae_auto.toolkit.secrets.masking import mask_secrets

MAX_PREPARATIONS = 2
"""Number of jobs that are prepared at the same time."""

MAX_PREPARATION_SECONDS = 1800.0
"""Time after which a preparation is given up."""


class Preparations:
    """Prepares jobs whose executors ask for it, and remembers which failed."""

    def __init__(self, executor_for: Callable[[PluginRef], Executor], inherited: Mapping[str, str]) -> None:
        """`inherited` is the environment of the daemon, of which jobs get a few names."""
        self._executor_for = executor_for
        self._inherited = inherited
        self._executors: dict[str, Executor | None] = {}
        self._limit = asyncio.Semaphore(MAX_PREPARATIONS)
        self._preparing: dict[str, asyncio.Task[None]] = {}
        self._problems: dict[str, str] = {}
        self._tasks = BackgroundTasks("a preparation of a job")

    def start(self, jobs: Iterable[Job]) -> None:
        """Prepare the jobs that need it; running preparations of the same jobs are replaced."""
        for job in jobs:
            self.forget(job.id)
            executor = self._find_executor(job.executor_ref)
            if executor is not None and _needs_preparation(executor, job):
                owner = f"executor {job.executor_ref.type}"
                self._preparing[job.id] = self._tasks.start(self._prepare(executor, job), owner=owner)

    def forget(self, job: str) -> None:
        """End the preparation of a job and forget a failure, because the job was removed or is loaded again."""
        self._problems.pop(job, None)
        if (task := self._preparing.pop(job, None)) is not None:
            task.cancel()

    def note_ends(self, runs: Iterable[Run]) -> None:
        """Forget the failures of jobs that had a successful run since."""
        for run in runs:
            if run.job in self._problems and run.state is RunState.SUCCEEDED:
                self.forget(run.job)

    def describe_problem(self, job: str) -> str | None:
        """Return why the preparation of a job failed, as a clause; None if it did not."""
        return self._problems.get(job)

    def problems(self) -> list[str]:
        """Return a line for each job whose preparation failed."""
        return [f"job {quote(job)} {problem}" for job, problem in self._problems.items()]

    async def close(self, limit: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """End all preparations."""
        await self._tasks.close(limit)

    def _find_executor(self, ref: PluginRef) -> Executor | None:
        """Return the executor for preparations; None if it can't be made, which the first start reports."""
        key = f"{ref.type} {ref.options!r}"
        if key not in self._executors:
            try:
                self._executors[key] = self._executor_for(ref)
            except Exception:
                self._executors[key] = None
        return self._executors[key]

    async def _prepare(self, executor: Executor, job: Job) -> None:
        log = logger.bind(job=job.id)
        async with self._limit:
            problem = await self._try(executor, job)
        if self._preparing.get(job.id) is not asyncio.current_task():
            return  # it was ended meanwhile, though its executor has ignored that; another one may have its place
        del self._preparing[job.id]
        if problem is not None:
            self._problems[job.id] = problem
            log.warning("{}", problem)

    async def _try(self, executor: Executor, job: Job) -> str | None:
        """Return why it failed, or None."""
        secrets: tuple[str, ...] = ()
        try:
            async with asyncio.timeout(MAX_PREPARATION_SECONDS):
                environment, secrets = await asyncio.to_thread(expected_environment, job, self._inherited)
                problems = await prepare_job(executor, job, environment)
        except TimeoutError:
            return f"could not be prepared within {MAX_PREPARATION_SECONDS / 60:g} minutes; its next run tries again"
        except BaseException as error:
            if is_foreign(error):
                raise
            text = f"could not be prepared: {describe_error(error)}; its next run tries again"
            return mask_secrets(text, secrets)
        if not problems:
            return None
        return mask_secrets(f"could not be prepared: {'; '.join(problems.values())}", secrets)


async def prepare_job(executor: Executor, job: Job, environment: Mapping[str, str]) -> Mapping[str, str]:
    """Have an executor prepare a job, and return the job's errors by key. Raises what the executor raises."""
    directory = Path(job.directory) if job.directory else home_or_root()
    return await executor.prepare(job, JobContext(environment=environment, directory=directory))


def _needs_preparation(executor: Executor, job: Job) -> bool:
    try:
        return executor.needs_preparation(job)
    except Exception as error:
        logger.bind(job=job.id).error("its executor failed: {}", describe_error(error))
        return False
