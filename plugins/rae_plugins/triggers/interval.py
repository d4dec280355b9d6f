"""The interval trigger: fires at equal intervals of elapsed time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import as_utc, parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.validators import at_least

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MIN_INTERVAL = timedelta(milliseconds=1)
_END = datetime.max.replace(tzinfo=UTC)


def _parse_start(value: object) -> datetime:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, str):
        return parse_instant(value)
    raise ValueError(
        f"invalid instant {quote_short(str(value))}; write ISO 8601 with an offset, as in 2026-01-31T18:00:00+01:00"
    )


@frozen(kw_only=True)
class IntervalTrigger(ScheduleTrigger):
    """Fires at `from` and at equal intervals of elapsed time before and after it, whatever the wall clock shows.

    The phase is fixed by `from`, so a restart does not shift it.
    """

    type: ClassVar[str] = "interval"
    example: ClassVar[Mapping[str, Any]] = {"every": "5m"}

    every: timedelta = field(
        converter=parse_duration, validator=at_least(MIN_INTERVAL), metadata={"help": "time from one start to the next"}
    )
    from_: datetime = field(
        default=EPOCH,
        converter=_parse_start,
        alias="from_",
        metadata={"help": "an instant at which it fires, before or after now"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of a start"}
    )

    def summary(self) -> str:
        return summarize("every", self.every)

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the next multiple of `every` from `from`."""
        steps = (instant - self.from_) // self.every + 1
        if steps > (_END - self.from_) // self.every:
            return None
        return self.from_ + steps * self.every


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the interval trigger."""
    return [IntervalTrigger]
