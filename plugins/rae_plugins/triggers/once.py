"""Fires once, at an instant."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.validators import zone_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(value: object) -> datetime:
    """A time as written, with or without an offset."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    raise ValueError(f"{value!r:.60} is no instant; write ISO 8601, such as 2026-01-31T18:00:00+01:00")


@frozen(kw_only=True)
class OnceTrigger(ScheduleTrigger):
    """Fires once. A time without an offset is one on the clocks of `timezone`."""

    type: ClassVar[str] = "once"

    at: datetime = field(converter=_time, metadata={"help": "the instant, in ISO 8601"})
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "zone of a time without offset; by default the configured one"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "up to how much later the run may start"}
    )

    def next_after(self, instant: datetime) -> datetime | None:
        """The instant, if it is still to come."""
        at = as_utc(self.at) if self.at.tzinfo else _on_the_clock(self.at, zone(self.timezone or "local"))
        return at if at > instant else None


def _on_the_clock(wall: datetime, place: ZoneInfo) -> datetime:
    """The first instant at which the clock shows this time or, where it is set forward past it, a later one."""
    # Late: an instant with an offset needs nothing of cron.
    from rae_plugins.triggers.cron.clock_changes import next_fixed

    second = wall.replace(microsecond=0)
    found = next_fixed(lambda _: second, place, EPOCH)
    assert found is not None
    return found + timedelta(microseconds=wall.microsecond)


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """The once trigger."""
    return [OnceTrigger]
