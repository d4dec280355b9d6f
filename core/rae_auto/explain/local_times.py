"""Local times as people write them. When clocks are changed, some occur twice and some do not occur at all."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.model.primitives.formatting import quote

_SECOND = timedelta(seconds=1)
_MAX_SHOWN_CHARACTERS = 60


@frozen
class RequestedTime:
    """The instants that a text may mean, the most likely first, and a remark if there is something odd about it."""

    instants: tuple[datetime, ...]
    remark: str | None = None


def parse_local_time(text: str, zone: ZoneInfo, now: datetime) -> RequestedTime:
    """Parse ISO 8601 text with an offset, or by the clock of `zone`; `02:30` alone is a time of today.

    Errors: ValueError, one line.
    """
    try:
        time = datetime.fromisoformat(f"{now.astimezone(zone).date()}T{text}" if _has_no_date(text) else text)
        return RequestedTime((time.astimezone(UTC),)) if time.tzinfo else _find_instants(time, zone)
    except (ValueError, OverflowError) as error:
        shown = text if len(text) <= _MAX_SHOWN_CHARACTERS else text[:_MAX_SHOWN_CHARACTERS] + "…"
        raise ValueError(
            f"invalid time {quote(shown)}; write 2026-01-31T18:00, 18:00, or 2026-01-31T18:00+01:00"
        ) from error


def _has_no_date(text: str) -> bool:
    return len(text) <= 8 and text[2:3] == ":"


def _find_instants(local: datetime, zone: ZoneInfo) -> RequestedTime:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return RequestedTime((first,))
    place = f"on {local.date()} in {zone.key}"
    if first < second:
        return RequestedTime((first, second), f"{_clock(local)} occurs twice {place}")
    change = _find_clock_change(second, first, zone)
    before, after = (_clock(instant.astimezone(zone)) for instant in (change - _SECOND, change))
    remark = f"{_clock(local)} does not exist {place}: the clock goes from {before} to {after}, which is used instead"
    return RequestedTime((change,), remark)


def _find_clock_change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant between the two at which the clock of the zone is changed, by bisection."""
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return late.replace(microsecond=0)


def _clock(local: datetime) -> str:
    return local.strftime("%H:%M:%S" if local.second else "%H:%M")


def distance_to_nearest(instants: Iterable[datetime], to: datetime) -> timedelta:
    """Return the distance to the nearest of the instants; `timedelta.max` if there are none."""
    return min((abs(instant - to) for instant in instants), default=timedelta.max)
