"""A month and a day while the starts to come are still being computed: what isn't known yet is marked as such."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from rae_auto.views.charts.day_chart import draw_day
from rae_auto.views.screens.month import DayNumbers, GridHour, Month, build_day_grid, build_month, describe_collisions
from rae_auto.views.screens.parts.day_troubles import NO_TROUBLES
from rae_auto.views.screens.parts.record_source import ExpectedCounts

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONE = ZoneInfo("UTC")


def month_known_until(until: datetime) -> Month:
    """Return a month in which a start is due at 13:00 of the 28th and of the 29th, as far as that is known."""
    due = [at for at in (NOON + HOUR, NOON + 25 * HOUR) if at < until]
    found = ExpectedCounts(dict.fromkeys(due, 1), until, is_pending=True)
    return build_month(2026, 11, counts=[], skips=[], expected=found, notes={}, now=NOON, zone=ZONE)


def test_days_and_month_are_minimums_until_all_starts_are_known() -> None:
    month = month_known_until(NOON + 14 * HOUR)
    assert [day.expected_text for day in month.days[26:]] == ["0", "1", "…", "…"]
    assert month.expected_text == "at least 1"
    assert month_known_until(NOON + 2 * HOUR).days[27].expected_text == "at least 1"
    assert month_known_until(NOON).expected_text == "…"


def test_days_and_month_are_numbers_once_all_starts_are_known() -> None:
    month = month_known_until(datetime(2026, 12, 1, tzinfo=UTC))
    assert [day.expected_text for day in month.days[26:]] == ["0", "1", "1", "0"]
    assert month.expected_text == "2"


def test_hours_of_a_day_are_minimums_until_all_starts_are_known() -> None:
    expected = ExpectedCounts({NOON + HOUR: 2}, NOON + 1.5 * HOUR, is_pending=True)
    grid = build_day_grid(
        date(2026, 11, 28),
        DayNumbers(),
        expected,
        troubles=NO_TROUBLES,
        busiest=[],
        max_parallel=4,
        now=NOON,
        zone=ZONE,
    )
    assert [hour.expected_text for hour in grid.hours[11:15]] == ["0", "0", "at least 2", "…"]
    assert "at least 2 expected starts" in draw_day(grid)


def hour_of(past: dict[int, int], expected: dict[int, int]) -> GridHour:
    numbers = [tuple(found.get(minute, 0) for minute in range(60)) for found in (past, expected, {}, {})]
    return GridHour(
        start=NOON, label="12", past=numbers[0], expected=numbers[1], bad=numbers[2], skipped=numbers[3],
        is_complete=True,
    )  # fmt: skip


def test_collisions_are_minutes_with_several_starts() -> None:
    assert describe_collisions([hour_of({1: 1, 2: 1}, {3: 1})], 4) == (0, "No two runs start in the same minute")
    assert describe_collisions([hour_of({1: 2}, {})], 4) == (1, "1 minute has several starts")
    found = describe_collisions([hour_of({1: 2, 2: 5}, {2: 1, 3: 2})], 4)
    assert found == (3, "3 minutes have several starts, 1 of them more than run at once (max_parallel 4)")


def test_notes_that_are_left_out_are_counted() -> None:
    day, found = NOON.date(), ExpectedCounts({}, NOON)
    notes = {day: ["a", "b", "c", "d", "e"], day + timedelta(days=1): ["a", "b", "c"]}
    month = build_month(2026, 11, counts=[], skips=[], expected=found, notes=notes, now=NOON, zone=ZONE)
    assert month.days[27].notes == ("a", "b", "c", "and 2 more")
    assert month.days[28].notes == ("a", "b", "c")
