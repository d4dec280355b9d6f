"""Time zones by name, with one clear error for every bad name; and times as people read them in a zone."""

from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.zone_sources.local_zone import LOCAL, find_local_zone
from rae_auto.model.primitives.zone_sources.zone_names import load_zone, suggest_zone

__all__ = ["LOCAL", "format_local_time", "time_format", "zone"]


def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name or a rule of POSIX, or the machine's for "local". Raises ValueError."""
    return find_local_zone().load() if name == LOCAL else _named(name)


@lru_cache(maxsize=256)
def _named(name: str) -> ZoneInfo:
    shown = quote(name if len(name) <= 60 else name[:60] + "…")
    try:
        found = load_zone(name)
    except ValueError as error:
        raise ValueError(f"time zone {shown} {error}") from None
    if found is None:
        raise ValueError(f"unknown time zone {shown}{suggest_zone(name)}")
    return found


def format_local_time(instant: datetime, zone: tzinfo | None, now: datetime) -> str:
    """Return an instant for people: `18:00:05`, with the date unless it is today.

    It is by the clock of `zone`, which is named where it isn't the machine's; None stands for the machine's.
    """
    local, today = instant.astimezone(zone), now.astimezone(zone).date()
    is_marked = local.utcoffset() != instant.astimezone().utcoffset()
    text = local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")
    return f"{text} {local.tzname()}" if is_marked else text


def time_format(zone: ZoneInfo, now: datetime, *, local: bool) -> Callable[[datetime], str]:
    """Return how instants are written in sentences: as people read them now, or in full with the offset of the zone."""
    if local:
        return lambda instant: format_local_time(instant, zone, now)
    return lambda instant: instant.astimezone(zone).isoformat(" ", "seconds")
