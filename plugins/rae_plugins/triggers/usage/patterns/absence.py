"""Absence of something for a time: a dead man's switch."""

from datetime import datetime, timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.toolkit.validators import at_least
from rae_plugins.triggers.usage.patterns.matching import is_gap
from rae_plugins.triggers.usage.patterns.options import MIN_PERIOD, EventPattern, option_help

_MIN_SAVE_INTERVAL, _MAX_SAVE_INTERVAL = timedelta(minutes=1), timedelta(hours=1)
"""Bounds of the interval at which progress is saved: a twentieth of `for`. A crash costs no more than this."""


@frozen(kw_only=True)
class AbsencePattern(EventPattern):
    """Fires when no matching event came for `for`, once for each absence.

    Only time in which the machine was awake and the daemon watched counts: a gap stops the clock, and an event that was
    recorded during a gap resets the clock to the end of the gap.

    State: the clock runs from `since`; `watching` is the end of the last gap; `last` and `id` are of the last event.
    """

    pattern: ClassVar[str] = "absence"

    for_: timedelta = field(
        converter=parse_duration, validator=at_least(MIN_PERIOD), metadata=option_help("time without an event")
    )

    def begin(self, now: datetime) -> StepResult:
        """Return the state at the first start, at which the clock starts."""
        since = format_instant(now)
        return self._wait({"since": since, "watching": since, "last": None, "id": since, "fired": False}, now)

    def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
        """Return the next state, and a firing once the clock has run for `for`."""
        if event is not None and is_gap(event):
            since = parse_instant(state["since"])
            missed = now - max(event.at, since)
            # If the clock was set back, the time it showed before moves with it.
            since += now - event.at if now < event.at else max(missed, timedelta(0))
            return self._wait({**state, "since": format_instant(since), "watching": format_instant(now)}, now)
        if event is not None and self._matcher.matches(event):
            since = max(event.at, parse_instant(state["watching"]))
            if state["last"] is not None and event.at < parse_instant(state["last"]):
                return self._wait(state, now)
            seen = {"since": format_instant(since), "last": format_instant(event.at), "id": event.id, "fired": False}
            return self._wait({**state, **seen}, now)
        if state["fired"] or now < parse_instant(state["since"]) + self.for_:
            return self._wait(state, now)
        return StepResult({**state, "fired": True}, (self._firing(state, now),))

    def _firing(self, state: State, now: datetime) -> Firing:
        document = {
            "pattern": self.pattern,
            "of": self._matcher.label,
            "for": format_duration(self.for_),
            "last": state["last"],
            "since": state["since"],
        }
        return Firing(f"after-{state['id']}", now, document)

    def _wait(self, state: State, now: datetime) -> StepResult:
        if state["fired"]:
            return StepResult(state)
        due = parse_instant(state["since"]) + self.for_
        interval = min(max(self.for_ / 20, _MIN_SAVE_INTERVAL), _MAX_SAVE_INTERVAL)
        return StepResult(state, (), due if due <= now + interval else now + interval)
