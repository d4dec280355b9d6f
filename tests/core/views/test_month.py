"""A month and a day while the starts to come are still being computed: what isn't known yet is marked as such."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from tests.support.day_numbers import day_numbers

from rae_auto.views.charts.day_chart import draw_day
from rae_auto.views.screens.day_grid import (
    MINUTE,
    DayGrid,
    GridHour,
    build_day_grid,
    day_bounds,
    describe_collisions,
)
from rae_auto.views.screens.month import Month, build_month
from rae_auto.views.screens.parts.day_troubles import NO_TROUBLES
from rae_auto.views.screens.parts.record_source import ExpectedCounts, RecordCount

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
        NOON.date(),
        day_numbers(NOON.date(), ZONE),
        expected,
        troubles=NO_TROUBLES,
        busiest=[],
        max_parallel=4,
        now=NOON,
        zone=ZONE,
    )
    assert [hour.expected_text for hour in grid.hours[11:15]] == ["0", "0", "at least 2", "…"]
    assert "at least 2 expected starts" in draw_day(grid)


def month_of(outcomes: dict[str, int], skips: int = 0) -> Month:
    counts = [RecordCount(NOON, outcome, count) for outcome, count in outcomes.items()]
    decided = [RecordCount(NOON, "overlap", skips)] if skips else []
    found = ExpectedCounts({}, NOON)
    return build_month(2026, 11, counts=counts, skips=decided, expected=found, notes={}, now=NOON, zone=ZONE)


@pytest.mark.parametrize(
    ("outcomes", "skips", "worst"),
    [
        ({}, 0, None),
        ({"succeeded": 3}, 0, "good"),
        ({"succeeded": 3}, 1, "skipped"),
        ({"succeeded": 3, "skipped": 1}, 0, "skipped"),
        ({"succeeded": 3, "cancelled": 1}, 1, "stopped"),
        ({"succeeded": 900, "interrupted": 9, "failed": 1}, 5, "bad"),
        ({"timed_out": 1}, 0, "bad"),
        ({"lost": 1, "cancelled": 4}, 0, "bad"),
    ],
)
def test_day_has_the_color_of_its_worst_outcome(outcomes: dict[str, int], skips: int, worst: str | None) -> None:
    days = month_of(outcomes, skips).days
    assert [day.worst for day in days] == [None] * 27 + [worst] + [None] * 2


def grid_of(day: date, zone: ZoneInfo) -> DayGrid:
    begin, end = day_bounds(day, zone)
    numbers = day_numbers(day, zone, {begin + MINUTE * number: 1 for number in range((end - begin) // MINUTE)})
    return build_day_grid(
        day, numbers, ExpectedCounts({}, end), troubles=NO_TROUBLES, busiest=[], max_parallel=4, now=NOON, zone=zone
    )


def test_hours_cover_each_day_on_which_clocks_change() -> None:
    days = {
        bounds: (date(2026, 1, 1) + timedelta(days=number), zone)
        for zone in map(ZoneInfo, sorted(available_timezones()))
        for number in range(365)
        if (bounds := day_bounds(date(2026, 1, 1) + timedelta(days=number), zone))[1] - bounds[0] != 24 * HOUR
    }
    assert len(days) > 20
    for (begin, end), (day, zone) in days.items():
        hours = grid_of(day, zone).hours
        assert sum(sum(hour.past) for hour in hours) == (end - begin) // MINUTE, (zone, day)
        for hour in hours:
            clock = [(hour.start + MINUTE * number).astimezone(zone) for number in range(len(hour.past))]
            assert {f"{at:%H}" for at in clock} == {hour.label[:2]}, (zone, day)
            assert [at.minute for at in clock] == list(range(hour.first_minute, hour.first_minute + len(clock)))
        assert len({hour.label for hour in hours}) == len(hours)


def test_hour_of_half_an_hour_has_its_minutes_where_the_clock_has_them() -> None:
    grid = grid_of(date(2026, 10, 4), ZoneInfo("Australia/Lord_Howe"))
    assert [(hour.label, hour.first_minute) for hour in grid.hours[:4]] == [("00", 0), ("01", 0), ("02", 30), ("03", 0)]
    assert "<title>02:30: 1 ran, 0 expected</title>" in draw_day(grid)
    assert "<title>02:29" not in draw_day(grid)


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
    assert found == (3, "3 minutes have several starts, and 1 of them more than can run at once (max_parallel 4)")


def test_notes_that_are_left_out_are_counted() -> None:
    day, found = NOON.date(), ExpectedCounts({}, NOON)
    notes = {day: ["a", "b", "c", "d", "e"], day + timedelta(days=1): ["a", "b", "c"]}
    month = build_month(2026, 11, counts=[], skips=[], expected=found, notes=notes, now=NOON, zone=ZONE)
    assert month.days[27].notes == ("a", "b", "c", "and 2 more")
    assert month.days[28].notes == ("a", "b", "c")
