"""An unusual rate of events, compared with the same hour of other days.

The state has, for each hour of the day, the number of watched days, the sum and the sum of squares of the events in it,
weighted by e^(-age / 28 days). A number of events is unusual if it is at least `count`, at least `factor` times the
mean, and at least `sigma` standard deviations above the mean. The deviation counts as at least the root of the mean,
which is that of independent events (a Poisson process), and as at least one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import sqrt
from typing import Any, ClassVar

from attrs import field, frozen
from attrs.validators import ge, le

from rae_auto.api.events import Event
from rae_auto.api.pattern import Firing, State, StepResult
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_plugins.triggers.usage.patterns.counting import MAX_COUNT
from rae_plugins.triggers.usage.patterns.options import LearningPattern, option_help
from rae_plugins.triggers.usage.patterns.usage_history import (
    SAVE_INTERVAL,
    DayRecord,
    UsageHistory,
    add_decayed,
    decay_factor,
)

SLOT_MINUTES = 60
SLOTS = 24

Table = Mapping[str, Any]


@frozen
class HourBaseline:
    """Mean and deviation of the events in an hour of the day, and the days on which they rest."""

    days: int
    mean: float
    deviation: float


@frozen(kw_only=True)
class SurgePattern(LearningPattern):
    """Fires with the event that makes an hour unusual, and then not for `cooldown`."""

    pattern: ClassVar[str] = "surge"

    count: int = field(
        default=5, validator=[ge(1), le(MAX_COUNT)], metadata=option_help("minimum number of events in the hour")
    )
    sigma: float = field(
        default=3.0,
        repr=False,
        validator=ge(0.0),
        metadata=option_help("minimum distance from the mean, in standard deviations"),
    )
    factor: float = field(
        default=2.0, repr=False, validator=ge(1.0), metadata=option_help("minimum number of events, in means")
    )
    cooldown: timedelta = field(
        default=timedelta(hours=1),
        converter=parse_duration,
        repr=False,
        metadata=option_help("minimum time between two firings"),
    )

    def warnings(self) -> tuple[str, ...]:
        """Return a warning if the job counts its own runs."""
        return (*super().warnings(), *self._own_run_warnings())

    def begin(self, now: datetime) -> StepResult:
        """Return the state before anything was learned."""
        record = UsageHistory(self._local_days, SLOT_MINUTES).begin(now)
        return StepResult({"record": record.document(), "table": _EMPTY, "fired": None}, (), now + SAVE_INTERVAL)

    def _learn(self, state: State, event: Event | None, now: datetime) -> StepResult:
        history, record = UsageHistory(self._local_days, SLOT_MINUTES), DayRecord.from_document(state["record"])
        finished, record = history.follow(record, event, now)
        for day_over in finished:
            state = {**state, "table": _learn_day(state["table"], day_over, history)}
        firings: tuple[Firing, ...] = ()
        if event is not None and self._matcher.matches(event):
            day, slot = self._local_days.slot_of(event.at, SLOT_MINUTES)
            # Of an hour that the clock shows twice, only the first is compared.
            if day == record.day and not self._local_days.is_shown_again(event.at):
                record = record.with_event(slot)
                firings = self._firings(state, event, slot, record.seen[slot])
        fired = format_instant(firings[0].at) if firings else state["fired"]
        return StepResult({**state, "record": record.document(), "fired": fired}, firings, now + SAVE_INTERVAL)

    def _firings(self, state: State, event: Event, slot: int, seen: int) -> tuple[Firing, ...]:
        baseline = _baseline(state["table"], slot)
        if baseline.days < self.warm_up:
            return ()
        threshold = max(baseline.mean + self.sigma * baseline.deviation, baseline.mean * self.factor, self.count)
        if seen < threshold:
            return ()
        if state["fired"] is not None and event.at - parse_instant(state["fired"]) < self.cooldown:
            return ()
        document = {
            "pattern": self.pattern,
            "of": self._matcher.label,
            "hour": self._local_days.slot_text(slot, SLOT_MINUTES),
            "seen": seen,
            "threshold": round(threshold, 2),
            "usual": round(baseline.mean, 2),
            "deviation": round(baseline.deviation, 2),
            "days": baseline.days,
            "data": dict(event.data),
        }
        return (Firing(event.id, event.at, document),)


_EMPTY: Table = {
    "last": None,
    "days": [0.0] * SLOTS,
    "sums": [0.0] * SLOTS,
    "squares": [0.0] * SLOTS,
    "counted": [0] * SLOTS,
}


def _learn_day(table: Table, record: DayRecord, history: UsageHistory) -> Table:
    """Return the table with one more day, for the hours that were watched."""
    factor, watched = decay_factor(table["last"], record.day), history.watched_slots(record)
    days = [float(slot in watched) for slot in range(SLOTS)]
    seen = [float(record.seen.get(slot, 0)) * day for slot, day in enumerate(days)]
    return {
        "last": record.day.isoformat(),
        "days": add_decayed(table["days"], factor, days),
        "sums": add_decayed(table["sums"], factor, seen),
        "squares": add_decayed(table["squares"], factor, [value * value for value in seen]),
        "counted": [count + int(day) for count, day in zip(table["counted"], days, strict=True)],
    }


def _baseline(table: Table, slot: int) -> HourBaseline:
    """Return the baseline of an hour. All days have decayed by the same factor, which cancels out."""
    days = table["days"][slot]
    mean = table["sums"][slot] / days if days else 0.0
    variance = table["squares"][slot] / days - mean * mean if days else 0.0
    return HourBaseline(table["counted"][slot], mean, sqrt(max(variance, mean, 1.0)))
