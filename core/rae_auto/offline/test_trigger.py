"""Watches a job's triggers in the foreground and shows what they report; the job itself never runs.

The triggers start without a memory, in a directory that is deleted afterwards. Recorded events and the ends of runs
come from the daemon, if one is running.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from attrs import evolve, frozen

from rae_auto.api.events import RUN_ENDED, Event, StreamPosition, is_named
from rae_auto.api.guard import ReadGuard
from rae_auto.api.trigger import Emit, EmitResult, ScheduleTrigger, Trigger, TriggerContext
from rae_auto.control.protocol import MAX_EVENT_BYTES, decode_event, encode_request
from rae_auto.control.transports.choice import control_transport
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import BadRequest
from rae_auto.model.guard import GuardResult
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.offline.project import Project
from rae_auto.registry.factory import Planned
from rae_auto.registry.quarantine import Quarantine
from rae_auto.registry.safe_guard import read_guard
from rae_auto.registry.safe_schedule import ask_schedule
from rae_auto.runtime.pattern_runner import run_pattern, run_trigger
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.runtime.time.clock_watch import CLOCK_CHECK_SECONDS
from rae_auto.runtime.time.timer import RuntimeTimer
from rae_auto.views.times import describe_instant

GUARD_SECONDS = 5.0
"""The interval in which guards are asked for their results."""

SHOWN_INSTANTS = 3
"""The number of instants of a schedule that are shown before the first one comes."""

Show = Callable[["TraceLine"], None]


@frozen(kw_only=True)
class TraceLine:
    """One line of the trace of a trigger: `kind` is starts, traces, fires, ends or fails.

    The result of a guard is a line of the kind says, with the guard in place of a trigger.
    """

    at: datetime
    trigger: str
    kind: str
    key: str | None = None
    text: str = ""
    event: Mapping[str, Any] | None = None


def watch_triggers(project: Project, job: str, seconds: float, show: Show) -> int:
    """Watch for this many seconds and return how often the job would have been started.

    Errors: JobNotFound, BadRequest if the job has no trigger.
    """
    definition, plugins = project.find_job(job), project.plugins
    if not definition.schedule:
        raise BadRequest(f"job {quote(job)} has no trigger; 'rae-auto trigger {job}' starts it")
    planned = plugins.plan(definition, JobOrigin.CONFIG)
    triggers = {ref.id: plugins.trigger(ref) for ref in definition.schedule}
    with tempfile.TemporaryDirectory(prefix="rae-auto-") as directory:
        session = _TriggerSession(planned, Path(directory), show, plugins.quarantine, project)
        return asyncio.run(session.run(triggers, seconds))


class _TriggerSession:
    """The running triggers of one job."""

    def __init__(self, planned: Planned, directory: Path, show: Show, quarantine: Quarantine, project: Project) -> None:
        self._planned = planned
        self._directory = directory
        self._state_directory = project.directory
        self._zone = project.zone
        self._show = show
        self._quarantine = quarantine
        self._timer = RuntimeTimer(SystemClock())
        self._fired = 0
        self._ends_at = datetime.max.replace(tzinfo=UTC)

    async def run(self, triggers: Mapping[str, Trigger], seconds: float) -> int:
        self._ends_at = self._timer.now().wall + timedelta(seconds=seconds)
        tasks = [asyncio.create_task(self._watch(name, trigger)) for name, trigger in triggers.items()]
        others = [asyncio.create_task(each) for each in (self._check_clocks(), self._follow_guards())]
        with suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, timeout=seconds)
        for task in (*tasks, *others):
            task.cancel()
        await asyncio.gather(*tasks, *others, return_exceptions=True)
        return self._fired

    async def _follow_guards(self) -> None:
        """Show the results of the guards, and each one that changes."""
        shown: dict[str, GuardResult] = {}
        while True:
            for name, result in (await self._read_guards()).items():
                if shown.get(name) != result:
                    text = f"{result.verdict}: {result.reason}"
                    self._show(TraceLine(at=self._timer.now().wall, trigger=name, kind="says", text=text))
                    shown[name] = result
            await asyncio.sleep(GUARD_SECONDS)

    async def _check_clocks(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_CHECK_SECONDS)
            self._timer.jumped()

    async def _watch(self, name: str, trigger: Trigger) -> None:
        def show(kind: str, text: str = "") -> None:
            self._show(TraceLine(at=self._timer.now().wall, trigger=name, kind=kind, text=text))

        context = _TracingContext(
            job=self._planned.plan.job.id,
            trigger=name,
            directory=self._directory / name,
            emit=self._emit_of(name),
            timer=self._timer,
            events=_TracingEvents(lambda text: show("traces", text), self._state_directory),
            trace=lambda text: show("traces", text),
            run_pattern=run_pattern,
        )
        show("starts")
        try:
            if isinstance(trigger, ScheduleTrigger):
                show("traces", self._describe_schedule(trigger))
            await run_trigger(trigger, context)
        except Exception as error:
            show("fails", repr(error))
        else:
            show("ends")

    def _describe_schedule(self, schedule: ScheduleTrigger) -> str:
        """Return when a schedule fires, its next instants, and whether the first comes in time to be seen."""
        now = self._timer.now().wall
        instants: list[datetime] = []
        while len(instants) < SHOWN_INSTANTS:
            following, problem = ask_schedule(schedule, instants[-1] if instants else now)
            if problem is not None or following is None:
                break
            instants.append(following)
        if not instants:
            return f"{schedule.describe()}; no instant is left"
        listed = ", ".join(self._describe_instant(schedule, instant, now) for instant in instants)
        is_seen = instants[0] <= self._ends_at
        late = "" if is_seen else "; all of them come after the end of this test, so it fires nothing here"
        return f"{schedule.describe()}; next: {listed}{late}"

    def _describe_instant(self, schedule: ScheduleTrigger, instant: datetime, now: datetime) -> str:
        note = schedule.note(instant)
        return f"{describe_instant(instant, self._zone, now)}{f' ({note})' if note else ''}"

    def _emit_of(self, name: str) -> Emit:
        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,  # noqa: ARG001 - the job never runs, so there is no feedback
        ) -> EmitResult:
            self._fired += 1
            blocked = await self._describe_blocking_guards()
            now = self._timer.now().wall
            self._show(TraceLine(at=at or now, trigger=name, kind="fires", key=key, event=event, text=blocked))
            return EmitResult()

        return emit

    async def _describe_blocking_guards(self) -> str:
        """Return which guards would block the job now; empty if none would."""
        blocking = [
            f"guard {quote(name)} says {result.verdict}: {result.reason}"
            for name, result in (await self._read_guards()).items()
            if not result.allows
        ]
        return f"but {'; '.join(blocking)}" if blocking else ""

    async def _read_guards(self) -> dict[str, GuardResult]:
        """Return the result that each guard of the job has now."""
        now = self._timer.now().wall
        computed = {name: guard.evaluate(now) for name, guard in self._planned.plan.guards.items() if guard is not None}
        readers = cast("Mapping[str, ReadGuard]", self._planned.plan.readers)
        return {**computed, **{name: await read_guard(guard, self._quarantine) for name, guard in readers.items()}}


@frozen
class _TracingContext(TriggerContext):
    """A context that shows what the parts of a trigger report to it."""

    def part(self, name: str, emit: Emit) -> TriggerContext:
        async def emit_traced(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,
        ) -> EmitResult:
            self.trace(f"{name}: {key} {json.dumps(event or {}, ensure_ascii=False)}")
            return await emit(key, event, at, feedback_key=feedback_key)

        inner = super().part(name, emit_traced)
        return evolve(inner, trace=lambda text: self.trace(f"{name}: {text}"))


class _TracingEvents:
    """Recorded events from the daemon, if one is running."""

    def __init__(self, trace: Callable[[str], None], directory: Path) -> None:
        self._trace = trace
        self._directory = directory

    async def record(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Show the event instead of recording it."""
        self._trace(f"records {name} {json.dumps(data or {}, ensure_ascii=False)}")
        return Event("trial", name, at or SystemClock().now().wall, data or {})

    async def follow(self, names: Sequence[str], after: StreamPosition | None) -> AsyncIterator[Sequence[Event]]:
        """Yield the events that the daemon publishes from now on."""
        try:
            transport = control_transport()
            reader, writer = await transport.open_connection(transport.path(self._directory), MAX_EVENT_BYTES)
        except OSError:
            self._trace("no daemon is running, so recorded events and ends of runs are not available")
            await asyncio.Event().wait()
            return
        try:
            writer.write(encode_request("events", {}))
            async for line in reader:
                event = _parse_event(decode_event(line))
                if event is not None and is_named(event.name, names):
                    self._trace(f"{event.name} {json.dumps(event.data, ensure_ascii=False)}")
                    yield [event]
            self._trace("the daemon has ended, so recorded events and ends of runs are no longer available")
            await asyncio.Event().wait()
        finally:
            writer.close()


def _parse_event(published: Mapping[str, Any] | None) -> Event | None:
    """Return the recorded event, or the end of a run, that the daemon has published; None for anything else."""
    match published:
        case {"kind": "event", "event": {"id": key, "name": name, "at": at, "data": data}}:
            return Event(key, name, parse_instant(at), data)
        case {"kind": "run", "run": {"finished_at": str() as at} as run}:
            began = run["started_at"]
            seconds = (parse_instant(at) - parse_instant(began)).total_seconds() if began else None
            data = {name: run[name] for name in ("job", "run_id", "trigger", "state", "exit_code")}
            return Event(run["run_id"], f"{RUN_ENDED}{run['state']}", parse_instant(at), {**data, "seconds": seconds})
    return None
