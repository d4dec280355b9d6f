"""`rae-auto test-trigger`: a job's triggers at work, telling what they see and would fire; the job itself never runs.

They begin as if for the first time, in a directory that goes away afterwards. What programs have recorded, and which
runs end, is heard by way of the daemon, where one runs.
"""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from attrs import evolve, frozen

from rae_auto.api.events import RUN_ENDED, Event, StreamPosition, is_named
from rae_auto.api.guard import ReadGuard
from rae_auto.api.trigger import Emit, EmitResult, Trigger, TriggerContext
from rae_auto.config import load
from rae_auto.engine.events import Origin
from rae_auto.errors import BadRequest, JobNotFound
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.paths import socket_path, state_directory
from rae_auto.registry import Registry
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.registry.quarantine import Quarantine
from rae_auto.registry.safe_guard import read_guard
from rae_auto.runtime.clock import SystemClock
from rae_auto.runtime.pattern_runner import watched
from rae_auto.runtime.timer import RuntimeTimer

LOOK_AT_CLOCKS = 10.0
"""Seconds after which clocks that were set, or a machine that slept, are noticed."""

_LONGEST_LINE = 1 << 24
"""Bytes of what the daemon tells at once: an event, or a run with the event that it was started by."""

Show = Callable[["TraceLine"], None]


@frozen(kw_only=True)
class TraceLine:
    """What a trigger did: `what` is begins, sees, fires, ends or fails."""

    at: datetime
    trigger: str
    what: str
    key: str | None = None
    text: str = ""
    event: Mapping[str, Any] | None = None


def try_triggers(config_path: Path, job: str, seconds: float, show: Show) -> int:
    """Watch for so long; how often anything would have fired. Errors: ConfigError, JobNotFound, BadRequest."""
    registry = Registry()
    config = load(config_path, registry)
    definition = next((one for one in config.jobs if one.id == job), None)
    if definition is None:
        near = did_you_mean(job, [one.id for one in config.jobs])
        raise JobNotFound(f"no job {job!r} in {config_path}{near}")
    if not definition.schedule:
        raise BadRequest(f"job {job!r} has no trigger; 'rae-auto trigger {job}' starts it")
    plugins = PluginFactory(registry, config.timezone)
    planned = plugins.plan(definition, Origin.CONFIG)
    triggers = {ref.id: plugins.trigger(ref) for ref in definition.schedule}
    with tempfile.TemporaryDirectory(prefix="rae-auto-") as place:
        return asyncio.run(_Trial(planned, Path(place), show, plugins.containment).run(triggers, seconds))


class _Trial:
    def __init__(self, planned: Planned, directory: Path, show: Show, containment: Quarantine) -> None:
        self._planned = planned
        self._directory = directory
        self._show = show
        self._containment = containment
        self._timer = RuntimeTimer(SystemClock())
        self._fired = 0

    async def run(self, triggers: Mapping[str, Trigger], seconds: float) -> int:
        tasks = [asyncio.create_task(self._watch(name, trigger)) for name, trigger in triggers.items()]
        clocks = asyncio.create_task(self._look_at_clocks())
        with suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, timeout=seconds)
        for task in (*tasks, clocks):
            task.cancel()
        await asyncio.gather(*tasks, clocks, return_exceptions=True)
        return self._fired

    async def _look_at_clocks(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AT_CLOCKS)
            self._timer.jumped()

    async def _watch(self, name: str, trigger: Trigger) -> None:
        def tell(what: str, text: str = "") -> None:
            self._show(TraceLine(at=self._timer.now().wall, trigger=name, what=what, text=text))

        watch = _ShownWatch(
            job=self._planned.plan.job.id,
            trigger=name,
            directory=self._directory / name,
            emit=self._emit_of(name),
            timer=self._timer,
            events=_ShownEvents(lambda text: tell("sees", text)),
            trace=lambda text: tell("sees", text),
        )
        tell("begins")
        try:
            await watched(trigger, watch)
        except Exception as error:
            tell("fails", repr(error))
        else:
            tell("ends")

    def _emit_of(self, name: str) -> Emit:
        async def emit(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,  # noqa: ARG001 - the job never runs, so nothing is its doing
        ) -> EmitResult:
            self._fired += 1
            against = await self._against()
            sighting = TraceLine(
                at=at or self._timer.now().wall, trigger=name, what="fires", key=key, event=event, text=against
            )
            self._show(sighting)
            return EmitResult()

        return emit

    async def _against(self) -> str:
        """Which guards would keep the job from starting now, in words."""
        now = self._timer.now().wall
        computed = {name: guard.evaluate(now) for name, guard in self._planned.plan.guards.items() if guard is not None}
        readers = cast("Mapping[str, ReadGuard]", self._planned.plan.readers)
        said = {
            **computed,
            **{name: await read_guard(guard, self._containment) for name, guard in readers.items()},
        }
        against = [
            f"guard {name} says {result.verdict}: {result.reason}" for name, result in said.items() if not result.allows
        ]
        return f"but {'; '.join(against)}" if against else ""


@frozen
class _ShownWatch(TriggerContext):
    """Tells what parts of a trigger tell the whole."""

    def part(self, name: str, emit: Emit) -> TriggerContext:
        async def shown(
            key: str,
            event: Mapping[str, Any] | None = None,
            at: datetime | None = None,
            *,
            feedback_key: str | None = None,
        ) -> EmitResult:
            self.trace(f"{name}: {key} {json.dumps(event or {}, ensure_ascii=False)}")
            return await emit(key, event, at, feedback_key=feedback_key)

        inner = super().part(name, shown)
        return evolve(inner, trace=lambda text: self.trace(f"{name}: {text}"))


class _ShownEvents:
    """Recorded events as the daemon tells them, where one runs."""

    def __init__(self, trace: Callable[[str], None]) -> None:
        self._sees = trace

    async def record(self, name: str, data: Mapping[str, Any] | None = None, at: datetime | None = None) -> Event:
        """Nothing is recorded; it is shown."""
        self._sees(f"records {name} {json.dumps(data or {}, ensure_ascii=False)}")
        return Event("trial", name, at or SystemClock().now().wall, data or {})

    async def follow(self, names: Sequence[str], after: StreamPosition | None) -> AsyncIterator[Sequence[Event]]:
        """What comes from now on."""
        try:
            reader, writer = await asyncio.open_unix_connection(
                str(socket_path(state_directory())), limit=_LONGEST_LINE
            )
        except OSError:
            self._sees("no daemon is running, so no recorded event and no end of a run is heard")
            await asyncio.Event().wait()
            return
        try:
            writer.write(b'{"command": "events"}\n')
            async for line in reader:
                event = _event_of(json.loads(line).get("event"))
                if event is not None and is_named(event.name, names):
                    self._sees(f"{event.name} {json.dumps(event.data, ensure_ascii=False)}")
                    yield [event]
            self._sees("the daemon has ended, so nothing recorded and no end of a run is heard any more")
            await asyncio.Event().wait()
        finally:
            writer.close()


def _event_of(told: Any) -> Event | None:
    """The recorded event, or the end of a run, that the daemon tells of."""
    match told:
        case {"kind": "event", "event": {"id": key, "name": name, "at": at, "data": data}}:
            return Event(key, name, parse_instant(at), data)
        case {"kind": "run", "run": {"finished_at": str() as at} as run}:
            began = run["started_at"]
            seconds = (parse_instant(at) - parse_instant(began)).total_seconds() if began else None
            data = {name: run[name] for name in ("job", "run_id", "trigger", "state", "exit_code")}
            return Event(run["run_id"], f"{RUN_ENDED}{run['state']}", parse_instant(at), {**data, "seconds": seconds})
    return None
