"""Instants for people: in the local zone, with a hint how far away they are."""

from datetime import UTC, datetime


def local_time(iso: str | None, now: datetime | None = None) -> str:
    """`18:00:05`, with the date where it isn't today; `-` for None."""
    if iso is None:
        return "-"
    instant = datetime.fromisoformat(iso).astimezone()
    today = (now or datetime.now(UTC)).astimezone().date()
    return instant.strftime("%H:%M:%S" if instant.date() == today else "%Y-%m-%d %H:%M:%S")


def relative(iso: str | None, now: datetime | None = None) -> str:
    """`in 4 min`, `3 h ago`; empty for None."""
    if iso is None:
        return ""
    seconds = (datetime.fromisoformat(iso) - (now or datetime.now(UTC))).total_seconds()
    span = _span(abs(seconds))
    return f"in {span}" if seconds >= 0 else f"{span} ago"


def _span(seconds: float) -> str:
    for size, unit in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size or (size < 86400 and seconds >= size):
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def both(iso: str | None, now: datetime | None = None) -> str:
    """`18:00:05 (in 4 min)`."""
    return "-" if iso is None else f"{local_time(iso, now)} ({relative(iso, now)})"
