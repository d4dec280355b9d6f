"""Time zones by name, with one clear error for every bad name; and times as people read them in a zone."""

import os
from collections.abc import Callable
from datetime import datetime, tzinfo
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.names import did_you_mean

LOCAL = "local"
_LOCALTIME = Path("/etc/localtime")
_TIMEZONE = Path("/etc/timezone")


def zone(name: str) -> ZoneInfo:
    """Return the IANA zone of this name, or the machine's for "local". Raises ValueError."""
    return _named(local_zone_name() if name == LOCAL else name)


@lru_cache(maxsize=256)
def _named(name: str) -> ZoneInfo:
    if len(name) <= 64 and name.isascii() and name.isprintable() and not name.startswith((".", "/")):
        # zoneinfo itself answers bad names with KeyError, OSError, IsADirectoryError or ValueError.
        try:
            return ZoneInfo(name)
        except (KeyError, OSError, ValueError):
            pass
    shown = quote(name if len(name) <= 60 else name[:60] + "…")
    near = did_you_mean(name[:64], available_timezones()) or '; use an IANA name, as in "Europe/Berlin"'
    raise ValueError(f"unknown time zone {shown}{near}")


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


def local_zone_name() -> str:
    """Return the machine's zone: TZ, else the link /etc/localtime, else /etc/timezone, else "UTC"."""
    variable = os.environ.get("TZ", "").removeprefix(":")
    return _after_zoneinfo(variable) or variable or _from_link() or _from_file() or "UTC"


def _from_link() -> str:
    try:
        return _after_zoneinfo(str(_LOCALTIME.readlink()))
    except OSError:
        return ""


def _from_file() -> str:
    try:
        return _TIMEZONE.read_text("ascii").strip()
    except (OSError, ValueError):
        return ""


def _after_zoneinfo(path: str) -> str:
    return path.partition("zoneinfo/")[2]
