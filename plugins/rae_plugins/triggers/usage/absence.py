"""Nothing of something for a time: a dead man's switch."""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration
from rae_plugins.triggers.usage.fold import Match, is_gap

_SOONEST, _LATEST = timedelta(minutes=1), timedelta(hours=1)


@frozen
class Absence:
    """Fires when nothing matching came for `lasting`, once for each absence.

    Only time counts in which the machine was awake and the daemon watched: a gap stops the clock, and what was recorded
    during it sets the clock back to the gap's end.
    """

    matches: Match
    lasting: timedelta

    def begin(self, now: datetime) -> StepResult:
        """The clock starts with the watching."""
        since = format_instant(now)
        return self._waiting({"since": since, "watching": since, "last": None, "id": since, "fired": False}, now)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """`since` is so far back as the clock has run; `watching` since when there was no gap."""
        if event is not None and is_gap(event):
            since = parse_instant(state["since"])
            missed = now - max(event.at, since)
            # Where the clock was set back, what it showed then moves with it.
            since += now - event.at if now < event.at else max(missed, timedelta(0))
            return self._waiting({**state, "since": format_instant(since), "watching": format_instant(now)}, now)
        if event is not None and self.matches(event):
            since = max(event.at, parse_instant(state["watching"]))
            if state["last"] is not None and event.at < parse_instant(state["last"]):
                return self._waiting(state, now)
            seen = {"since": format_instant(since), "last": format_instant(event.at), "id": event.id, "fired": False}
            return self._waiting({**state, **seen}, now)
        if state["fired"] or now < parse_instant(state["since"]) + self.lasting:
            return self._waiting(state, now)
        return StepResult({**state, "fired": True}, (self._firing(state, now),))

    def _firing(self, state: State, now: datetime) -> Firing:
        explained = {
            "pattern": "absence",
            "of": self.matches.shown,
            "for": format_duration(self.lasting),
            "last": state["last"],
            "since": state["since"],
        }
        return Firing(f"after-{state['id']}", now, explained)

    def _waiting(self, state: State, now: datetime) -> StepResult:
        if state["fired"]:
            return StepResult(state)
        due = parse_instant(state["since"]) + self.lasting
        # Each time it is asked it is kept how far it has come, so that a crash costs no more than this.
        step = min(max(self.lasting / 20, _SOONEST), _LATEST)
        return StepResult(state, (), due if due <= now + step else now + step)
