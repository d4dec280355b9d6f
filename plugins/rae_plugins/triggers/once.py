"""Fires once, at an instant."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import ClassVar

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.instants import as_utc
from rae_auto.model.units import parse_duration
from rae_auto.model.zones import zone


def _time(value: object) -> datetime:
    """A time as written, with or without an offset."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    raise ValueError(f"{value!r:.60} is no instant; write ISO 8601, such as 2026-01-31T18:00:00+01:00")


def _zone_name(value: str | None) -> str | None:
    return None if value is None else zone(value).key


@frozen(kw_only=True)
class OnceTrigger(ScheduleTrigger):
    """Fires once. A time without an offset is one on the clocks of `timezone`."""

    type: ClassVar[str] = "once"

    at: datetime = field(converter=_time, metadata={"help": "the instant, in ISO 8601"})
    timezone: str | None = field(
        default=None,
        converter=_zone_name,
        metadata={"help": "zone of a time without offset; by default the configured one"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "up to how much later the run may start"}
    )

    def next_after(self, instant: datetime) -> datetime | None:
        """The instant, if it is still to come."""
        at = as_utc(self.at if self.at.tzinfo else self.at.replace(tzinfo=zone(self.timezone or "local")))
        return at if at > instant else None


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """The once trigger."""
    return [OnceTrigger]
