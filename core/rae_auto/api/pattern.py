"""The contract of patterns: triggers that look for something in events, as a pure fold.

A pattern is a state, and a function from a state and the next event to the next state and the occurrences that it
fires. Time is an event too: each step may say when the next one is due though nothing happens. Because it is pure, a
pattern can be simulated, explained and continued after a restart. `rae_auto.toolkit.pattern_run.PatternRun` plays a
pattern over events in the order of time; the daemon and the simulator feed the same one.
"""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.trigger import SourceTrigger, Trigger, TriggerContext

State = Mapping[str, Any]
"""The memory of a pattern, in JSON values."""

GAP = "gap"
"""The name of the event that reports a time without a watch to a pattern: `at` is when that began, the step's
`now` when it ended, `data["why"]` is `slept` or `down`.

`set_back` says that the clock was set back: from `at`, which is later, to `now`; no time has passed. Instants that a
state holds must be moved by as much, or they lie in the future until the clock comes there again."""


@frozen
class Firing:
    """An occurrence that a pattern emits. `key` must follow from the events alone, never from the clock."""

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
        """Return the triggers inside it by name. An occurrence of one is an event of that name; its key is its id."""
        return {}

    @abstractmethod
    def begin(self, now: datetime) -> StepResult:
        """Return the state of the first start; nothing fires then. Pure."""

    @abstractmethod
    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state and firings after an event, or after time has passed until `now` (None). Pure.

        Events come in the order in which they are reported: one may have an earlier instant than the last. What was
        recorded without a watch comes after the gap.
        """

    def upstream_jobs(self) -> tuple[str, ...]:
        """Return the jobs whose ends its parts wait for."""
        inner = (part.upstream_jobs() for part in self.parts().values() if isinstance(part, SourceTrigger))
        return tuple(dict.fromkeys(job for jobs in inner for job in jobs))

    async def watch(self, context: TriggerContext) -> None:
        """Run the pattern durably: no event counts twice, at whichever moment the daemon ends."""
        await context.run_pattern(self, context)
