"""Fires again and again after the same time."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.instants import as_utc, parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.validators import at_least

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHORTEST = timedelta(milliseconds=1)
_END = datetime.max.replace(tzinfo=UTC)


def _instant(value: object) -> datetime:
    if isinstance(value, datetime):
        return as_utc(value)
    if isinstance(value, str):
        return parse_instant(value)
    raise ValueError(f"{value!r:.60} is no instant; write ISO 8601 with an offset: 2026-01-31T18:00:00+01:00")


@frozen(kw_only=True)
class IntervalTrigger(ScheduleTrigger):
    """Fires at `from` and every so much elapsed time before and after it, whatever the clock on the wall does.

    The phase is fixed by `from`, so a restart doesn't shift it.
    """

    type: ClassVar[str] = "interval"

    every: timedelta = field(
        converter=parse_duration, validator=at_least(SHORTEST), metadata={"help": "how long from one to the next"}
    )
    from_: datetime = field(
        default=EPOCH, converter=_instant, alias="from_", metadata={"help": "an instant at which it fires"}
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "up to how much later a run may start"}
    )

    def next_after(self, instant: datetime) -> datetime | None:
        """The next multiple of `every` from `from`."""
        steps = (instant - self.from_) // self.every + 1
        if steps > (_END - self.from_) // self.every:
            return None
        return self.from_ + steps * self.every


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """The interval trigger."""
    return [IntervalTrigger]
