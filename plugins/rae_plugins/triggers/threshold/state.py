"""The rule by which a threshold fires: a pure fold over samples.

| phase   | meaning                                       | next phase                                             |
| ------- | --------------------------------------------- | ------------------------------------------------------ |
| unknown | no sample yet                                 | armed; beyond the level: fired, or with `at_start` pending |
| armed   | the value is on the good side                 | pending, when it is beyond the level                   |
| pending | it is beyond the level, not for long enough   | fired after `for`; armed when it is no longer beyond   |
| fired   | it has fired and has not come back to `clear` | armed, when it has come back to `clear`                |

It fires on the way from pending to fired and nowhere else, so between two crossings there is always a sample that had
cleared (hysteresis).

Only observed time counts towards `for`: the time between two consecutive samples that are both beyond. So it takes at
least two samples. Time that was not observed proves nothing: an unavailable sample, a suspend or a gap takes pending
back to armed, and leaves armed and fired alone. After a restart of the daemon pending goes on, and the time in between
does not count.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from attrs import evolve, frozen

from rae_auto.model.primitives.clock_jumps import has_slept
from rae_auto.model.primitives.instants import Moment, format_instant


class Phase(StrEnum):
    """The phases of a threshold."""

    UNKNOWN = "unknown"
    ARMED = "armed"
    PENDING = "pending"
    FIRED = "fired"


@frozen(kw_only=True)
class ThresholdRule:
    """The options that decide when a threshold fires.

    `level` and `clear` are in one unit; two consecutive samples are never further apart than `max_sample_gap`.
    """

    is_above: bool
    level: float
    clear: float
    duration: timedelta
    cooldown: timedelta
    at_start: bool
    max_sample_gap: timedelta

    def is_beyond(self, value: float) -> bool:
        """Return whether a value is beyond the level; the level itself is not."""
        return value > self.level if self.is_above else value < self.level

    def has_cleared(self, value: float) -> bool:
        """Return whether a value has come back so far that the threshold may fire again; `clear` itself has."""
        return value <= self.clear if self.is_above else value >= self.clear


@frozen(kw_only=True)
class ThresholdState:
    """The state between two samples.

    `since` is when the value went beyond the level, `time_beyond` how long it has been observed there. `mono` and
    `slept` are the clocks at the last sample; `mono` is None after a restart, because its origin may have changed.
    """

    phase: Phase = Phase.UNKNOWN
    since: datetime | None = None
    time_beyond: timedelta = timedelta(0)
    fired_at: datetime | None = None
    mono: float | None = None
    slept: float | None = None


@frozen
class Crossing:
    """A crossing of the level after which the value has been beyond it for long enough."""

    since: datetime
    at: datetime
    value: float

    @property
    def key(self) -> str:
        """The identity of the crossing."""
        return format_instant(self.since)


def apply_sample(
    state: ThresholdState, rule: ThresholdRule, value: float | None, now: Moment
) -> tuple[ThresholdState, Crossing | None]:
    """Return the state after a sample, and the crossing if it fires; `value` is None if it is unavailable."""
    is_continuous = _is_continuous(state, rule, now)
    elapsed = timedelta(0) if state.mono is None else timedelta(seconds=now.mono - state.mono)
    state = evolve(state, mono=now.mono, slept=now.slept)
    if state.phase is Phase.PENDING and (value is None or not is_continuous):
        state = _rearm(state)
    if value is None:
        return state, None
    state = _advance_phase(state, rule, value, elapsed, now.wall)
    if state.phase is Phase.PENDING and _is_due(state, rule, now.wall):
        assert state.since is not None
        fired = evolve(state, phase=Phase.FIRED, fired_at=now.wall, time_beyond=timedelta(0))
        return fired, Crossing(state.since, now.wall, value)
    return state, None


def _is_continuous(state: ThresholdState, rule: ThresholdRule, now: Moment) -> bool:
    """Return whether the machine and the daemon were awake since the last sample, as far as is known."""
    if state.slept is not None and has_slept(state.slept, now.slept):
        return False
    return state.mono is None or now.mono - state.mono <= rule.max_sample_gap.total_seconds()


def _advance_phase(
    state: ThresholdState, rule: ThresholdRule, value: float, elapsed: timedelta, now: datetime
) -> ThresholdState:
    """Return the state after a value, short of firing."""
    match state.phase:
        case Phase.FIRED:
            return _rearm(state) if rule.has_cleared(value) else state
        case _ if not rule.is_beyond(value):
            return _rearm(state)
        case Phase.PENDING:
            return evolve(state, time_beyond=state.time_beyond + elapsed)
        case Phase.UNKNOWN if not rule.at_start:
            return evolve(state, phase=Phase.FIRED, since=now)
    return evolve(state, phase=Phase.PENDING, since=now, time_beyond=timedelta(0))


def _rearm(state: ThresholdState) -> ThresholdState:
    return evolve(state, phase=Phase.ARMED, since=None, time_beyond=timedelta(0))


def _is_due(state: ThresholdState, rule: ThresholdRule, now: datetime) -> bool:
    if state.time_beyond < rule.duration:
        return False
    # A clock set back to before the last crossing must not make the cooldown longer.
    return state.fired_at is None or not state.fired_at <= now < state.fired_at + rule.cooldown
