"""Times as a person reads them off a clock on the wall: some come twice in a year, some don't come at all."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from attrs import frozen

_SECOND = timedelta(seconds=1)


@frozen
class Asked:
    """What a text may mean: an instant or two, the likeliest first, and what is odd about it."""

    instants: tuple[datetime, ...]
    remark: str | None = None


def read_time(text: str, zone: ZoneInfo, now: datetime) -> Asked:
    """The instants that ISO 8601 text names: with an offset, or by the clock of `zone`; `02:30` alone is today's.

    Errors: ValueError, one line.
    """
    try:
        found = datetime.fromisoformat(f"{now.astimezone(zone).date()}T{text}" if _has_no_date(text) else text)
        return Asked((found.astimezone(UTC),)) if found.tzinfo else _on_the_wall(found, zone)
    except (ValueError, OverflowError) as error:
        shown = text if len(text) <= 60 else text[:60] + "…"
        raise ValueError(f"{shown!r} is no time; write 2026-01-31T18:00, 18:00, or 2026-01-31T18:00+01:00") from error


def _has_no_date(text: str) -> bool:
    return len(text) <= 8 and text[2:3] == ":"


def _on_the_wall(wall: datetime, zone: ZoneInfo) -> Asked:
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return Asked((first,))
    where = f"on {wall.date()} in {zone.key}"
    if first < second:
        return Asked((first, second), f"{_clock(wall)} comes twice {where}")
    change = _change(second, first, zone)
    before, after = (_clock(instant.astimezone(zone)) for instant in (change - _SECOND, change))
    return Asked(
        (change,), f"{_clock(wall)} does not exist {where}: the clock goes from {before} to {after}, which is meant"
    )


def _change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The instant between the two at which the clock is set."""
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return late.replace(microsecond=0)


def _clock(wall: datetime) -> str:
    return wall.strftime("%H:%M:%S" if wall.second else "%H:%M")


def nearest(instants: Iterable[datetime], to: datetime) -> timedelta:
    """How far the nearest of them is away; very far where there is none."""
    return min((abs(instant - to) for instant in instants), default=timedelta.max)
