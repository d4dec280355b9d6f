"""The public API: a scheduler inside a program. `rae-auto run` is the same one with a control socket around it.

`Scheduler` is a facade: it translates calls into requests to the engine and into reads of a `Runtime`, which holds the
running parts.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import evolve

from rae_auto.api.events import Event
from rae_auto.api.plugin import PluginSource
from rae_auto.api.shared_store import Standby
from rae_auto.api.store import LogQuery, Store
from rae_auto.engine.commands import CancelRuns, RemoveJob, RenameJob, SetPaused, SkipStart
from rae_auto.engine.plan import JobOrigin, Settings
from rae_auto.errors import JobNotFound, RunNotFound, SchedulerClosed
from rae_auto.model.job import Job
from rae_auto.model.job_info import JobInfo, JobStatus
from rae_auto.model.job_state import check_pause
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.policies import Retention
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.model.run import Run
from rae_auto.model.value_checks import check_arguments
from rae_auto.paths import output_path, state_directory
from rae_auto.records.events import check_not_in_future, deletable_patterns, parse_event_patterns
from rae_auto.records.query_checks import check_at_least, check_instant, check_limit, check_states, check_zone
from rae_auto.records.runs import choose_run, query_for_id
from rae_auto.registry import Registry
from rae_auto.runtime.by_hand import keep_job, keep_jobs, requester_of_program, trigger_job
from rae_auto.runtime.concurrency.wait_limits import limit_wait
from rae_auto.runtime.execution.output_files import read_output_file
from rae_auto.runtime.options import RuntimeOptions
from rae_auto.runtime.reporting.job_status import job_info_of, job_status_of
from rae_auto.runtime.runtime import Runtime
from rae_auto.runtime.sharing.joining import OnStandby
from rae_auto.runtime.time.clock import Clock, SystemClock
from rae_auto.toolkit.secrets.programs import allow_programs
from rae_auto.toolkit.threads.garbage import WHILE_LOADING, fewer_collections

if TYPE_CHECKING:
    from rae_auto.records.backup_files import Backup
    from rae_auto.records.statistics import Statistics


@check_arguments
class Scheduler:
    """Runs jobs. Use it as `async with Scheduler() as scheduler:`; all methods belong to that event loop.

    Other threads use `SyncScheduler.of(scheduler)`. Added jobs live in the store and are there after a restart.
    """

    def __init__(
        self,
        *,
        directory: Path | str | None = None,
        store: str | PluginRef | Store = "sqlite",
        timezone: str | None = None,
        max_parallel: int = 8,
        max_queue: int = 10_000,
        resources: Mapping[str, int] | None = None,
        enabled: bool = True,
        shutdown_grace: timedelta = timedelta(seconds=30),
        retention: Retention | None = None,
        jobs: Iterable[Job] = (),
        notifiers: Mapping[str, PluginRef] | None = None,
        clock: Clock | None = None,
        plugins: PluginSource | None = None,
        environment: Mapping[str, str] | None = None,
        secret_commands: Iterable[str] = (),
    ) -> None:
        """`directory` holds the state (default: RAE_STATE_DIR or the platform's); `jobs` are as of a configuration.

        Jobs inherit a few variables of `environment` (default: that of this process). `secret_commands` are the
        programs that `${cmd:…}` may run, in this whole process. Errors: BadRequest.
        """
        timezone = check_zone(timezone or LOCAL)
        check_at_least(1, max_parallel=max_parallel, max_queue=max_queue)
        allow_programs(secret_commands)
        self._options = RuntimeOptions(
            # Absolute, because the processes that run jobs have working directories of their own.
            directory=Path(directory).absolute() if directory is not None else state_directory(),
            store=store,
            timezone=timezone,
            settings=Settings(
                max_parallel,
                enabled,
                dict(resources or {}),
                max_queue,
                notifiers=tuple(notifiers or ()),
                zone=zone(timezone),
            ),
            shutdown_grace=shutdown_grace,
            retention=retention or Retention(),
            jobs=tuple(jobs),
            notifiers=dict(notifiers or {}),
            clock=clock or SystemClock(),
            plugins=plugins or Registry(),
            environment=dict(os.environ if environment is None else environment),
        )
        self._runtime: Runtime | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def directory(self) -> Path:
        """Return the state directory."""
        return self._options.directory

    @property
    def runtime(self) -> Runtime:
        """The running parts, for the daemon and for tests. Raises SchedulerClosed before `open` and after `close`."""
        if self._runtime is None or not self._runtime.is_open:
            raise SchedulerClosed("the scheduler isn't open; use it as 'async with Scheduler() as scheduler:'")
        return self._runtime

    # Opening and closing

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self, on_locked: Callable[[], None] = lambda: None, on_standby: OnStandby = lambda _: None) -> None:
        """Open the store, recover what it holds, and start. Raises StoreLocked, StoreError, InvalidJob, PluginError.

        `on_locked` is called when the state directory is ours, before anything is started; if it raises, nothing is.
        With a store that others use too it waits until none of them leads, and calls `on_standby` with who does.
        """
        self._loop = asyncio.get_running_loop()
        # Where jobs come from a configuration, its reading has left some garbage, whose place theirs can take.
        fewer = fewer_collections if self._options.jobs else partial(fewer_collections, WHILE_LOADING)
        with contextlib.ExitStack() as loading:
            loading.enter_context(fewer())

            def wait(why: Standby) -> None:
                # A stand-by may wait for days, and its garbage is not to pile up.
                loading.close()
                on_standby(why)

            def begin() -> None:
                on_locked()
                loading.enter_context(fewer())

            self._runtime = await Runtime.open(self._options, begin, wait)

    async def close(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Start nothing more, give active runs `grace` (default: `shutdown_grace`), end the rest, close the store.

        `leave_running` leaves commands to the next scheduler on this directory, which adopts them. Raises StoreError
        if state could not be written.
        """
        if self._runtime is not None:
            await self._runtime.close(grace, leave_running=leave_running)

    async def stop(self, grace: timedelta | None = None, *, leave_running: bool = False) -> None:
        """Start to stop; a second call may shorten the grace. `wait_stopped` returns when nothing is active.

        The log says what it waits for.
        """
        await self.runtime.stop(grace, leave_running=leave_running)

    async def wait_stopped(self) -> None:
        """Return once the scheduler has been stopped and nothing is active any more."""
        await self.runtime.stopped.wait()

    # Jobs

    async def add_job(self, job: Job, *, replace: bool = False) -> JobId:
        """Store a job and run it from now on. Errors: DuplicateJob (unless `replace`), InvalidJob."""
        return await keep_job(self.runtime, job, requester_of_program(self.runtime), replace=replace)

    async def add_jobs(self, jobs: Iterable[Job], *, replace: bool = False) -> list[JobId]:
        """Add many jobs, some hundreds in one durable commit, in any order, and return their ids in that order.

        One that is refused keeps none of the others from being added; its error is raised when all are done.
        Errors: as for `add_job`.
        """
        with fewer_collections(WHILE_LOADING):
            return await keep_jobs(self.runtime, jobs, requester_of_program(self.runtime), replace=replace)

    async def remove_job(self, job: str) -> None:
        """Remove a job; its active runs finish. Errors: JobNotFound, JobInUse."""
        await self.runtime.request(lambda ask: RemoveJob(JobId(job), ask))
        self.runtime.inputs.remove_job(JobId(job))
        self.runtime.executions.preparations.forget(job)

    async def rename_job(self, job: str, new: str) -> None:
        """Give an added job another id, in one durable commit. All that is known of the job goes on under it.

        Finished runs stay on record under the old id; `history` and the like find them by the new one too, as long as
        no other job has the old one.

        Errors: JobNotFound, JobInUse (a run of it has an attempt, others refer to it, or it is of the configuration),
        DuplicateJob, InvalidJob.
        """
        entry = self.runtime.engine.job(JobId(job))
        name = "" if entry.job.name == job else entry.job.name
        planned = self.runtime.factory.plan(evolve(entry.job, id=JobId(new), name=name), JobOrigin.STORE)
        await self.runtime.request(lambda ask: RenameJob(JobId(job), planned.plan, ask))
        self.runtime.inputs.rename_job(JobId(job), planned)
        self.runtime.executions.preparations.forget(job)
        self.runtime.executions.preparations.start([planned.plan.job])

    async def get_job_status(self, job: str) -> JobStatus:
        """Return the status of a job. Raises JobNotFound."""
        return job_status_of(self.runtime.engine, self.runtime.engine.job(JobId(job)))

    async def list_jobs(self) -> list[JobInfo]:
        """Return all jobs, in the order in which they were added."""
        runtime = self.runtime
        return [job_info_of(runtime.engine, entry, runtime.factory) for entry in runtime.engine.jobs()]

    async def get_job(self, job: str) -> Job:
        """Return the definition of a job. Raises JobNotFound."""
        return self.runtime.engine.job(JobId(job)).job

    async def pause(self, job: str, *, until: datetime | None = None, note: str = "") -> bool:
        """Let the job start nothing by itself, for good or until the clock shows `until`; return if that is new.

        `note` says why, and is shown with the pause. Pausing again replaces the end and the note. Errors: JobNotFound,
        BadRequest (an end in the past or without a time zone, a note of several lines or more than 256 characters).
        """
        check_pause(until, note, self.runtime.now())
        command = SetPaused(JobId(job), True, until=until and as_utc(until), note=note)
        return bool((await self.runtime.request(lambda ask: evolve(command, ask=ask)))["changed"])

    async def resume(self, job: str) -> bool:
        """Resume a job; return whether it was paused. Errors: JobNotFound."""
        return bool((await self.runtime.request(lambda ask: SetPaused(JobId(job), False, ask)))["changed"])

    async def skip(self, job: str, *, undo: bool = False) -> datetime:
        """Skip the job's next scheduled start, and return its instant; a second call skips the one after it.

        `undo` takes back the last skip instead. Errors: JobNotFound, BadRequest if there is nothing to skip.
        """
        at: datetime = (await self.runtime.request(lambda ask: SkipStart(JobId(job), undo, ask)))["at"]
        return at

    # Runs

    async def trigger(
        self,
        job: str,
        *,
        event: Mapping[str, Any] | None = None,
        request: str | None = None,
        env: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
        force: bool = False,
    ) -> RunId:
        """Start a run by hand; return it once it is durable. Calls with the same `request` id lead to one run.

        `env` and `args` are variables and arguments of this run, its retries included, beside those of the job. With
        `force` it starts whatever the state of the jobs is that it needs; guards and a pause never keep back a run
        that is asked for.

        Errors: JobNotFound, NotStarted (a policy refused it; the message says which), BadRequest (values that are no
        JSON, too large, or that the job can't take).
        """
        return await trigger_job(self.runtime, job, event=event, request=request, env=env, args=args, force=force)

    async def cancel(self, target: str) -> list[RunId]:
        """Cancel a run, or all open runs of a job. Errors: RunNotFound, also for a run that has ended; JobNotFound."""
        run = self._find_open_run(target)
        try:
            if run is not None:
                answer = await self.runtime.request(lambda ask: CancelRuns(run=run, ask=ask))
            else:
                answer = await self.runtime.request(lambda ask: CancelRuns(job=JobId(target), ask=ask))
        except (JobNotFound, RunNotFound):
            await self._refuse_ended_run(target)
            raise
        return list(answer["cancelled"])

    async def _refuse_ended_run(self, target: str) -> None:
        """Raise RunNotFound if a target is the id of a run that has ended."""
        try:
            run = await self.get_run(target)
        except RunNotFound:
            return
        raise RunNotFound(f"run {quote(run.id)} of job {quote(run.job)} has already ended: {run.state.value}")

    def _find_open_run(self, target: str) -> RunId | None:
        """Return the open run of an id, or of the start of one unless a job is called so; None for anything else."""
        engine = self.runtime.engine
        if engine.run(RunId(target)) is not None:
            return RunId(target)
        if target in engine.job_ids() or query_for_id(target).key is not None:
            return None
        found = [opened.run for opened in engine.runs() if opened.run.id.startswith(target.upper())]
        return choose_run(target, found).id if found else None

    async def get_run(self, run: str) -> Run:
        """Return a run, open or finished, by its id or the start of it, if no other has that. Raises RunNotFound."""
        return choose_run(run, await self.runtime.runs(query_for_id(run)))

    async def read_output(self, run: str, attempt: int | None = None) -> str:
        """Return what an attempt of a run has printed so far, by default the latest one. Raises RunNotFound.

        It is "" if the attempt printed nothing, or if its output has been removed. Bytes that aren't UTF-8 are escaped.
        """
        found = await self.get_run(run)
        path = output_path(self.directory, found.job, found.id, attempt or found.attempt)
        return await asyncio.to_thread(read_output_file, path)

    async def wait(self, run: str, timeout: float | None = None) -> Run:  # noqa: ASYNC109 - its message says what goes on
        """Return the run once it has finished. Raises RunNotFound, and TimeoutError after `timeout` seconds.

        The run goes on when the wait is over, or is cancelled.
        """
        async with limit_wait(run, timeout), contextlib.aclosing(self.events()) as events:
            found = await self.get_run(run)
            while not found.state.final:
                async for event in events:
                    if event["kind"] == "run" and event["run"]["run_id"] == run:
                        break
                found = await self.get_run(run)
            return found

    async def history(
        self,
        job: str | None = None,
        *,
        states: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> list[Run]:
        """Return runs, open ones included, newest first; `since` and `until` bound the time of queueing.

        Errors: BadRequest for an unknown state, an instant without an offset, or a limit that isn't from 1 to 100,000.
        """
        query = LogQuery(
            job=job,
            states=check_states(states),
            since=check_instant("since", since),
            until=check_instant("until", until),
            limit=check_limit(limit),
        )
        return await self.runtime.runs(query)

    async def statistics(self, job: str | None = None, since: datetime | None = None) -> "Statistics":
        """Return statistics of the newest finished runs of a job, or of all, queued at `since` or later.

        Errors: BadRequest.
        """
        since = check_instant("since", since)
        from rae_auto.records.statistics import statistics_of  # lazy: memory

        jobs = None if job is None else self.runtime.engine.ids_of(job)
        return await self.runtime.read_store(lambda store: statistics_of(store, jobs, since))

    # Events

    async def record_event(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Record an event; it is durable when this returns. Errors: BadRequest, StoreError."""
        return await self.runtime.inputs.events.record(name, data, check_not_in_future(at, self.runtime.now()))

    async def recorded_events(
        self,
        names: str | Sequence[str] = "*",
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        runs: bool = False,
    ) -> list[Event]:
        """Return recorded events of these names, newest first; with `runs` also ends of runs. Raises BadRequest."""
        since, until = check_instant("since", since), check_instant("until", until)
        found = self.runtime.inputs.events.list(
            parse_event_patterns(names), since=since, until=until, limit=check_limit(limit), ends=runs
        )
        return (await found)[::-1]

    async def delete_events(self, names: str | Sequence[str], before: datetime | None = None) -> int:
        """Delete recorded events for good; return how many there were. Errors: BadRequest, StoreError."""
        return await self.runtime.inputs.events.delete(deletable_patterns(names), check_instant("before", before))

    def events(self) -> AsyncGenerator[Mapping[str, Any], None]:
        """Yield messages about runs, decisions and jobs as they become durable. Slow readers lose the oldest."""
        return self.runtime.events.subscribe()

    async def backup(self, target: Path | str, *, replace: bool = False) -> "Backup":
        """Write everything that is durable now to a file that `rae-auto restore` reads. Raises StoreError."""
        from rae_auto.records.backup_files import write as write_backup  # lazy: memory

        changes = await self.runtime.dump_store()
        try:
            return await asyncio.to_thread(write_backup, Path(target), changes, self.runtime.now(), replace=replace)
        finally:
            # One that is left unfinished would keep its read transaction open, and the store from deleting anything.
            if (close := getattr(changes, "close", None)) is not None:
                close()

    @property
    def event_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that the scheduler was opened in. Raises SchedulerClosed before `open`."""
        if self._loop is None:
            raise SchedulerClosed("the scheduler isn't open")
        return self._loop
