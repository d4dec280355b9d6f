"""Advice on the jobs of a configuration: what speaks against their running as meant, without running anything."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import field, frozen

from rae_auto.api.executor import Executor, JobContext
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.checks.environment import find_bad_references, find_env_file_problem
from rae_auto.checks.expectations import find_long_gap
from rae_auto.checks.preparation import needs_preparation, prepare_all
from rae_auto.checks.words import find_shell_words
from rae_auto.config.advice import CheckedJob
from rae_auto.config.options import make
from rae_auto.model.job import Job
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.formatting import describe_error, quote
from rae_auto.model.primitives.problems import Invalid, Key, Problem
from rae_auto.runtime.execution.environment import expected_environment

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@frozen
class JobAdvisor:
    """Gives advice on jobs, one after the other, and then on all of them. `directory` is that of their file."""

    plugins: PluginSource
    directory: Path
    now: datetime
    environment: Mapping[str, str] = field(factory=lambda: dict(os.environ))
    """The environment of the daemon, as far as it is known: that of this process."""
    prepares: bool = field(default=True, kw_only=True)

    def advise_on_job(self, job: CheckedJob) -> Iterator[Problem]:
        """Yield warnings about a job, with keys in its table."""
        words = list(find_shell_words(job.job))
        yield from words
        yield from find_bad_references(job.job, self.environment)
        # What a shell would have to expand can't be found as it stands, so that is the same doubt again.
        known = {problem.key[0] for problem in words if problem.key[1:] in ((), (0,))}
        for problem in self._find_executor_warnings(job.job, job.timezone):
            if problem.key[0] not in known:
                yield problem
        yield from self._find_ended_schedules(job.triggers)
        yield from find_long_gap(job, self.now)
        if job.job.notify.on and not job.has_notifiers:
            yield Problem(("notify",), "has no effect, because there are no notifiers; add [notifiers.NAME]")

    def advise_on_all(self, jobs: Sequence[CheckedJob]) -> Iterator[Problem]:
        """Yield warnings about jobs that follow others, with keys in the file."""
        bursting = {job.job.id for job in jobs if any(map(_can_burst, job.triggers.values()))}
        for job in jobs:
            if job.job.overlap is Overlap.ALLOW:
                continue
            for key, trigger in job.triggers.items():
                followed = trigger.upstream_jobs() if isinstance(trigger, SourceTrigger) else ()
                for name in (name for name in followed if name in bursting):
                    what = (
                        f"{quote(name)} can end several times in a row, and ends that come while this job runs are "
                        f'lost with overlap = "{job.job.overlap.value}"; set overlap = "allow"'
                    )
                    yield Problem(("jobs", job.job.id, *key), what)

    def prepare_jobs(self, jobs: Sequence[CheckedJob]) -> tuple[Iterable[Problem], Iterable[Problem]]:
        """Get ready what jobs need for their runs; return errors and warnings, with keys in the file."""
        missing = self.find_missing_files(jobs)
        waiting = []
        for one in jobs if self.prepares else ():
            executor = self._make_executor(one.job, one.timezone)
            if executor is None or not needs_preparation(executor, one.job):
                continue
            # What keeps the job from starting would keep it from being prepared, and has been said.
            if not any(self._find_executor_warnings(one.job, one.timezone)):
                waiting.append((one.job, executor))
        errors, warnings = prepare_all(waiting, self.environment)
        return [*missing, *errors], warnings

    def find_missing_files(self, jobs: Sequence[CheckedJob]) -> list[Problem]:
        """Return an error for each job whose file of variables can't be used, with keys in the file."""
        return [problem for one in jobs if (problem := find_env_file_problem(one.job)) is not None]

    def _find_executor_warnings(self, job: Job, timezone: str) -> Iterator[Problem]:
        executor = self._make_executor(job, timezone)
        if executor is not None:
            environment, _ = expected_environment(job, self.environment)
            for name, text in _ask(
                executor, job, JobContext(environment=environment, directory=self.directory)
            ).items():
                yield Problem((name,), text)

    def _make_executor(self, job: Job, timezone: str) -> Executor | None:
        """Return the executor of a job; None if it can't be made, which is reported for the executor itself."""
        try:
            executor = make(Kind.EXECUTOR, job.executor_ref, self.plugins, timezone)
        except Invalid:
            return None
        return executor if isinstance(executor, Executor) else None

    def _find_ended_schedules(self, triggers: Mapping[Key, Plugin]) -> Iterator[Problem]:
        for key, trigger in triggers.items():
            if isinstance(trigger, ScheduleTrigger) and _is_over(trigger, self.now):
                yield Problem(key, "never starts the job, because all its times are in the past; change or remove it")


def _ask(executor: Executor, job: Job, context: JobContext) -> Mapping[str, str]:
    try:
        return executor.job_warnings(job, context)
    except Exception as error:
        return {"executor": f"can't be checked further: {describe_error(error)}"}


def _can_burst(trigger: Plugin) -> bool:
    return isinstance(trigger, SourceTrigger) and trigger.can_burst()


def _is_over(trigger: ScheduleTrigger, now: datetime) -> bool:
    """Return whether a schedule had its times, and has no more; one that never had any is meant so."""
    try:
        return trigger.next_after(now) is None and trigger.next_after(_EPOCH) is not None
    except Exception:
        return False  # a matter of the quarantine when it runs
