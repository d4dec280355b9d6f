"""The once trigger: fires once, at an instant."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

from attrs import field, frozen

from rae_auto.api import ScheduleTrigger
from rae_auto.hookspecs import hookimpl
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.primitives.zones import zone
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.validators import zone_name

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _parse_time(value: object) -> datetime:
    """Return a time as written, with or without an offset."""
    if isinstance(value, str):
        with suppress(ValueError):
            value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return value
    raise ValueError(f"invalid time {quote_short(str(value))}; write ISO 8601, as in 2026-01-31T18:00:00+01:00")


@frozen(kw_only=True)
class OnceTrigger(ScheduleTrigger):
    """Fires once. A time without an offset is a wall time in `timezone`."""

    type: ClassVar[str] = "once"
    example: ClassVar[Mapping[str, Any]] = {"at": "2030-01-31T18:00"}

    at: datetime = field(converter=_parse_time, metadata={"help": "when to fire, in ISO 8601"})
    timezone: str | None = field(
        default=None,
        converter=zone_name,
        metadata={"help": "time zone of a time without an offset; default: the configured one"},
    )
    jitter: timedelta = field(
        default=timedelta(0), converter=parse_duration, metadata={"help": "longest random delay of the start"}
    )

    def summary(self) -> str:
        at = self.at.astimezone(zone(self.timezone or "local")) if self.at.tzinfo else self.at
        has_seconds = at.second or at.microsecond
        return summarize(self.type, at.isoformat(" ", "seconds" if has_seconds else "minutes"))

    def next_after(self, instant: datetime) -> datetime | None:
        """Return the instant, if it is still to come."""
        at = as_utc(self.at) if self.at.tzinfo else _resolve_wall_time(self.at, zone(self.timezone or "local"))
        return at if at > instant else None


def _resolve_wall_time(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant at which the clock shows this time or, after a gap, a later one."""
    # lazy: a time with an offset needs nothing of cron
    from rae_plugins.triggers.cron.clock_changes import find_next_fixed

    second = wall.replace(microsecond=0)
    instant = find_next_fixed(lambda _: second, zone, EPOCH)
    assert instant is not None
    return instant + timedelta(microseconds=wall.microsecond)


@hookimpl
def rae_triggers() -> list[type[ScheduleTrigger]]:
    """Return the once trigger."""
    return [OnceTrigger]
