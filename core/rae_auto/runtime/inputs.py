"""The inputs of the engine: reports of sources, guards and recorded events."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Container, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from rae_auto.api.events import Event as RecordedEvent
from rae_auto.api.guard import ReadGuard
from rae_auto.api.trigger import EmitResult
from rae_auto.engine.commands import Ask
from rae_auto.engine.effects import ClockJumped, Effect, ReadGuards
from rae_auto.engine.events import Event, OccurrenceWithdrawn, TriggerFired
from rae_auto.engine.plan import Plan
from rae_auto.errors import BadRequest, StoreError
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult
from rae_auto.model.plugin_ref import PluginRef
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run
from rae_auto.records.events import check_event
from rae_auto.registry.factory import Planned
from rae_auto.registry.quarantine import Quarantine
from rae_auto.runtime.concurrency.background_tasks import CLOSE_TIMEOUT_SECONDS
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.event_recorder import EventRecorder
from rae_auto.runtime.plugins.guard_reader import GuardReader
from rae_auto.runtime.plugins.plugin_files import PluginFiles
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.source_supervisor import SourceStatus, SourceSupervisor
from rae_auto.runtime.time.clock import Clock
from rae_auto.runtime.time.timer import RuntimeTimer

ASKED_GUARD_SECONDS = 2.0
"""Time that guards have for an answer to a person, who waits for it."""

RETRY_OCCURRENCE_SECONDS = 1.0
"""Time after which an occurrence that could not be made durable is submitted again."""

Request = Callable[[Callable[[Ask], Event]], Awaitable[Mapping[str, Any]]]


class Inputs:
    """Runs the sources and guards of each job, and reports to the engine what they see."""

    def __init__(
        self,
        directory: Path,
        archive: Repository,
        shell: EngineLoop,
        request: Request,
        clock: Clock,
        on_recorded: Callable[[RecordedEvent], None],
        quarantine: Quarantine,
        files: PluginFiles,
        check_executor: Callable[[PluginRef], Coroutine[Any, Any, GuardResult]] | None = None,
    ) -> None:
        """Connect the inputs. `on_recorded` gets each recorded event once it is durable.

        `request` hands the engine an event that is made of a token, and returns its answer.
        """
        self._request = request
        self.clock_jumps: Counter[str] = Counter()
        """Jumps of the clock since the start, by kind."""
        self.timer = RuntimeTimer(clock)
        self.events = EventRecorder(archive, lambda: clock.now().wall, on_recorded)
        self._sources = SourceSupervisor(directory, self._fire, self._withdraw, quarantine, self.timer, self.events)
        self._guards = GuardReader(shell.submit, quarantine, check_executor)
        self._files = files

    async def start(
        self,
        all_planned: Collection[Planned],
        damaged: Collection[JobId],
        former_ids: Mapping[JobId, Sequence[JobId]],
    ) -> None:
        """Start the sources of all jobs. Directories of damaged jobs stay: which sources these had is unknown.

        `former_ids` has the ids that renamed jobs had before, and no job has now.
        """
        await self._sources.finish_renaming(former_ids)
        known: dict[JobId, Container[str]] = {job: _Everything() for job in damaged}
        known |= {planned.plan.job.id: planned.sources for planned in all_planned if planned.sources}
        await self._sources.forget_all_but(known)
        for planned in all_planned:
            if planned.sources or planned.files:
                self.set_job(planned)

    def set_job(self, planned: Planned) -> None:
        """Run these sources of a job, and no others of it, and follow the files that its plugins have read."""
        self._sources.set(planned.plan.job.id, planned.sources)
        self._files.set(planned)

    def remove_job(self, job: JobId) -> None:
        """Stop all sources of a job."""
        self._sources.set(job, {})
        self._files.remove(job)

    def failed_sources(self) -> Mapping[str, str]:
        """Return the sources that have failed and wait to be started again: errors by JOB.TRIGGER."""
        return self._sources.failed

    def list_sources(self) -> list[SourceStatus]:
        """Return the sources of all jobs, those that have failed first."""
        return sorted(self._sources.list_sources(), key=lambda source: source.state != "failed")

    def rename_job(self, job: JobId, planned: Planned) -> None:
        """Continue the sources of a renamed job under its new id."""
        self._sources.rename(job, planned.plan.job.id, planned.sources)
        self._files.remove(job)
        self._files.set(planned)

    async def ask_guards(self, plan: Plan) -> dict[str, GuardResult]:
        """Return what the guards of a job that read the machine, or its executor, say now."""
        readers = cast("Mapping[str, ReadGuard]", plan.readers)
        return await self._guards.ask(readers, ASKED_GUARD_SECONDS)

    def reset_quarantine(self) -> None:
        """Start quarantined sources again."""
        self._sources.restart_quarantined()

    def perform(self, effects: Sequence[Effect], ends: Sequence[Run]) -> None:
        """Carry out those of a step's effects that concern the inputs, and report the runs that it has ended."""
        if ends:
            self.events.publish_ends(ends)
        for effect in effects:
            match effect:
                case ClockJumped(jump):
                    self.clock_jumps[jump.value] += 1
                    self.timer.jumped()
                case ReadGuards():
                    self._guards.read(effect)

    async def close(self, limit_seconds: Callable[[float], float]) -> None:
        """Stop all sources and guards; `limit_seconds` returns how many seconds of a limit are left."""
        await self._sources.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))
        await self._guards.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))
        await self._files.close(limit_seconds(CLOSE_TIMEOUT_SECONDS))

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
                answer = await self._request(lambda ask: TriggerFired(occurrence, ask, feedback_key))
                return EmitResult(answer.get("run_id"), answer.get("reason"))
            except StoreError:
                # An occurrence is emitted once; by its key it is decided once, however often it is submitted.
                await asyncio.sleep(RETRY_OCCURRENCE_SECONDS)

    async def _withdraw(self, job: JobId, trigger: str, key: str, by: str) -> None:
        while True:
            try:
                await self._request(lambda ask: OccurrenceWithdrawn(job, trigger, key, by, ask))
                return
            except StoreError:
                await asyncio.sleep(RETRY_OCCURRENCE_SECONDS)


class _Everything:
    """A container for which `in` is always true."""

    def __contains__(self, _: object) -> bool:
        return True


def occurrence_of(job: JobId, trigger: str, key: object, event: Any, at: datetime) -> Occurrence:
    """Return the occurrence of a firing. Raises BadRequest for a key or an event that can't be stored."""
    if not isinstance(key, str):
        raise BadRequest(f"invalid key {key!r:.60}; the key of an occurrence is text")
    return Occurrence(job, trigger, key, as_utc(at), check_event(event))
