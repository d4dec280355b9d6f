"""The month: a calendar of outcomes and expectations."""

from asyncio import gather
from calendar import monthrange
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from zoneinfo import ZoneInfo

from attrs import frozen

from rae_auto.errors import BadRequest
from rae_auto.views.screens.day_grid import day_bounds, expected_between
from rae_auto.views.screens.parts.base import ScreenBase, expected_text
from rae_auto.views.screens.parts.record_source import (
    RUNS,
    SKIPS,
    ExpectedCounts,
    RecordCount,
    RecordSource,
)
from rae_auto.views.screens.parts.strip import BAD, GOOD, SKIPPED, STOPPED, group_of

COUNTED_STEP = timedelta(minutes=15)
"""The step in which a month is counted: the difference of every time zone from UTC is a multiple of it."""

MAX_DAY_NOTES = 3


@frozen(kw_only=True)
class MonthDay:
    """A day of the calendar, by the clock of the configured zone."""

    date: date
    hours: float
    """Its length: 23 or 25 where the clock changes."""
    is_past: bool
    """True if it is over; today is neither past nor future."""
    is_future: bool
    worst: str | None
    """"bad", "stopped", "skipped" or "good": the worst of what happened; None if nothing did."""
    good: int
    bad: int
    stopped: int
    skipped: int
    expected: int
    """Starts that are due from now on."""
    is_complete: bool
    """False if more starts are due than the `expected` ones that are known by now, or none is known."""
    notes: tuple[str, ...]
    """A change of the clock, and what calendar guards say of the day."""

    @property
    def expected_text(self) -> str:
        """The starts that are due: "12", "at least 12" or "…"."""
        return expected_text(self.expected, is_complete=self.is_complete)


@frozen(kw_only=True)
class Month(ScreenBase):
    """A calendar month."""

    now: datetime
    zone: str
    year: int
    month: int
    days: tuple[MonthDay, ...]
    """The days of the month."""
    totals: Mapping[str, int]
    """"good", "bad", "stopped", "skipped" and "expected" of the month."""
    expected_until: datetime
    """Expectations are complete until then."""
    is_pending: bool
    """True while expectations are still being computed."""

    @property
    def is_complete(self) -> bool:
        """True if all starts that are expected are known."""
        return all(day.is_complete for day in self.days)

    @property
    def expected_text(self) -> str:
        """The starts that are due in the month: "12", "at least 12" or "…"."""
        return expected_text(self.totals["expected"], is_complete=self.is_complete)


async def load_month(source: RecordSource, year: int, month: int) -> Month:
    """Read a month, and build its calendar. Errors: BadRequest."""
    first, last = month_bounds(year, month, source.zone)
    now = source.now()
    past_end = min(last, now + COUNTED_STEP)
    begin = max(first, now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0))
    counts, skips, expected, notes = await gather(
        _count_days(source, RUNS, year, month, past_end),
        _count_days(source, SKIPS, year, month, past_end),
        expected_between(source, begin, last, COUNTED_STEP),
        source.day_notes(first, last),
    )
    return build_month(
        year, month, counts=counts, skips=skips, expected=expected, notes=notes, now=now, zone=source.zone
    )


async def _count_days(source: RecordSource, kind: str, year: int, month: int, until: datetime) -> list[RecordCount]:
    """Return the numbers of each day of a month, up to an instant: days of equal length in one question."""
    found: list[RecordCount] = []
    days = [date(year, month, number + 1) for number in range(monthrange(year, month)[1])]
    bounds = [day_bounds(day, source.zone) for day in days]
    for length, group in groupby(bounds, key=lambda pair: pair[1] - pair[0]):
        pairs = list(group)
        begin, end = pairs[0][0], min(pairs[-1][1], until)
        if begin < end:
            found += await source.count(kind, since=begin, until=end, step=length)
    return found


def month_bounds(year: int, month: int, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the begin of a month and that of the next, by the clock of a zone. Errors: BadRequest."""
    if not (1 <= month <= 12 and 1970 <= year <= 9998):
        raise BadRequest("the month must be between 1970-01 and 9998-12; write it as in 2026-11")
    after = (year + 1, 1) if month == 12 else (year, month + 1)
    return datetime(year, month, 1, tzinfo=zone), datetime(*after, 1, tzinfo=zone)


def build_month(
    year: int,
    month: int,
    *,
    counts: Sequence[RecordCount],
    skips: Sequence[RecordCount],
    expected: ExpectedCounts,
    notes: Mapping[date, Sequence[str]],
    now: datetime,
    zone: ZoneInfo,
) -> Month:
    """Return the calendar of a month from numbers by steps that no change of day cuts in two."""
    numbers: dict[date, Counter[str]] = {}
    groups = [(one.start, group_of(one.outcome), one.count) for one in counts]
    groups += [(one.start, SKIPPED, one.count) for one in skips]
    groups += [(start, "expected", count) for start, count in expected.counts.items()]
    for start, group, count in groups:
        if start is not None:
            numbers.setdefault(start.astimezone(zone).date(), Counter())[group] += count
    days = [date(year, month, number + 1) for number in range(monthrange(year, month)[1])]
    rows = tuple(_day(day, numbers.get(day, Counter()), notes.get(day, ()), now, expected.until, zone) for day in days)
    names = ("good", "bad", "stopped", "skipped", "expected")
    return Month(
        now=now,
        zone=zone.key,
        year=year,
        month=month,
        days=rows,
        totals={name: sum(getattr(row, name) for row in rows) for name in names},
        expected_until=expected.until,
        is_pending=expected.is_pending,
    )


def _day(
    day: date, numbers: Mapping[str, int], notes: Sequence[str], now: datetime, known_until: datetime, zone: ZoneInfo
) -> MonthDay:
    begin, end = day_bounds(day, zone)
    hours = (end - begin) / timedelta(hours=1)
    change = [] if hours == 24 else [f"the clock changes: the day has {hours:g} hours"]
    more = [f"and {len(notes) - MAX_DAY_NOTES} more"] if len(notes) > MAX_DAY_NOTES else []
    today = now.astimezone(zone).date()
    return MonthDay(
        date=day,
        hours=hours,
        is_past=day < today,
        is_future=day > today,
        worst=next((group for group in (BAD, STOPPED, SKIPPED, GOOD) if numbers.get(group)), None),
        good=numbers.get(GOOD, 0),
        bad=numbers.get(BAD, 0),
        stopped=numbers.get(STOPPED, 0),
        skipped=numbers.get(SKIPPED, 0),
        expected=numbers.get("expected", 0),
        is_complete=end <= max(known_until, now),
        notes=(*change, *notes[:MAX_DAY_NOTES], *more),
    )
