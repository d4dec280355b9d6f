"""The sources of a simulated world: patterns run as in the daemon, the rest comes from a script.

A pattern may hold other triggers: schedules are computed, patterns played in their turn, and of those that watch the
world what the script says of them counts, under the name of their path: `both.file`.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from attrs import define, field

from rae_auto.api.events import Event, is_named
from rae_auto.api.pattern import Firing, PatternTrigger
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.model.decision import Occurrence
from rae_auto.model.job_state import Span
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import JobId
from rae_auto.toolkit.pattern_run import PatternRun

Source = tuple[JobId, str]
"""A job and the path of a trigger of it."""


@define
class _Node:
    """A running pattern, with the triggers inside of it."""

    run: PatternRun
    event_names: tuple[str, ...]
    schedules: dict[str, tuple[ScheduleTrigger, datetime | None]]
    inner: "dict[str, _Node]"
    emission: frozenset[str]
    """The names of the parts for which only a script can emit occurrences."""

    @classmethod
    def start(cls, pattern: PatternTrigger, now: datetime) -> "_Node":
        parts = pattern.parts()
        # What is due at the start itself is part of it.
        before = now - timedelta(microseconds=1)
        schedules = {
            n: (part, part.next_after(before)) for n, part in parts.items() if isinstance(part, ScheduleTrigger)
        }
        inner = {n: cls.start(part, now) for n, part in parts.items() if isinstance(part, PatternTrigger)}
        emission = frozenset(parts.keys() - schedules.keys() - inner.keys())
        return cls(PatternRun.start(pattern, now), tuple(pattern.event_names()), schedules, inner, emission)

    def next_at(self) -> datetime | None:
        """Return when the passage of time alone makes a source fire or step; None for never."""
        times = [self.run.wake_at, *(at for _, at in self.schedules.values())]
        times += [node.next_at() for node in self.inner.values()]
        return min((at for at in times if at is not None), default=None)

    def advance(self, until: datetime) -> list[Firing]:
        """Let time pass until an instant; return the firings."""
        fired: list[Firing] = []
        while (at := self.next_at()) is not None and at <= until:
            for name, (schedule, due) in self.schedules.items():
                if due is not None and due <= at:
                    self.schedules[name] = schedule, schedule.next_after(due)
                    fired += self.run.handle(Event(format_instant(due), name, due, {"due": format_instant(due)}))
            for name, node in self.inner.items():
                fired += self._handle_part(name, node.advance(at))
            fired += self.run.advance(at)
        return fired

    def handle(self, event: Event) -> list[Firing]:
        """Handle a recorded event; return the firings."""
        fired = self.advance(event.at)
        for name, node in self.inner.items():
            fired += self._handle_part(name, node.handle(event))
        return [*fired, *(self.run.handle(event) if is_named(event.name, self.event_names) else ())]

    def emit(self, path: list[str], event: Event) -> list[Firing]:
        """Emit an occurrence of the part at the end of a path; return the firings."""
        name, *deeper = path
        fired = self.advance(event.at)
        if not deeper:
            return [*fired, *self.run.handle(Event(event.id, name, event.at, event.data))]
        return [*fired, *self._handle_part(name, self.inner[name].emit(deeper, event))]

    def _handle_part(self, name: str, firings: Iterable[Firing]) -> list[Firing]:
        events = [Event(firing.key, name, firing.at, firing.event or {}) for firing in firings]
        return [fired for event in events for fired in self.run.handle(event)]

    def skip(self, since: datetime, until: datetime) -> list[Firing]:
        """Return what fires although the source was not watched between these instants."""
        fired = [*self.advance(since), *self.run.skip(since, until, "down")]
        for name, (schedule, due) in self.schedules.items():
            # What was due meanwhile is emitted when the simulated daemon runs again.
            while due is not None and due <= until:
                fired += self.run.handle(Event(format_instant(due), name, due, {"due": format_instant(due)}))
                due = schedule.next_after(due)
            self.schedules[name] = schedule, due
        for name, node in self.inner.items():
            fired += self._handle_part(name, node.skip(since, until))
        return fired

    def unscripted(self, path: str) -> Iterator[str]:
        """Return the paths of the parts that only a script can emit for."""
        yield from (f"{path}.{name}" for name in sorted(self.emission))
        for name, node in self.inner.items():
            yield from node.unscripted(f"{path}.{name}")


@define
class ScriptedSources:
    """All sources of a simulated world."""

    _nodes: dict[Source, _Node] = field(factory=dict)
    _plain: set[Source] = field(factory=set)

    @classmethod
    def start(cls, sources: Mapping[Source, SourceTrigger], now: datetime) -> "ScriptedSources":
        """Return the sources in the state of their very first start."""
        nodes = {
            place: _Node.start(source, now) for place, source in sources.items() if isinstance(source, PatternTrigger)
        }
        return cls(nodes, set(sources.keys() - nodes.keys()))

    @property
    def has_patterns(self) -> bool:
        """Tell whether any source folds events; others ignore them."""
        return bool(self._nodes)

    def next_at(self) -> datetime | None:
        """Return when the passage of time alone makes a source fire or step; None for never."""
        if not self._nodes:
            return None
        times = (node.next_at() for node in self._nodes.values())
        return min((at for at in times if at is not None), default=None)

    def advance(self, until: datetime) -> list[Occurrence]:
        """Let time pass until an instant; return the occurrences."""
        return [
            occurrence for place, node in self._nodes.items() for occurrence in _occurrences(place, node.advance(until))
        ]

    def handle(self, event: Event) -> list[Occurrence]:
        """Handle a recorded event or the end of a run; return the occurrences."""
        return [
            occurrence for place, node in self._nodes.items() for occurrence in _occurrences(place, node.handle(event))
        ]

    def emit(self, emission: Occurrence) -> list[Occurrence]:
        """Emit an occurrence of a source that can't be played, or of a part of one; return the firings."""
        if (emission.job, emission.trigger) in self._plain:
            return [emission]
        trigger, *path = emission.trigger.split(".")
        node = self._nodes.get((emission.job, trigger))
        if node is None or not path or emission.trigger not in set(node.unscripted(trigger)):
            return []
        event = Event(emission.key, path[-1], emission.at, emission.event or {})
        return _occurrences((emission.job, trigger), node.emit(path, event))

    def skip(self, downtime: Span) -> list[Occurrence]:
        """Skip a downtime; return the occurrences after it."""
        return [
            occurrence
            for place, node in self._nodes.items()
            for occurrence in _occurrences(place, node.skip(downtime.since, downtime.until))
        ]

    def watching(self) -> list[Source]:
        """Return the sources that watch the world: only a script can emit for them."""
        parts = {(job, path) for (job, trigger), node in self._nodes.items() for path in node.unscripted(trigger)}
        return sorted(self._plain | parts)


def _occurrences(place: Source, firings: Iterable[Firing]) -> list[Occurrence]:
    return [Occurrence(*place, firing.key, firing.at, firing.event) for firing in firings]
