"""Instants for people: in one time zone, marked where it isn't the machine's, with the distance from now."""

from datetime import UTC, datetime, tzinfo

from rae_auto.model.primitives.formatting import format_elapsed

_shown_zone: tzinfo | None = None


def show_times_in(zone: tzinfo | None) -> None:
    """Show all times of this process in a zone; None stands for the machine's."""
    global _shown_zone
    _shown_zone = zone


def local_time(iso: str | None, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """Return `18:00:05`, with the date unless it is today, and the zone where it isn't the machine's; `-` for None."""
    if iso is None:
        return "-"
    zone = zone or _shown_zone
    instant = datetime.fromisoformat(iso).astimezone(zone)
    today = (now or datetime.now(UTC)).astimezone(zone).date()
    is_marked = instant.utcoffset() != instant.astimezone().utcoffset()
    text = instant.strftime("%H:%M:%S" if instant.date() == today else "%Y-%m-%d %H:%M:%S")
    return f"{text} {instant.tzname()}" if is_marked else text


def relative_time(iso: str | None, now: datetime | None = None) -> str:
    """Return `in 4 min` or `3 h ago`; an empty text for None."""
    if iso is None:
        return ""
    seconds = (datetime.fromisoformat(iso) - (now or datetime.now(UTC))).total_seconds()
    if abs(seconds) < 1:
        return "now"
    distance = format_elapsed(int(abs(seconds)), parts=1)
    return f"in {distance}" if seconds >= 0 else f"{distance} ago"


def local_and_relative_time(iso: str | None, now: datetime | None = None, zone: tzinfo | None = None) -> str:
    """Return `18:00:05 (in 4 min)`; `-` for None."""
    return "-" if iso is None else f"{local_time(iso, now, zone)} ({relative_time(iso, now)})"


def describe_instant(instant: datetime, zone: tzinfo, now: datetime) -> str:
    """Return an instant in full: `Sat 2026-11-28 18:00:05 CET (in 4 min)`."""
    text = instant.astimezone(zone).strftime("%a %Y-%m-%d %H:%M:%S %Z")
    return f"{text} ({relative_time(instant.isoformat(), now)})"
