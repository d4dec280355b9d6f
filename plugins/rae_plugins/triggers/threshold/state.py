"""When a threshold fires: a pure fold over samples.

A trigger is *unknown* until its first sample, *armed* while the value is on the good side, *pending* while it is beyond
the level and not yet for long enough, and *fired* from then on until the value has come back to `clear`. It fires on
the way from pending to fired and nowhere else, so between two firings there is always a sample that had cleared.

Only what was observed counts towards `for`: the time between two samples that follow one another and are both beyond.
So it takes two samples at least.
What was not observed says nothing: a sample that is unavailable, a suspend, or a gap takes pending back to armed, and
leaves armed and fired alone. After a restart of the daemon pending goes on, and the time between counts for nothing.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from attrs import evolve, frozen

from rae_auto.model.primitives.instants import Moment, format_instant

LEAST_SLEEP = 1.0
"""Seconds of suspend that count as one; less is two clocks read one after the other."""


class Phase(StrEnum):
    """Where a threshold stands."""

    UNKNOWN = "unknown"
    ARMED = "armed"
    PENDING = "pending"
    FIRED = "fired"


@frozen(kw_only=True)
class Rule:
    """What the options come to. `level` and `clear` are in one unit; `gap` is more than lies between two samples."""

    is_above: bool
    level: float
    clear: float
    lasting: timedelta
    cooldown: timedelta
    at_start: bool
    gap: timedelta

    def is_beyond(self, value: float) -> bool:
        """Whether a value is beyond the level; the level itself is not."""
        return value > self.level if self.is_above else value < self.level

    def has_cleared(self, value: float) -> bool:
        """Whether a value is back where the threshold may fire anew; `clear` itself is."""
        return value <= self.clear if self.is_above else value >= self.clear


@frozen(kw_only=True)
class State:
    """What is remembered between two samples.

    `since` is when the value went beyond, `held` how long it has been seen there; `mono` and `slept` are of the last
    sample, and `mono` is None after a restart, since its origin may be another.
    """

    phase: Phase = Phase.UNKNOWN
    since: datetime | None = None
    held: timedelta = timedelta(0)
    fired_at: datetime | None = None
    mono: float | None = None
    slept: float | None = None


@frozen
class Firing:
    """A threshold was crossed, and the value has been beyond for long enough."""

    since: datetime
    at: datetime
    value: float

    @property
    def key(self) -> str:
        """The identity of the crossing."""
        return format_instant(self.since)


def sampled(state: State, rule: Rule, value: float | None, now: Moment) -> tuple[State, Firing | None]:
    """What comes of a sample; `value` is None where there was none to be had."""
    is_unbroken = _is_unbroken(state, rule, now)
    elapsed = timedelta(0) if state.mono is None else timedelta(seconds=now.mono - state.mono)
    state = evolve(state, mono=now.mono, slept=now.slept)
    if state.phase is Phase.PENDING and (value is None or not is_unbroken):
        state = _armed(state)
    if value is None:
        return state, None
    state = _moved(state, rule, value, elapsed, now.wall)
    if state.phase is Phase.PENDING and _is_due(state, rule, now.wall):
        assert state.since is not None
        fired = evolve(state, phase=Phase.FIRED, fired_at=now.wall, held=timedelta(0))
        return fired, Firing(state.since, now.wall, value)
    return state, None


def _is_unbroken(state: State, rule: Rule, now: Moment) -> bool:
    """Whether the machine and the daemon were awake since the last sample, as far as that can be told."""
    if state.slept is not None and now.slept - state.slept >= LEAST_SLEEP:
        return False
    return state.mono is None or now.mono - state.mono <= rule.gap.total_seconds()


def _moved(state: State, rule: Rule, value: float, elapsed: timedelta, now: datetime) -> State:
    """The state with a value taken in; it doesn't fire yet."""
    match state.phase:
        case Phase.FIRED:
            return _armed(state) if rule.has_cleared(value) else state
        case _ if not rule.is_beyond(value):
            return _armed(state)
        case Phase.PENDING:
            return evolve(state, held=state.held + elapsed)
        case Phase.UNKNOWN if not rule.at_start:
            return evolve(state, phase=Phase.FIRED, since=now)
    return evolve(state, phase=Phase.PENDING, since=now, held=timedelta(0))


def _armed(state: State) -> State:
    return evolve(state, phase=Phase.ARMED, since=None, held=timedelta(0))


def _is_due(state: State, rule: Rule, now: datetime) -> bool:
    if state.held < rule.lasting:
        return False
    # A clock that was set back to before the last firing must not make the cool-down any longer than it is.
    return state.fired_at is None or not state.fired_at <= now < state.fired_at + rule.cooldown
