"""Triggers that look for a pattern in events: a pure fold, so that they can be simulated, explained and taken up again.

A pattern is a state, and a function from a state and the next thing that happens to the next state and what is to be
fired. Time is such a thing too: each step may say when it wants to be asked again though nothing happens. `PatternRun`
runs a pattern over events in the order of time; the daemon and the simulator feed the same `PatternRun`.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import define, frozen

from rae_auto.api.events import Event
from rae_auto.api.trigger import SourceTrigger, Trigger, TriggerContext
from rae_auto.model.primitives.instants import format_instant

State = Mapping[str, Any]
"""What a pattern remembers, in JSON values."""

GAP = "gap"
"""The name of the event by which a pattern learns that nobody watched for a while: `at` is when that began, the step's
`now` when it ended, `data["why"]` is `slept` or `down`.

`set_back` says that the clock was set back: from `at`, which is later, to `now`; no time has passed. Instants that a
state holds are to be moved by as much, lest they lie in the future until the clock comes there again."""


@frozen
class Firing:
    """An occurrence that a pattern wants told. `key` must follow from the events alone, never from the clock."""

    key: str
    at: datetime
    event: Mapping[str, Any] | None = None


@frozen
class StepResult:
    """Result of a step. At `wake_at` the next step is taken, if no event comes before."""

    state: State
    firings: tuple[Firing, ...] = ()
    wake_at: datetime | None = None


class PatternTrigger(SourceTrigger):
    """A source that looks for a pattern in events. Make it `attrs.frozen`, and write `begin` and `step`."""

    def event_names(self) -> tuple[str, ...]:
        """Return the names of the recorded events that the pattern reads; `*` stands for any text."""
        return ()

    def parts(self) -> Mapping[str, Trigger]:
        """Triggers inside of it, by name: what each tells comes as an event of that name, with its key as id."""
        return {}

    @abstractmethod
    def begin(self, now: datetime) -> StepResult:
        """Return the state of the very first start; nothing fires then. Pure."""

    @abstractmethod
    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings after an event, or after time has passed until `now` (None). Pure.

        Events come in the order in which they are told: one may bear an instant before that of the last. What was
        recorded while nobody watched comes after the gap.
        """

    def upstream_jobs(self) -> tuple[str, ...]:
        """Return the jobs whose ends its parts wait for."""
        inner = (part.upstream_jobs() for part in self.parts().values() if isinstance(part, SourceTrigger))
        return tuple(dict.fromkeys(job for jobs in inner for job in jobs))

    async def watch(self, watch: TriggerContext) -> None:
        """Fold what is recorded and what the parts tell, durably: nothing counts twice, whenever the daemon ends."""
        # Late, since what plays a pattern knows it.
        from rae_auto.runtime.pattern_runner import PatternRunner

        await PatternRunner(self, watch).run()


@define
class PatternRun:
    """A pattern at work: where it stands, and when it wants to be asked again."""

    pattern: PatternTrigger
    state: State
    wake_at: datetime | None = None

    @classmethod
    def begun(cls, pattern: PatternTrigger, now: datetime) -> "PatternRun":
        """At its very first start."""
        progress = pattern.begin(now)
        return cls(pattern, progress.state, progress.wake_at)

    def advance(self, until: datetime) -> list[Firing]:
        """Let time pass until an instant; what fires on the way. Errors: ValueError where the pattern stands still."""
        fired: list[Firing] = []
        while self.wake_at is not None and self.wake_at <= until:
            at, self.wake_at = self.wake_at, None
            fired += self._take(self.pattern.step(self.state, None, at))
            if self.wake_at is not None and self.wake_at <= at:
                # It would stand still for ever.
                raise ValueError(f"{self.pattern.type}: was asked at {at}, and wants to be asked again no later")
        return fired

    def hear(self, event: Event) -> list[Firing]:
        """Let time pass until an event, take it in, and return the firings."""
        return [*self.advance(event.at), *self._take(self.pattern.step(self.state, event, event.at))]

    def miss(self, since: datetime, until: datetime, why: str) -> list[Firing]:
        """Nobody watched between these instants, or the clock was set back from one to the other; what fires."""
        fired = self.advance(since)
        gap = Event(format_instant(since), GAP, since, {"why": why})
        return [*fired, *self._take(self.pattern.step(self.state, gap, until))]

    def _take(self, progress: StepResult) -> tuple[Firing, ...]:
        self.state, self.wake_at = progress.state, progress.wake_at
        return progress.firings
