"""What a scheduler has around it that looks at the world: sources, guards, and what was recorded."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Container, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from rae_auto.api.trigger import EmitResult
from rae_auto.engine.effects import ClockJumped, ReadGuards, Record, Step
from rae_auto.engine.events import TriggerFired
from rae_auto.errors import BadRequest, NotStarted, StoreError
from rae_auto.model.decision import Occurrence
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.run import Run
from rae_auto.records.events import event_document
from rae_auto.registry.factory import Planned
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.clock import Clock
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.event_recorder import EventRecorder
from rae_auto.runtime.guard_reader import GuardReader
from rae_auto.runtime.reporting.announcements import tell_event
from rae_auto.runtime.reporting.event_stream import EventStream
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.source_supervisor import SourceSupervisor
from rae_auto.runtime.timer import RuntimeTimer

TELL_AGAIN = 1.0
"""Seconds after which an occurrence that could not be made durable is tried again."""

Asking = Callable[[Any], Awaitable[Mapping[str, Any]]]


class Runtime:
    """Has the plugins of each job look at the world, and tells the engine what they see."""

    def __init__(
        self,
        directory: Path,
        archive: Repository,
        shell: EngineLoop,
        ask: Asking,
        clock: Clock,
        broadcast: EventStream,
        containment: Quarantine,
    ) -> None:
        """`ask` makes an event of a token for its answer, tells it the engine, and returns the answer."""
        self._ask = ask
        self.timer = RuntimeTimer(clock)
        self.events = EventRecorder(archive.ask, lambda: clock.now().wall, partial(tell_event, broadcast))
        self._sources = SourceSupervisor(directory, self._fire, containment, self.timer, self.events)
        self._guards = GuardReader(shell.submit, containment)

    async def begin(self, all_planned: Collection[Planned], damaged: Collection[JobId]) -> None:
        """Have the sources of all jobs that have some; of those that are damaged nobody knows which they had."""
        known: dict[JobId, Container[str]] = {job: _Anything() for job in damaged}
        known |= {planned.plan.job.id: planned.sources for planned in all_planned}
        await self._sources.forget_all_but(known)
        for planned in all_planned:
            self.set(planned)

    def set(self, planned: Planned) -> None:
        """Have the sources of a job, and no others of it."""
        self._sources.set(planned.plan.job.id, planned.sources)

    def drop(self, job: JobId) -> None:
        """Have nothing of the job any more."""
        self._sources.set(job, {})

    def forgive(self) -> None:
        """Give all plugins another chance."""
        self._sources.forgive()

    def perform(self, step: Step) -> None:
        """Carry out what of a step is for the surroundings."""
        self.events.ended([c.value for c in step.changes if isinstance(c, Record) and isinstance(c.value, Run)])
        for effect in step.effects:
            match effect:
                case ClockJumped():
                    self.timer.jumped()
                case ReadGuards():
                    self._guards.read(effect)

    async def close(self) -> None:
        """Look at nothing any more."""
        await self._sources.close()
        await self._guards.close()

    async def _fire(
        self,
        job: JobId,
        trigger: str,
        key: str,
        event: Mapping[str, Any] | None,
        at: datetime | None,
        feedback_key: str | None,
    ) -> EmitResult:
        occurrence = occurrence_of(job, trigger, key, event, at or self.timer.now().wall)
        while True:
            try:
                return EmitResult(
                    RunId((await self._ask(lambda ask: TriggerFired(occurrence, ask, feedback_key)))["run_id"])
                )
            except NotStarted as refused:
                # A policy that says no has said so on record.
                return EmitResult(reason=Reason(refused.reason))
            except StoreError:
                # What happened in the world is told once; by its key it is decided once, however often it is tried.
                await asyncio.sleep(TELL_AGAIN)


class _Anything:
    """Holds whatever one asks for."""

    def __contains__(self, _: object) -> bool:
        return True


def occurrence_of(job: JobId, trigger: str, key: object, event: Any, at: datetime) -> Occurrence:
    """An occurrence of what somebody tells. Errors: BadRequest, where it can't be kept."""
    if not isinstance(key, str):
        raise BadRequest(f"the key of what happened must be text, not {key!r:.60}")
    return Occurrence(job, trigger, key, as_utc(at), event_document(event))
