"""Advice on the jobs of a configuration: what is likely to go wrong with them, without running anything."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import field, frozen

from rae_auto.api.executor import Executor, JobContext
from rae_auto.api.plugin import Kind, Plugin, PluginSource
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.checks.environment import find_bad_references, find_env_file_problem, find_keyring_problems
from rae_auto.checks.expectations import find_long_gap
from rae_auto.checks.words import find_shell_words
from rae_auto.config.advice import CheckedJob
from rae_auto.config.options import make
from rae_auto.config.tables import RUN_KEYS
from rae_auto.model.job import Job
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.formatting import describe_error, quote
from rae_auto.model.primitives.problems import Invalid, Key, Problem
from rae_auto.registry.containment import repr_of
from rae_auto.registry.loading import CONTRACTS
from rae_auto.registry.safe_schedule import ask_schedule
from rae_auto.runtime.execution.environment import expected_environment
from rae_auto.toolkit.secrets.programs import find_backend_problem
from rae_auto.toolkit.threads.time_limit import call_within_limit

_START_KEYS = (*RUN_KEYS, "shell_program", "cwd", "env", "env_file", "pass_env", "user")
"""The keys of a job that decide together whether it can be started."""

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
    """True prepares jobs and tries plugins; the daemon does both itself."""
    _tried: dict[tuple[Kind, str, str], Sequence[str]] = field(factory=dict, init=False, eq=False)
    _keyring: list[str | None] = field(factory=list, init=False, eq=False)

    def advise_on_job(self, job: CheckedJob) -> Iterator[Problem]:
        """Yield warnings about a job, with keys in its table."""
        words = list(find_shell_words(job.job))
        yield from words
        yield from find_bad_references(job.job, self.environment)
        if self.prepares:
            yield from find_keyring_problems(job.job, self._find_backend_problem)
        # A path that a shell would have to expand can't be found; that has a warning already.
        known = {problem.key[0] for problem in words if problem.key[1:] in ((), (0,))}
        for problem in self._find_executor_warnings(job):
            if problem.key[0] not in known:
                yield problem
        # A schedule that fails is reported by `prepare_jobs`.
        if not self._has_broken_schedule(job):
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
                followed = _find_upstream_jobs(trigger)
                for name in (name for name in followed if name in bursting):
                    what = (
                        f"{quote(name)} can end several times in a row, and ends that come while this job runs are "
                        f'lost with overlap = "{job.job.overlap.value}"; set overlap = "allow"'
                    )
                    yield Problem(("jobs", job.job.id, *key), what)

    def prepare_jobs(self, jobs: Sequence[CheckedJob]) -> tuple[Iterable[Problem], Iterable[Problem]]:
        """Prepare what jobs need for their runs; return errors and warnings, with keys in the file."""
        missing = [*self.find_missing_files(jobs), *self.find_broken_plugins(jobs)]
        if not self.prepares:
            return missing, ()
        from rae_auto.checks.preparation import needs_preparation, prepare_all  # lazy: memory

        waiting = []
        for one in jobs:
            executor = self._make_executor(one.job, one.timezone)
            if executor is None or not needs_preparation(executor, one.job):
                continue
            # An obstacle to the start is also one to the preparation, and has been reported.
            if one.unknown.isdisjoint(_START_KEYS) and not any(self._find_executor_warnings(one)):
                waiting.append((one.job, executor))
        errors, warnings = prepare_all(waiting, self.environment)
        return [*missing, *errors], warnings

    def find_missing_files(self, jobs: Sequence[CheckedJob]) -> list[Problem]:
        """Return an error for each job whose file of variables can't be used, with keys in the file."""
        return [problem for one in jobs if (problem := find_env_file_problem(one.job)) is not None]

    def find_faults(self, plugin: Plugin) -> Iterable[str]:
        """Return what will fail at the first use of a top-level plugin by a daemon, a line each."""
        if not self.prepares:
            return ()
        kinds = (kind for kind, contracts in CONTRACTS.items() if isinstance(plugin, contracts))
        return list(self._try(next(kinds, Kind.LOGGER), plugin))

    def find_broken_plugins(self, jobs: Sequence[CheckedJob]) -> Iterator[Problem]:
        """Yield an error for each trigger and guard of a job that fails at its first use, with keys in the file."""
        for one in jobs if self.prepares else ():
            for problem in (*self._find_broken_triggers(one), *self._find_broken_guards(one)):
                yield Problem(("jobs", one.job.id, *problem.key), problem.what)

    def _find_executor_warnings(self, checked: CheckedJob) -> Iterator[Problem]:
        job = checked.job
        executor = self._make_executor(job, checked.timezone)
        if executor is not None and checked.unknown.isdisjoint(_START_KEYS):
            environment, _ = expected_environment(job, self.environment)
            for name, text in _ask(
                executor, job, JobContext(environment=environment, directory=self.directory)
            ).items():
                yield Problem((name,), text)

    def _find_backend_problem(self) -> str | None:
        """Return why no keyring can be used here; asked once for all jobs."""
        if not self._keyring:
            self._keyring.append(find_backend_problem(self.environment))
        return self._keyring[0]

    def _make_executor(self, job: Job, timezone: str) -> Executor | None:
        """Return the executor of a job; None if it can't be made, which is reported for the executor itself."""
        try:
            executor = make(Kind.EXECUTOR, job.executor_ref, self.plugins, timezone)
        except Invalid:
            return None
        return executor if isinstance(executor, Executor) else None

    def _has_broken_schedule(self, job: CheckedJob) -> bool:
        if self.prepares:
            return any(self._find_broken_triggers(job))
        schedules = (trigger for trigger in job.triggers.values() if isinstance(trigger, ScheduleTrigger))
        return any(ask_schedule(schedule, self.now)[1] for schedule in schedules)

    def _find_broken_triggers(self, job: CheckedJob) -> Iterator[Problem]:
        """Yield a problem for each trigger that fails at its first use by a daemon."""
        for key, trigger in job.triggers.items():
            yield from (Problem(key, f"starts nothing: {fault}") for fault in self._try(Kind.TRIGGER, trigger))

    def _find_broken_guards(self, job: CheckedJob) -> Iterator[Problem]:
        for index, ref in enumerate(job.job.guards):
            try:
                guard = make(Kind.GUARD, ref, self.plugins, job.timezone)
            except Invalid:
                continue  # reported for the guard itself
            for fault in self._try(Kind.GUARD, guard):
                yield Problem(("guards", index), f"keeps the job from starting: {fault}")

    def _try(self, kind: Kind, plugin: Plugin) -> Sequence[str]:
        """Return what fails at the first use of a plugin by a daemon; computed once for jobs with equal options."""
        key = (kind, plugin.type, repr_of(plugin))
        if key not in self._tried:
            from rae_auto.checks.trial import find_faults  # lazy: memory

            provenance = getattr(self.plugins, "provenance", None)
            origin = str(provenance(kind, plugin.type)) if provenance else ""
            self._tried[key] = tuple(find_faults(kind, plugin, self.now, origin))
        return self._tried[key]

    def _find_ended_schedules(self, triggers: Mapping[Key, Plugin]) -> Iterator[Problem]:
        for key, trigger in triggers.items():
            if isinstance(trigger, ScheduleTrigger) and _is_over(trigger, self.now):
                yield Problem(key, "never starts the job, because all its times are in the past; change or remove it")


def _ask(executor: Executor, job: Job, context: JobContext) -> Mapping[str, str]:
    try:
        return executor.job_warnings(job, context)
    except (Exception, SystemExit) as error:
        return {"executor": f"can't be checked further: {describe_error(error)}"}


def _can_burst(trigger: Plugin) -> bool:
    try:
        return isinstance(trigger, SourceTrigger) and bool(call_within_limit(trigger.can_burst))
    except (Exception, SystemExit):
        return False  # an error of its own


def _find_upstream_jobs(trigger: Plugin) -> Sequence[str]:
    try:
        return call_within_limit(trigger.upstream_jobs) if isinstance(trigger, SourceTrigger) else ()
    except (Exception, SystemExit):
        return ()  # an error of its own


def _is_over(trigger: ScheduleTrigger, now: datetime) -> bool:
    """Return whether a schedule has ended; one that never had an instant is intended."""
    try:
        if call_within_limit(trigger.next_after, now) is not None:
            return False
        return call_within_limit(trigger.next_after, _EPOCH) is not None
    except (Exception, SystemExit):
        return False  # a matter of the quarantine when it runs
