"""Attempts that executors carry out: started, cancelled, found again, and reported as events."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.api.executor import Assignment, Execution, Executor, NeverStarted, find_untaken_kind
from rae_auto.api.plugin import Kind
from rae_auto.engine.events import AttemptEnded, AttemptFound, AttemptStarted, Event
from rae_auto.errors import PluginError, SchedulerError
from rae_auto.model.guard import GuardResult
from rae_auto.model.job import Job
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.formatting import describe_raise, format_elapsed, quote, with_place
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import MAY_BE_LEFT, Result, Run
from rae_auto.paths import output_path
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.quarantine import Quarantine, is_environmental
from rae_auto.runtime.concurrency.background_tasks import CLOSE_TIMEOUT_SECONDS, BackgroundTasks
from rae_auto.runtime.concurrency.limited_calls import call_within, report_if_slow
from rae_auto.runtime.execution.assignments import bound_output, build_assignment, prepare_adoption, prepare_output
from rae_auto.runtime.execution.attempt_queues import AttemptQueues
from rae_auto.runtime.execution.executor_contract import check_execution, check_found, check_result
from rae_auto.runtime.execution.live_output import LiveOutput
from rae_auto.runtime.execution.open_executors import OpenExecutors
from rae_auto.runtime.execution.preparations import Preparations
from rae_auto.runtime.execution.reach import check_readiness, is_out_of_reach
from rae_auto.runtime.execution.secret_files import remove_other_secret_files, remove_secret_files, secret_directory
from rae_auto.runtime.execution.start_reports import StartReports
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.secrets import has_slow_references, mask_result, resolve_job
from rae_auto.toolkit.attempts.attempt_output import mask_output_file

Key = tuple[RunId, int]

READ_SECRETS_SECONDS = 30.0
"""Seconds that reading a job's secrets may take, from files and programs."""

GIVE_UP_SECONDS = 10.0
"""Seconds after the grace of a cancel after which an attempt counts as ended, although its executor does not say so."""

FIND_TIMEOUT_SECONDS = 5.0
"""Seconds for which a start waits for executors to find active attempts, and a cancel for an attempt to start."""


class Executions:
    """Has executors carry out what the engine decides, and reports the results."""

    def __init__(
        self,
        directory: Path,
        executor_for: Callable[[PluginRef], Executor],
        report: Callable[[Event], None],
        inherited: Mapping[str, str],
        quarantine: Quarantine | None = None,
        max_output_bytes: Callable[[], int] | None = None,
    ) -> None:
        """`inherited` is the daemon's own environment as of its start, of which jobs get a few names.

        `max_output_bytes` returns the bound on the output of a job, which a single attempt must not exceed either.
        """
        self._directory, self._report, self._inherited = directory, report, inherited
        self._max_output_bytes = max_output_bytes
        self._quarantine = quarantine or Quarantine(lambda *_: "unknown")
        self.executors = OpenExecutors(directory, executor_for, self._quarantine)
        self._active: dict[Key, asyncio.Future[Execution]] = {}
        self._starting: dict[Key, asyncio.Task[None]] = {}
        self._starts: dict[Key, object] = {}
        """The methods that are asked to start attempts now."""
        self._waiting: dict[Key, asyncio.Future[Any]] = {}
        """Tasks that wait for the ends of attempts, or futures of executors that are done then."""
        self._unmasked: dict[Key, Path] = {}
        """The output files of attempts whose executors write secrets as they are."""
        self._owners: dict[Key, tuple[str, str]] = {}
        """The executor and the job of each attempt, for messages."""
        self._tasks = BackgroundTasks("a task of an executor")
        self._queues = AttemptQueues(self._tasks, report)
        self.start_reports = StartReports(report)
        self.preparations = Preparations(executor_for, inherited)

    def start(self, run: Run, job: Job) -> None:
        """Start the run's attempt; `AttemptStarted` and `AttemptEnded` follow, or the latter alone."""
        # At once, so that a cancel that comes before the task's first step finds it.
        self._active[run.id, run.attempt] = asyncio.get_running_loop().create_future()
        self._owners[run.id, run.attempt] = job.executor_ref.type, job.id
        if not self._start_at_once(run, job):
            self._starting[run.id, run.attempt] = self._tasks.start(self._carry_out(run, job), owner=_owner(job))

    def cancel(self, run: RunId, attempt: int, grace: timedelta) -> None:
        """End an attempt, also one that is only being started; `AttemptEnded` follows."""
        if (run, attempt) in self._active:
            self._tasks.start(self._cancel((run, attempt), grace))

    async def find(self, runs: Iterable[tuple[Run, Job]], seconds: float = FIND_TIMEOUT_SECONDS) -> None:
        """Adopt the attempts of this directory that are alive after a restart, as `adopt` does."""
        active = list(runs)
        # Before anything is started, so that it can only be what a crash has left.
        kept = {(run.id, run.attempt) for run, _ in active}
        await asyncio.to_thread(remove_other_secret_files, self._directory, kept)
        await self.adopt(active, seconds)

    async def adopt(self, active: Sequence[tuple[Run, Job]], seconds: float = FIND_TIMEOUT_SECONDS) -> None:
        """Adopt the attempts that are alive, and report the result of each.

        Returns when that is done, or after this many seconds; what is found later is reported later.
        """
        looking = {self._tasks.start(self._find(run, job), owner=_owner(job)): run for run, job in active}
        if not looking:
            return
        _, pending = await asyncio.wait(looking, timeout=seconds)
        for task in pending:
            run = looking[task]
            logger.bind(job=run.job, run=run.id).warning("its executor has not yet determined whether it still runs")

    async def _find(self, run: Run, job: Job) -> None:
        key = (run.id, run.attempt)
        # At once, so that a cancel that comes meanwhile waits for what is found.
        active = self._active[key] = asyncio.get_running_loop().create_future()
        self._owners[key] = job.executor_ref.type, job.id
        try:
            executor = await self.executors.open(job.executor_ref)
            assignment = await prepare_adoption(executor, run, job, self._directory)
            found = check_found(await executor.find(assignment, run.handle), executor.find)
        except PluginError as error:
            logger.bind(job=run.job, run=run.id).error(
                "its executor can't be used any more ({}), so it may still be running unseen; its handle is {}",
                error,
                run.handle,
            )
            found = None
        except BaseException as error:  # a broken executor must not keep the others from being found
            if is_foreign(error):
                raise
            described = self._describe_fault(job.executor_ref.type, job.id, error)
            found = Result(
                error=f"its executor could not find out whether it still runs: {described}", tree=MAY_BE_LEFT
            )
        if active.cancelled():
            await _too_late(found)
        elif isinstance(found, Execution):
            active.set_result(found)
            logger.bind(job=run.job, run=run.id).info("still running; taken over from the last daemon")
            self._report(AttemptFound(*key, found.handle, queue=found.queue))
            self._queues.follow(key, found, _owner(job))
            output = self._follow_output(run, is_adopted=True)
            self._tasks.start(self._await_adopted(run, job, executor, found, output), owner=_owner(job))
        else:
            del self._active[key]
            active.cancel()
            await asyncio.to_thread(remove_secret_files, secret_directory(self._directory, *key))
            self._report(
                AttemptEnded(*key, found) if isinstance(found, Result) else AttemptFound(*key, started=found is None)
            )

    async def _await_adopted(
        self, run: Run, job: Job, executor: Executor, execution: Execution, output: LiveOutput | None
    ) -> None:
        """Wait for the end of an attempt that a daemon before this one has started, and mask what it says."""
        key = (run.id, run.attempt)
        secrets: Sequence[str] = ()
        if not executor.runs_in_daemon:
            try:
                resolved = await call_within(
                    READ_SECRETS_SECONDS, "secrets", resolve_job, run.inputs.apply_to(job), self._inherited
                )
                secrets = resolved.secrets
            except (ValueError, TimeoutError) as error:
                logger.bind(job=run.job, run=run.id).debug("its secrets can't be read any more: {}", error)
        log_setup.hide(secrets)
        if not executor.masks_output:
            self._unmasked[key] = output_path(self._directory, run.job, run.id, run.attempt)
        await self._await_end(key, execution, output, secret_directory(self._directory, *key), secrets)

    async def check_readiness(self, ref: PluginRef) -> GuardResult:
        """Return whether an executor can start attempts now; UNKNOWN if it fails or takes too long."""
        return await check_readiness(self.executors.open(ref))

    def opened_executors(self) -> list[Executor]:
        """Return the executors that have been used so far."""
        return self.executors.all()

    async def close(self, limit_seconds: Callable[[float], float] = lambda limit: limit) -> None:
        """Close the executors. Attempts that are still active are left to them.

        `limit_seconds` returns how many seconds of a limit are left.
        """
        await self._tasks.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))
        self._active.clear()
        await self.preparations.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))
        await self.executors.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))

    def _start_at_once(self, run: Run, job: Job) -> bool:
        """Start the run's attempt if its executor is open and has nothing to wait for; return False if it has."""
        key = (run.id, run.attempt)
        executor = self.executors.find(job.executor_ref)
        if executor is None or not executor.runs_in_daemon:
            return False
        if job.secret_files or find_untaken_kind(executor, job) is not None:
            return False  # as it fails there
        try:
            parts = run, bound_output(job, self._max_output_bytes), self._directory, self._inherited
            execution = executor.start_at_once(build_assignment(*parts, has_process=False))
            if execution is None:
                return False
            check_execution(execution, executor.start_at_once)
        except BaseException as error:  # as in `_carry_out`
            if is_foreign(error):
                raise
            self._active[key].cancel()
            self._ended(key, Result(error=self._describe_start_failure(job, error)), ())
            return True
        self._note_start(key, execution, job)
        output = self._follow_output(run)
        if not self._note_end_later(key, execution, output, ()):
            self._tasks.start(self._await_end(key, execution, output), owner=_owner(job))
        return True

    def _note_end_later(
        self, key: Key, execution: Execution, output: LiveOutput | None, secrets: Sequence[str]
    ) -> bool:
        """Have the end of an attempt reported without a task that waits for it; return False if it needs one."""
        end = execution.end
        if end is None or output is not None or execution.queue is not None:
            return False
        self._waiting[key] = end
        end.add_done_callback(partial(self._note_end, key, secrets))
        return True

    def _note_end(self, key: Key, secrets: Sequence[str], end: "asyncio.Future[Result]") -> None:
        """Report the end of an attempt that no task waits for."""
        if key not in self._active:
            return  # It was given up, or the executor is being closed.
        try:
            result = check_result(end.result(), end)
            self._quarantine.succeeded(Kind.EXECUTOR, *self._owners[key])
        except BaseException as error:
            result = Result(error="its " + self._describe_fault(*self._owners[key], error, "wait"), tree=MAY_BE_LEFT)
        self._ended(key, result, secrets)

    async def _carry_out(self, run: Run, job: Job) -> None:
        key = (run.id, run.attempt)
        active = self._active[key]
        secrets: Sequence[str] = ()
        private: Path | None = None
        try:
            # First, so that of many that start together each goes straight on to its start.
            executor = await self.executors.open(job.executor_ref)
            if (kind := find_untaken_kind(executor, job)) is not None:
                raise ValueError(f"the executor {quote(executor.type)} takes no job with {kind}; choose another")
            if not executor.runs_in_daemon:
                await prepare_output(executor, run, self._directory)
            private = secret_directory(self._directory, *key) if job.secret_files else None
            assignment = await self._build_assignment(run, job, has_process=not executor.runs_in_daemon)
            secrets = assignment.secrets
            log_setup.hide(secrets)
            if secrets and not executor.masks_output:
                self._unmasked[key] = assignment.output
            starting = (
                f'job "{job.id}" has not started yet: its executor {quote(job.executor_ref.type)} does not answer'
            )
            self._starts[key] = executor.start
            execution = check_execution(await report_if_slow(executor.start(assignment), starting), executor.start)
        except BaseException as error:  # whatever an executor raises, the run must end
            if is_foreign(error):
                raise
            await _remove(private)
            if not active.cancelled():
                active.cancel()
                self._ended(key, Result(error=self._describe_start_failure(job, error)), secrets)
            return
        finally:
            self._starting.pop(key, None)
            self._starts.pop(key, None)
        if active.cancelled():
            await _too_late(execution)
            await _remove(private)
            return
        self._note_start(key, execution, job)
        output = self._follow_output(run)
        if private is not None or key in self._unmasked or not self._note_end_later(key, execution, output, secrets):
            await self._await_end(key, execution, output, private, secrets)

    def _note_start(self, key: Key, execution: Execution, job: Job) -> None:
        """Report that an attempt has started, or is in a queue elsewhere, and later that it has left that."""
        self._active[key].set_result(execution)
        started = AttemptStarted(*key, execution.handle, execution.queue)
        self.start_reports.start(started, can_wait=execution.end is not None)
        self._queues.follow(key, execution, _owner(job))

    async def _build_assignment(self, run: Run, job: Job, *, has_process: bool) -> Assignment:
        """Return the run's current attempt. Raises ValueError if a secret is missing, or can't be read in time."""
        parts = run, bound_output(job, self._max_output_bytes), self._directory, self._inherited
        if not (has_process and has_slow_references(job)):
            return build_assignment(*parts, has_process=has_process)
        try:
            return await call_within(READ_SECRETS_SECONDS, "secrets", build_assignment, *parts)
        except TimeoutError:
            raise ValueError(
                f"its secrets could not be read within {READ_SECRETS_SECONDS:g} s; check their file systems"
            ) from None

    def _follow_output(self, run: Run, *, is_adopted: bool = False) -> LiveOutput | None:
        if not log_setup.is_output_shown():
            return None
        path = output_path(self._directory, run.job, run.id, run.attempt)
        return LiveOutput(path, run.job, run.id, self._tasks, is_adopted=is_adopted)

    async def _await_end(
        self,
        key: Key,
        execution: Execution,
        output: LiveOutput | None,
        private: Path | None = None,
        secrets: Sequence[str] = (),
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._waiting[key] = task
        try:
            result = check_result(await execution.wait(), execution.wait)
            self._quarantine.succeeded(Kind.EXECUTOR, *self._owners.get(key, ("executor", "")))
        except BaseException as error:
            if is_foreign(error):
                raise
            owner = self._owners.get(key, ("executor", ""))
            result = Result(error="its " + self._describe_fault(*owner, error, "wait"), tree=MAY_BE_LEFT)
        try:
            await self._queues.settle(key)
            if output is not None:
                await output.finish()
            await self._mask_output(key, secrets)
            await _remove(private)
        except Exception as error:  # such as a machine without room for a thread: the run must end
            logger.bind(run=key[0]).opt(exception=error).error("what the attempt has left is not tidied: {!r}", error)
        self._ended(key, result, secrets)

    async def _mask_output(self, key: Key, secrets: Sequence[str]) -> None:
        """Mask what an executor has written that doesn't do it itself."""
        path = self._unmasked.pop(key, None)
        if path is not None and secrets:
            try:
                await asyncio.to_thread(mask_output_file, path, secrets)
            except OSError as error:
                logger.bind(run=key[0]).error("secrets in {} can't be masked: {}", path, error)

    def _ended(self, key: Key, result: Result | NeverStarted | None, secrets: Sequence[str]) -> None:
        if self._active.pop(key, None) is None:
            return  # It was given up.
        self._waiting.pop(key, None)
        self._queues.remove(key)
        self._unmasked.pop(key, None)
        self._owners.pop(key, None)
        if isinstance(result, Result):
            self.start_reports.end(AttemptEnded(*key, mask_result(result, secrets)))
        else:
            self.start_reports.end(AttemptFound(*key, started=result is None))

    async def _cancel(self, key: Key, grace: timedelta) -> None:
        active = self._active[key]
        await asyncio.wait([active], timeout=grace.total_seconds() + FIND_TIMEOUT_SECONDS)
        if not active.done():
            active.cancel()
            if (starting := self._starting.get(key)) is not None:
                starting.cancel()
            self._report_slow_start(key)
            self._ended(
                key, Result(error="its executor did not start it in time and reported no reason", tree=MAY_BE_LEFT), ()
            )
        elif not active.cancelled():
            await self._end_execution(key, active.result(), grace)

    def _report_slow_start(self, key: Key) -> None:
        """Record that an executor has not started an attempt, unless it was never asked to."""
        if (start := self._starts.pop(key, None)) is not None:
            type_, job = self._owners.get(key, ("executor", ""))
            what = "start has not returned in the time of the job"
            self._quarantine.failed(Kind.EXECUTOR, type_, f"start {job}", with_place(what, start))

    async def _end_execution(self, key: Key, execution: Execution, grace: timedelta) -> None:
        """Cancel an attempt. If its end isn't reported in time, record that and end the run."""
        type_, job = self._owners.get(key, ("executor", ""))
        seconds = grace.total_seconds() + GIVE_UP_SECONDS
        try:
            async with asyncio.timeout(seconds):
                await execution.cancel(grace)
        except TimeoutError:
            pass
        except BaseException as error:
            if is_foreign(error):
                raise
            self._quarantine.failed(Kind.EXECUTOR, type_, f"cancel {job}", error)
        waiting = self._waiting.get(key)
        if waiting is None:
            return
        # While it is out of reach it may still run, so nothing may take its place. Afterwards it gets its time.
        is_away = True
        while is_away:
            is_away = is_out_of_reach(execution)
            # Also for one that has ended at this moment, whose end is reported in the next turn of the loop.
            await asyncio.wait([waiting], timeout=seconds)
            is_away = not waiting.done() and (is_away or is_out_of_reach(execution))
        if key not in self._active or self._waiting.get(key) is not waiting:
            return
        waiting.cancel()
        what = f"its executor did not end it within {format_elapsed(seconds)} after it was asked to; it may still run"
        self._quarantine.failed(Kind.EXECUTOR, type_, f"end {job}", with_place(what, execution.cancel))
        self._ended(key, Result(error=what, tree=MAY_BE_LEFT), ())

    def _describe_start_failure(self, job: Job, error: BaseException) -> str:
        """Return why an attempt didn't start: its executor says so to the user, or has a mistake, which is named."""
        if isinstance(error, _SAID_ERRORS):
            return (" ".join(str(error).split()) or type(error).__name__)[:500]
        return "its " + self._describe_fault(job.executor_ref.type, job.id, error)

    def _describe_fault(self, type_: str, job: str, error: BaseException, method: str = "start") -> str:
        """Record a mistake in an executor, and return it as the error of the run."""
        # Whatever the system refuses, `wait` has to return as a result.
        is_unreported = method == "wait" and is_environmental(error)
        self._quarantine.failed(
            Kind.EXECUTOR, type_, job, f"wait raised {describe_raise(error)}" if is_unreported else error
        )
        return self._quarantine.describe_failure(Kind.EXECUTOR, type_, error)


_SAID_ERRORS = (SchedulerError, OSError, ValueError, RuntimeError)
"""Errors by which an executor says why it can't start an attempt; any other is a mistake in it."""


def _owner(job: Job) -> str:
    """Return the owner of the threads in which the job's executor makes blocking calls."""
    return f"executor {job.executor_ref.type}"


async def _too_late(found: object) -> None:
    """End an attempt that started only after it had been given up."""
    if isinstance(found, Execution):
        await found.cancel(timedelta(0))


async def _remove(private: Path | None) -> None:
    """Remove the private files of an attempt, if it has any."""
    if private is not None:
        await asyncio.to_thread(remove_secret_files, private)
