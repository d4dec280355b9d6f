"""Sources at work: each watches in a task of its own, and is started again, ever later, when it fails."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.api.events import Events
from rae_auto.api.plugin import Kind
from rae_auto.api.trigger import SourceTrigger, Timer, Told, Watch
from rae_auto.daemon.containment import Containment
from rae_auto.daemon.endings import CLOSE_LIMIT, wait_for_all
from rae_auto.model.names import JobId

FIRST_DELAY, LAST_DELAY = 1.0, 300.0
"""Seconds before a failed source is started again; doubled each time up to the last."""

Fire = Callable[[JobId, str, str, Mapping[str, Any] | None, datetime | None, str | None], Awaitable[Told]]
"""Tells of an occurrence: job, trigger, key, event, instant, echo; returns what became of it when that is durable."""


class Sources:
    """The sources of all jobs."""

    def __init__(self, directory: Path, fire: Fire, containment: Containment, timer: Timer, events: Events) -> None:
        self._containment = containment
        self._timer = timer
        self._events = events
        self._directory = directory
        self._fire = fire
        self._watching: dict[tuple[JobId, str], tuple[SourceTrigger, asyncio.Task[None]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def set(self, job: JobId, sources: Mapping[str, SourceTrigger]) -> None:
        """Have these sources for the job, and no others; those that stay the same watch on."""
        ending: dict[str, asyncio.Task[None]] = {}
        for key, (source, task) in list(self._watching.items()):
            if key[0] == job and sources.get(key[1]) != source:
                task.cancel()
                ending[key[1]] = task
                del self._watching[key]
        for trigger, source in sources.items():
            if (job, trigger) not in self._watching:
                before, since = ending.get(trigger), self._timer.now().wall
                supervision = self._supervise(job, trigger, source, before, since)
                task = asyncio.get_running_loop().create_task(supervision)
                self._watching[job, trigger] = source, task
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    def forgive(self) -> None:
        """Give all plugins another chance; the next `set` starts sources that were left out."""
        for (job, trigger), (source, task) in list(self._watching.items()):
            if task.done() and self._containment.is_quarantined(Kind.TRIGGER, source.type, f"{job}.{trigger}"):
                del self._watching[job, trigger]
        self._containment.clear()

    async def close(self) -> None:
        """Stop watching; return once all have tidied up, those of jobs that were removed before too."""
        for _, task in self._watching.values():
            task.cancel()
        await wait_for_all(self._tasks, "a source")
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
            # It may still be writing into the directory that is this one's now.
            await asyncio.wait({before}, timeout=CLOSE_LIMIT)
        place = f"{job}.{trigger}"

        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            echo: str | None = None,
        ) -> Told:
            told = await self._fire(job, trigger, key, event, at, echo)
            self._containment.succeeded(Kind.TRIGGER, source.type, place)
            return told

        place_of = self._directory / "triggers" / job / trigger
        watch = Watch(job, trigger, place_of, emit, self._timer, self._events, since=since)
        delay = FIRST_DELAY
        while True:
            try:
                await source.watch(watch)
            except (Exception, SystemExit) as error:  # a broken source must not touch anything else
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    logger.bind(job=job).error("trigger {} failed to end: {!r}", trigger, error)
                    return
                logger.bind(job=job).error("trigger {} failed, tried again in {:.0f} s: {!r}", trigger, delay, error)
                self._containment.failed(Kind.TRIGGER, source.type, place, error, is_told=True)
                if self._containment.is_quarantined(Kind.TRIGGER, source.type, place):
                    return
            else:
                return
            await asyncio.sleep(delay)
            delay = min(delay * 2, LAST_DELAY)
