"""Instants for people: in one time zone, marked where it isn't the machine's, with the distance from now."""

import re
from datetime import datetime, timedelta, tzinfo

from rae_auto.model.primitives.formatting import format_elapsed, format_local_time

AWAY = timedelta(hours=8)
"""Time without a look after which a person has been away."""


DUE_NOW = timedelta(minutes=1)
"""Time for which a start is due now; after it, it is late."""


def local_time(iso: str | None, zone: tzinfo | None, now: datetime) -> str:
    """Return `18:00:05`, with the date unless it is today, and the zone where it isn't the machine's; `-` for None.

    None as the zone stands for the machine's.
    """
    return "-" if iso is None else format_local_time(datetime.fromisoformat(iso), zone, now)


def dated_time(iso: str | None, zone: tzinfo | None) -> str:
    """Return `2026-11-28 18:00:05`, with the zone where it isn't the machine's; `-` for None.

    It is the same whenever it is read. None as the zone stands for the machine's.
    """
    if iso is None:
        return "-"
    at = datetime.fromisoformat(iso)
    return format_local_time(at, zone, at + timedelta(days=2))


def relative_time(iso: str | None, now: datetime) -> str:
    """Return `in 4 min` or `3 h ago`; an empty text for None."""
    if iso is None:
        return ""
    seconds = (datetime.fromisoformat(iso) - now).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = format_elapsed(int(abs(seconds)), parts=1)
    return f"in {distance}" if seconds >= 0 else f"{distance} ago"


def due_time(iso: str, now: datetime) -> str:
    """Return the distance of a start to come, which is "due now" once its instant is there: `in 4 min`."""
    seconds = (datetime.fromisoformat(iso) - now).total_seconds()
    if seconds >= 1:
        return relative_time(iso, now)
    return "due now" if seconds > -DUE_NOW.total_seconds() else f"due {relative_time(iso, now)}"


def local_and_relative_time(iso: str | None, zone: tzinfo | None, now: datetime) -> str:
    """Return `18:00:05 (in 4 min)`; `-` for None."""
    return "-" if iso is None else f"{local_time(iso, zone, now)} ({relative_time(iso, now)})"


_DISTANCE = re.compile(r"(\d\d:\d\d:\d\d(?: [A-Z0-9+-]+)?) \((?:in [^()]+|[^()]+ ago|now)\)")


def without_distance(text: str) -> str:
    """Return a text with `18:00:05` for `18:00:05 (in 4 min)`, where both are too long."""
    return _DISTANCE.sub(r"\1", text)


def describe_instant(instant: datetime, zone: tzinfo, now: datetime) -> str:
    """Return an instant in full: `Sat 2026-11-28 18:00:05 CET (in 4 min)`."""
    text = instant.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")
    return f"{text} ({relative_time(instant.isoformat(), now)})"


def describe_day_and_time(instant: datetime, zone: tzinfo) -> str:
    """Return an instant that is read later, perhaps elsewhere: `Sat 2026-11-28 18:00`."""
    return f"{instant.astimezone(zone):%a %Y-%m-%d %H:%M}"
