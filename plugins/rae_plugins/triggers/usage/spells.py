"""Spells without input: that one has become long, and that somebody is back."""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, Progress, State
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.fold import IDLE


@frozen
class Idle:
    """Fires once for each spell that has lasted `lasting`."""

    lasting: timedelta

    def begin(self, now: datetime) -> Progress:
        """In use, as far as is known."""
        return Progress({"spell": None})

    def step(self, state: State, event: Event | None, now: datetime) -> Progress:
        """The part tells where a spell has become long enough; again, perhaps, after a restart."""
        if event is None or event.name != IDLE:
            return Progress(state)
        if not event.data["idle"]:
            return Progress({"spell": None})
        if state["spell"] is not None:
            return Progress(state)
        explained = {"pattern": "idle", "for": format_duration(self.lasting), **event.data}
        return Progress({"spell": event.data["since"]}, (Firing(event.id, event.at, explained),))


@frozen
class Return:
    """Fires at the first input after a spell of at least `lasting`."""

    lasting: timedelta

    def begin(self, now: datetime) -> Progress:
        """Nothing is kept: the part tells the whole spell at its end."""
        return Progress({})

    def step(self, state: State, event: Event | None, now: datetime) -> Progress:
        """Its length is between the last input before and the first one after."""
        if event is None or event.name != IDLE or event.data["idle"]:
            return Progress(state)
        length = parse_instant(event.data["until"]) - parse_instant(event.data["since"])
        if length < self.lasting:
            return Progress(state)
        explained = {"pattern": "return", "for": format_duration(self.lasting), **event.data}
        return Progress(state, (Firing(event.id, event.at, explained),))
