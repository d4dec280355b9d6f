"""Runs sources: each in a task of its own, which is restarted with growing pauses when it fails.

A source's directory lasts as long as its job has the trigger, over restarts and changes of its options. It is removed
with the job or the trigger: one that is added under the same name later starts without it.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Collection, Container, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from attrs import frozen
from loguru import logger

from rae_auto.api.events import Events
from rae_auto.api.plugin import Kind
from rae_auto.api.trigger import EmitResult, SourceTrigger, Timer, TriggerContext
from rae_auto.model.primitives.names import JobId
from rae_auto.registry.containment import is_foreign
from rae_auto.registry.quarantine import HEALTHY_SECONDS, Quarantine, place_of_source
from rae_auto.runtime.concurrency.background_tasks import CLOSE_TIMEOUT_SECONDS, BackgroundTasks

MIN_RESTART_DELAY_SECONDS, MAX_RESTART_DELAY_SECONDS = 1.0, 300.0
"""Seconds before a failed source is started again; doubled each time up to the last."""

MAX_EMITS_PER_SECOND = 100
"""Occurrences of one source per second that are accepted in the long run; each costs a durable decision."""

FREE_EMITS = 10_000
"""Occurrences that a source may emit at once, such as those of a folder full of files."""

Fire = Callable[[JobId, str, str, Mapping[str, Any] | None, datetime | None, str | None], Awaitable[EmitResult]]
"""Reports an occurrence (job, trigger, key, event, instant, feedback key); returns its result once durable."""


Withdraw = Callable[[JobId, str, str, str], Awaitable[None]]
"""Withdraws an occurrence that is still delayed: job, trigger, key, and the event that ended the delay."""


class EmitPace:
    """Limits the rate of the occurrences of one source, after a burst that is free."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` returns seconds that only grow."""
        self._clock = clock
        self._free_at = clock() - FREE_EMITS / MAX_EMITS_PER_SECOND
        self._is_flood = False

    def delay(self) -> float:
        """Count an occurrence, and return the seconds that it must wait."""
        now = self._clock()
        self._free_at = max(self._free_at, now - FREE_EMITS / MAX_EMITS_PER_SECOND) + 1 / MAX_EMITS_PER_SECOND
        return self._free_at - now

    def is_new_flood(self) -> bool:
        """Return True on the first call of a flood, which is to be logged."""
        is_new, self._is_flood = not self._is_flood, True
        return is_new


@frozen
class SourceStatus:
    """The state of a source: "watching", "failed" while it waits to be started again, "ended" for good."""

    place: str
    """JOB.TRIGGER."""
    type: str
    state: str
    error: str
    reported_at: datetime | None
    """When it reported something last; None if it has not since the daemon started."""


class SourceSupervisor:
    """The sources of all jobs."""

    def __init__(
        self,
        directory: Path,
        fire: Fire,
        withdraw: Withdraw,
        quarantine: Quarantine,
        timer: Timer,
        events: Events,
    ) -> None:
        self._quarantine = quarantine
        self._timer = timer
        self._events = events
        self._directory = directory
        self._fire = fire
        self._withdraw = withdraw
        self._watching: dict[JobId, dict[str, tuple[SourceTrigger, asyncio.Task[None]]]] = {}
        self._ending: dict[tuple[JobId, str], asyncio.Task[None]] = {}
        """Tasks that must end before another source gets the same directory."""
        self._tasks = BackgroundTasks("a source")
        self.failed: dict[str, str] = {}
        """The errors of sources that wait to be started again, by JOB.TRIGGER."""
        self._reported_at: dict[str, datetime] = {}
        """When sources reported something last, since the start, by JOB.TRIGGER."""

    def set(self, job: JobId, sources: Mapping[str, SourceTrigger]) -> None:
        """Run exactly these sources for the job; those that stay the same are not restarted."""
        watching = self._watching.pop(job, {})
        for trigger, (source, task) in list(watching.items()):
            if sources.get(trigger) != source:
                task.cancel()
                del watching[trigger]
                self._ending[job, trigger] = task
            if trigger not in sources:
                self._ending[job, trigger] = self._tasks.start(self._forget(job, trigger, task))
        for trigger, source in sources.items():
            if trigger not in watching:
                before, since = self._ending.pop((job, trigger), None), self._timer.now().wall
                work = self._supervise(job, trigger, source, before, since)
                watching[trigger] = source, self._tasks.start(work, owner=f"trigger {job}.{trigger}")
        if watching:
            self._watching[job] = watching

    def rename(self, job: JobId, new: JobId, sources: Mapping[str, SourceTrigger]) -> None:
        """Continue the sources of a job under another id, with their directories."""
        watching = self._watching.pop(job, {})
        tasks = [task for _, task in watching.values()]
        for task in tasks:
            task.cancel()
        for trigger in watching:
            if (at := self._reported_at.pop(place_of_source(job, trigger), None)) is not None:
                self._reported_at[place_of_source(new, trigger)] = at
        moving = self._tasks.start(self._move(job, new, tasks))
        self._ending.update({(new, trigger): moving for trigger in sources})
        self.set(new, sources)

    async def _move(self, job: JobId, new: JobId, tasks: "Collection[asyncio.Task[None]]") -> None:
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_SECONDS)
        await self.finish_renaming({new: [job]})

    async def finish_renaming(self, former_ids: Mapping[JobId, Sequence[JobId]]) -> None:
        """Move directories of sources from former ids of jobs, where a crash may have left them."""
        await asyncio.to_thread(_move_directories, self._directory / "triggers", former_ids)

    async def forget_all_but(self, known: Mapping[JobId, Container[str]]) -> None:
        """Remove the directories of triggers that no longer exist; to be called before the first `set`."""
        try:
            await asyncio.to_thread(_remove_others, self._directory / "triggers", known)
        except OSError as error:
            logger.warning("the files of removed triggers can't be deleted: {}", error)

    async def _forget(self, job: JobId, trigger: str, task: "asyncio.Task[None]") -> None:
        """Remove the directory of a source, once the source has ended."""
        try:
            await asyncio.wait({task}, timeout=CLOSE_TIMEOUT_SECONDS)
            self._reported_at.pop(place_of_source(job, trigger), None)
            await asyncio.to_thread(shutil.rmtree, self._directory / "triggers" / job / trigger, ignore_errors=True)
        finally:
            if self._ending.get((job, trigger)) is asyncio.current_task():
                del self._ending[job, trigger]

    def list_sources(self) -> Iterator[SourceStatus]:
        """Yield the sources of all jobs, each with what it does now."""
        for job, watching in self._watching.items():
            for trigger, (source, task) in watching.items():
                place = place_of_source(job, trigger)
                error = self.failed.get(place)
                state = "failed" if error is not None else "ended" if task.done() else "watching"
                yield SourceStatus(place, source.type, state, error or "", self._reported_at.get(place))

    def restart_quarantined(self) -> None:
        """Try all plugins again at once; the next `set` starts sources that are quarantined."""
        for job, watching in self._watching.items():
            for trigger, (source, task) in list(watching.items()):
                if self._quarantine.is_quarantined(Kind.TRIGGER, source.type, place_of_source(job, trigger)):
                    task.cancel()
                    del watching[trigger]
                    self._ending[job, trigger] = task
        self._quarantine.clear()

    async def close(self, limit_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Stop all sources; return once all have ended, those of removed jobs too, or after this many seconds."""
        for watching in self._watching.values():
            for _, task in watching.values():
                task.cancel()
        await self._tasks.wait(limit_seconds)
        self._watching.clear()

    async def _supervise(
        self,
        job: JobId,
        trigger: str,
        source: SourceTrigger,
        before: "asyncio.Task[None] | None",
        since: datetime,
    ) -> None:
        if before is not None:
            # The former source may still write into the directory, or remove it.
            await asyncio.wait({before}, timeout=2 * CLOSE_TIMEOUT_SECONDS)
        context = self._make_context(job, trigger, source, since)
        delay = MIN_RESTART_DELAY_SECONDS
        clock = asyncio.get_running_loop().time
        while True:
            started_at = clock()
            error = await self._watch(source, context)
            if error is None:
                if (task := asyncio.current_task()) is None or not task.cancelling():
                    logger.bind(job=job).warning('trigger "{}" has ended, so it reports nothing more', trigger)
                return
            if clock() - started_at > HEALTHY_SECONDS:
                delay = MIN_RESTART_DELAY_SECONDS
            place = place_of_source(job, trigger)
            self._quarantine.failed(Kind.TRIGGER, source.type, place, error, is_reported=True)
            waits = max(delay, self._quarantine.seconds_to_trial(Kind.TRIGGER, source.type, place))
            described = self._quarantine.describe_failure(Kind.TRIGGER, source.type, error)
            logger.bind(job=job).error('trigger "{}" starts again in {:.0f} s: {}', trigger, waits, described)
            self.failed[f"{job}.{trigger}"] = f"{error!r:.200}"
            try:
                await asyncio.sleep(waits)
            finally:
                del self.failed[f"{job}.{trigger}"]
            delay = min(delay * 2, MAX_RESTART_DELAY_SECONDS)

    async def _watch(self, source: SourceTrigger, context: TriggerContext) -> BaseException | None:
        """Run a source; return its error, or None if it has ended for good. Raises only what isn't the source's."""
        try:
            await source.watch(context)
        except BaseException as error:  # a broken source must not touch anything else
            if is_foreign(error):
                raise
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                return error
            log = logger.bind(job=context.job)
            log.error('trigger "{}" failed while it was stopped: {!r}', context.trigger, error)
        return None

    def _make_context(self, job: JobId, trigger: str, source: SourceTrigger, since: datetime) -> TriggerContext:
        """Return the context of a source; it emits at a limited pace."""
        place = place_of_source(job, trigger)
        pace = EmitPace(asyncio.get_running_loop().time)

        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,
        ) -> EmitResult:
            if (seconds := pace.delay()) > 0:
                if pace.is_new_flood():
                    text = f"it emits more than {MAX_EMITS_PER_SECOND} occurrences a second, and is slowed down to that"
                    self._quarantine.note(Kind.TRIGGER, source.type, place, f"{text}; emit what changed, not each look")
                await asyncio.sleep(seconds)
            result = await self._fire(job, trigger, key, event, at, feedback_key)
            self._quarantine.succeeded(Kind.TRIGGER, source.type, place)
            self._reported_at[place] = self._timer.now().wall
            return result

        return TriggerContext(
            job,
            trigger,
            self._directory / "triggers" / job / trigger,
            emit,
            self._timer,
            self._events,
            since=since,
            run_pattern=_run_pattern,
            withdraw=partial(self._withdraw, job, trigger),
        )


async def _run_pattern(pattern: SourceTrigger, context: TriggerContext) -> None:
    from rae_auto.runtime.pattern_runner import run_pattern  # lazy: memory

    await run_pattern(pattern, context)


def _move_directories(directory: Path, former_ids: Mapping[JobId, Sequence[JobId]]) -> None:
    for job, former in former_ids.items():
        for kept in (directory / id_ for id_ in reversed(former)):
            if kept.is_dir() and not (directory / job).exists():
                try:
                    kept.rename(directory / job)
                except OSError as error:
                    logger.bind(job=job).warning("what its triggers kept as {} can't be moved: {}", kept.name, error)


def _remove_others(directory: Path, known: Mapping[JobId, Container[str]]) -> None:
    for of_job in directory.iterdir() if directory.is_dir() else ():
        triggers = known.get(JobId(of_job.name))
        gone = [of_job] if triggers is None else [one for one in of_job.iterdir() if one.name not in triggers]
        for kept in gone:
            shutil.rmtree(kept)
