"""Trials of sources: what a source observes, and the occurrences that it would emit."""

import asyncio
import json
from collections import deque
from collections.abc import Coroutine, Iterable, Mapping
from datetime import datetime
from itertools import cycle
from typing import Any

from rae_auto.api.pattern import PatternTrigger
from rae_auto.api.trigger import EmitResult
from rae_auto.model.primitives.formatting import format_count
from rae_auto.offline.trial.kinds.base import PluginTrial, TrialContext
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.testing.sources import Listener, check_occurrence

SHOWN_LINES = 10
MAX_KEYS = 10_000
"""Keys that are remembered, as those of a job's last occurrences are."""


class SourceTrial(PluginTrial):
    """A trial of a source."""

    def __init__(self, plugin: Any, context: TrialContext) -> None:
        super().__init__(plugin, context)
        self._seen: deque[str] = deque(maxlen=SHOWN_LINES)
        self._fired: deque[str] = deque(maxlen=SHOWN_LINES)
        self._count = 0
        self._state = "watching"
        self._mistake = ""
        self._listener = _Listener(self)
        names = plugin.event_names() if isinstance(plugin, PatternTrigger) else ()
        self._names = cycle(names) if names else None

    @property
    def is_complete(self) -> bool:
        """True at once, because a source runs for ever."""
        return True

    async def begin(self) -> None:
        """Watch until the trial ends."""
        self.in_background(self._watch())

    async def follow_clock(self) -> None:
        """Notice an emission that was not awaited."""
        try:
            self._listener.check_source()
        except AssertionError as error:
            if str(error) != self._mistake:
                self._mistake, self.is_changed = str(error), True

    def sections(self) -> Iterable[TrialSection]:
        """Return what it does, the last lines that it saw, and the last occurrences."""
        nothing = ("nothing yet",)
        yield TrialSection("state", (self._state, *([f"warning: {self._mistake}"] if self._mistake else [])))
        yield TrialSection("sees", tuple(self._seen) or nothing)
        count = f"{format_count(self._count, 'occurrence')} in all" if self._count > SHOWN_LINES else ""
        yield TrialSection("would fire", (*self._fired, *([count] if count else [])) or nothing)
        if self._names is not None:
            yield TrialSection("reads", ("recorded events; the key e records one",))

    async def record_event(self) -> None:
        """Record an event that the pattern reads."""
        if self._names is not None:
            name = next(self._names).replace("*", "sample")
            await self._listener.events.record(name, {})
            self.add_trace(f"the event {name} was recorded")

    async def _watch(self) -> None:
        watching: Coroutine[Any, Any, None] = self.plugin.watch(self._listener.watch())
        try:
            await watching
            self._state = "warning: watch has returned; let it go on until it is cancelled"
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # whatever a plugin raises
            self._state = self.describe_error("watch", error)

    def add_trace(self, text: str) -> None:
        """Show a line of the source's trace, once while it stays the same."""
        if not self._seen or self._seen[-1].partition("  ")[2] != text:
            self._seen.append(f"{self._time()}  {text}")
            self.is_changed = True

    def add_occurrence(self, key: str, event: Mapping[str, Any] | None, at: datetime | None) -> None:
        """Show an occurrence."""
        self._count += 1
        facts = f" {json.dumps(event, ensure_ascii=False, default=repr)}" if event else ""
        when = f" (of {at.astimezone(self.context.zone):%Y-%m-%d %H:%M:%S})" if at else ""
        self._fired.append(f"{self._time()}  {key}{facts}{when}")
        self.is_changed = True

    def _time(self) -> str:
        return f"{self.context.clock.now.astimezone(self.context.zone):%a %H:%M:%S}"


class _Listener(Listener):
    """Stands in for the daemon and shows what the source reports."""

    def __init__(self, trial: SourceTrial) -> None:
        super().__init__(trial.context.folder, trial.context.clock.timer)
        self._trial = trial
        self._keys: dict[str, None] = {}
        self.traces = _Traces(trial)

    async def emit(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> EmitResult:
        check_occurrence(key, event)
        if key in self._keys:
            self._trial.add_trace(f"{key} was reported before, so nothing fires")
            return EmitResult()
        self._keys[key] = None
        if len(self._keys) > MAX_KEYS:
            self._keys.pop(next(iter(self._keys)))
        self._trial.add_occurrence(key, event, at)
        return EmitResult()

    async def withdraw(self, key: str, by: str) -> None:
        await super().withdraw(key, by)
        self._trial.add_trace(f"{key} is withdrawn because of {by}")


class _Traces(list[str]):
    """Shows the trace of a source without storing it."""

    def __init__(self, trial: SourceTrial) -> None:
        super().__init__()
        self._trial = trial

    def append(self, line: str) -> None:
        self._trial.add_trace(str(line))
