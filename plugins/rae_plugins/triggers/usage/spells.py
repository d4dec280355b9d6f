"""Spells without input: that one has become long, and that somebody is back."""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.fold import IDLE


@frozen
class Idle:
    """Fires once for each spell that has lasted `lasting`."""

    lasting: timedelta

    def begin(self, now: datetime) -> StepResult:
        """In use, as far as is known."""
        return StepResult({"spell": None})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """The part tells where a spell has become long enough; again, perhaps, after a restart."""
        if event is None or event.name != IDLE:
            return StepResult(state)
        if not event.data["idle"]:
            return StepResult({"spell": None})
        if state["spell"] is not None:
            return StepResult(state)
        explained = {"pattern": "idle", "for": format_duration(self.lasting), **event.data}
        return StepResult({"spell": event.data["since"]}, (Firing(event.id, event.at, explained),))


@frozen
class Return:
    """Fires at the first input after a spell of at least `lasting`."""

    lasting: timedelta

    def begin(self, now: datetime) -> StepResult:
        """Nothing is kept: the part tells the whole spell at its end."""
        return StepResult({})

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Its length is between the last input before and the first one after."""
        if event is None or event.name != IDLE or event.data["idle"]:
            return StepResult(state)
        length = parse_instant(event.data["until"]) - parse_instant(event.data["since"])
        if length < self.lasting:
            return StepResult(state)
        explained = {"pattern": "return", "for": format_duration(self.lasting), **event.data}
        return StepResult(state, (Firing(event.id, event.at, explained),))
