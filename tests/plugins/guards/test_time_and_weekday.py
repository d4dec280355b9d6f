"""The time and weekday guards, compared with a walk over the minutes in all zones."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api import ComputedGuard, Verdict
from rae_auto.testing.guards import GuardConformance
from rae_plugins.guards import time, weekday
from rae_plugins.guards.time import TimeGuard
from rae_plugins.guards.weekday import SHORT_NAMES, WeekdayGuard

MINUTE = timedelta(minutes=1)
BERLIN = "Europe/Berlin"

zones = st.sampled_from(sorted(available_timezones()))
clocks = st.times().map(lambda value: f"{value:%H:%M}")
DAY_SKIPPED = datetime(2011, 12, 30, 9, tzinfo=UTC)
"""An hour before the day that Samoa left out."""


def at(text: str, zone: str = BERLIN) -> datetime:
    """Return the instant of a wall time with an offset, or of one in a zone."""
    instant = datetime.fromisoformat(text)
    return (instant if instant.tzinfo else instant.replace(tzinfo=ZoneInfo(zone))).astimezone(UTC)


def changes(guard: ComputedGuard, start: datetime, end: datetime) -> list[str]:
    """Return the wall times from start to end at which the verdict of the guard changes."""
    found, zone = [], ZoneInfo(guard.timezone)  # type: ignore[attr-defined]  # both kinds have one
    change = guard.changes_after(start)
    while change is not None and change < end:
        found.append(f"{change.astimezone(zone).isoformat(timespec='minutes')[8:]} {guard.evaluate(change).verdict}")
        change = guard.changes_after(change)
    return found


class TestTimeConforms(GuardConformance):
    @pytest.fixture(params=[("22:00", "06:00"), ("02:15", "02:45"), ("00:00", "23:59:59"), ("02:30", "24:00")])
    def plugin(self, request: pytest.FixtureRequest) -> ComputedGuard:
        return TimeGuard(from_=request.param[0], to=request.param[1], timezone=BERLIN)


class TestWeekdayConforms(GuardConformance):
    @pytest.fixture(params=[("mon-fri",), ("sun",), ("mon-sun",)])
    def plugin(self, request: pytest.FixtureRequest) -> ComputedGuard:
        return WeekdayGuard(days=request.param, timezone=BERLIN)


@st.composite
def moments(draw: st.DrawFn) -> tuple[str, datetime]:
    """Draw a zone, and an instant that often lies within a day before a change of its clock."""
    name = draw(zones)
    instant = draw(st.datetimes(datetime(1972, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC)))
    if draw(st.integers(0, 3)):
        zone, offset = ZoneInfo(name), instant.astimezone(ZoneInfo(name)).utcoffset()
        for day in range(1, 250):
            later = instant + timedelta(days=day)
            if later.astimezone(zone).utcoffset() != offset:
                instant = later - timedelta(days=1) - timedelta(minutes=draw(st.integers(0, 600)))
                break
    return name, instant


def assert_a_walk_finds_the_same(guard: ComputedGuard, instant: datetime, max_gap: timedelta) -> None:
    before = guard.evaluate(instant).verdict
    change = guard.changes_after(instant)
    end = instant + max_gap if change is None else change
    assert end <= instant + max_gap
    if change is not None:
        assert guard.evaluate(change).verdict is not before
        assert guard.evaluate(change - timedelta(microseconds=1)).verdict is before
    for step in range((end - instant) // MINUTE):
        assert guard.evaluate(instant + step * MINUTE).verdict is before


@settings(max_examples=120, deadline=None)
@given(moments(), clocks, clocks)
def test_time_guard_changes_agree_with_a_walk_over_the_minutes(
    moment: tuple[str, datetime], first: str, last: str
) -> None:
    if first == last:
        return
    zone, instant = moment
    # A window in a gap doesn't come that day, and neither does what is between two of them.
    assert_a_walk_finds_the_same(TimeGuard(from_=first, to=last, timezone=zone), instant, timedelta(hours=74))


@settings(max_examples=40, deadline=None)
@given(moments(), st.sets(st.sampled_from(SHORT_NAMES), min_size=1, max_size=6))
def test_weekday_guard_changes_agree_with_a_walk_over_the_minutes(moment: tuple[str, datetime], days: set[str]) -> None:
    zone, instant = moment
    guard = WeekdayGuard(days=tuple(sorted(days)), timezone=zone)
    assert_a_walk_finds_the_same(guard, instant, timedelta(days=7))


@settings(max_examples=200, deadline=None)
@given(moments(), clocks, clocks)
def test_time_guard_follows_the_wall_clock(moment: tuple[str, datetime], first: str, last: str) -> None:
    if first == last:
        return
    zone, instant = moment
    shown = f"{instant.astimezone(ZoneInfo(zone)):%H:%M}"
    inside = first <= shown < last if first < last else not last <= shown < first
    assert TimeGuard(from_=first, to=last, timezone=zone).evaluate(instant).allows == inside


def test_time_window_can_end_on_the_next_day() -> None:
    night = TimeGuard(from_="22:00", to="06:00", timezone=BERLIN)
    assert changes(night, at("2026-06-01T12:00"), at("2026-06-03T12:00")) == [
        "01T22:00+02:00 yes",
        "02T06:00+02:00 no",
        "02T22:00+02:00 yes",
        "03T06:00+02:00 no",
    ]


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("01:00", "02:30", ["29T01:00+01:00 yes", "29T03:00+02:00 no", "30T01:00+02:00 yes", "30T02:30+02:00 no"]),
        ("02:30", "04:00", ["29T03:00+02:00 yes", "29T04:00+02:00 no", "30T02:30+02:00 yes"]),
        ("02:15", "02:45", ["30T02:15+02:00 yes"]),
    ],
)
def test_time_bound_in_a_gap_counts_at_the_next_time_shown(first: str, last: str, expected: list[str]) -> None:
    guard = TimeGuard(from_=first, to=last, timezone=BERLIN)
    assert changes(guard, at("2026-03-29T00:30"), at("2026-03-30T02:40")) == expected


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("02:15", "02:45", ["02:15+02:00 yes", "02:45+02:00 no", "02:15+01:00 yes", "02:45+01:00 no"]),
        ("01:00", "02:30", ["01:00+02:00 yes", "02:30+02:00 no", "02:00+01:00 yes", "02:30+01:00 no"]),
        ("01:00", "03:00", ["01:00+02:00 yes", "03:00+01:00 no"]),
    ],
)
def test_time_shown_twice_counts_twice(first: str, last: str, expected: list[str]) -> None:
    guard = TimeGuard(from_=first, to=last, timezone=BERLIN)
    found = changes(guard, at("2026-10-25T00:30"), at("2026-10-25T12:00"))
    assert found == [f"25T{change}" for change in expected]


def test_skipped_day_has_no_windows_and_no_weekday() -> None:
    apia = "Pacific/Apia"
    noon = TimeGuard(from_="12:00", to="13:00", timezone=apia)
    assert changes(noon, DAY_SKIPPED, DAY_SKIPPED + timedelta(hours=20)) == ["31T12:00+14:00 yes", "31T13:00+14:00 no"]
    friday = WeekdayGuard(days=("fri",), timezone=apia)
    assert changes(friday, DAY_SKIPPED, DAY_SKIPPED + timedelta(days=8)) == ["06T00:00+14:00 yes", "07T00:00+14:00 no"]


def test_time_guard_reason_names_time_and_window() -> None:
    night = TimeGuard(from_="22:00", to="6:00", timezone=BERLIN)
    assert night.evaluate(at("2026-06-01T21:14")).reason == f"it is 21:14 in {BERLIN}, outside 22:00-06:00"
    assert night.evaluate(at("2026-06-01T23:59")).reason == f"it is 23:59 in {BERLIN}, within 22:00-06:00"
    seconds = TimeGuard(from_="22:00:30", to="23:00", timezone=BERLIN)
    assert seconds.evaluate(at("2026-06-01T22:00:29")).reason == f"it is 22:00:29 in {BERLIN}, outside 22:00:30-23:00"


def test_weekday_guard_reason_names_day_and_days() -> None:
    guard = WeekdayGuard(days=("mon-fri", "Sunday"), timezone=BERLIN)
    assert guard.evaluate(at("2026-06-06T12:00")).reason == f"it is Saturday in {BERLIN}, outside mon-fri, Sunday"
    assert guard.evaluate(at("2026-06-07T12:00")).reason == f"it is Sunday in {BERLIN}, within mon-fri, Sunday"


def test_weekday_range_can_span_the_weekend() -> None:
    guard = WeekdayGuard(days=("fri-mon",), timezone="UTC")
    days = [SHORT_NAMES[day] for day in range(7) if guard.evaluate(datetime(2026, 6, 1 + day, tzinfo=UTC)).allows]
    assert days == ["mon", "fri", "sat", "sun"]


def test_weekday_guard_with_all_days_never_changes() -> None:
    assert WeekdayGuard(days=("tue-mon",), timezone=BERLIN).changes_after(at("2026-06-01T12:00")) is None


def test_time_guard_at_the_end_of_the_calendar_never_changes() -> None:
    end = datetime(9999, 12, 31, 23, tzinfo=UTC)
    assert TimeGuard(from_="09:00", to="10:00", timezone="UTC").changes_after(end) is None


def test_time_guard_accepts_midnight_in_two_forms() -> None:
    late = TimeGuard(from_="22:00", to="24:00", timezone=BERLIN)
    assert late == TimeGuard(from_="22:00", to="00:00", timezone=BERLIN)
    assert changes(late, at("2026-06-01T12:00"), at("2026-06-02T12:00")) == ["01T22:00+02:00 yes", "02T00:00+02:00 no"]


def test_guards_with_the_same_options_are_equal() -> None:
    assert TimeGuard(from_="6:00", to="7:00") == TimeGuard(from_="06:00", to="07:00:00")
    assert len({WeekdayGuard(days=["mon"]), WeekdayGuard(days=("mon",))}) == 1  # type: ignore[arg-type]  # as in TOML


def test_guard_without_a_zone_uses_that_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert TimeGuard(from_="09:00", to="10:00").evaluate(datetime(2026, 6, 1, 0, 30, tzinfo=UTC)).verdict is Verdict.YES
    assert WeekdayGuard(days=("tue",)).evaluate(datetime(2026, 6, 1, 16, tzinfo=UTC)).verdict is Verdict.YES


@pytest.mark.parametrize(
    "bound", ["noon", "24:01", "25:00", "12:60", "12", "12:00+01:00", "1\u0662:00", 12, None, "x" * 9999]
)
def test_time_guard_refuses_an_invalid_bound_in_a_short_line(bound: Any) -> None:
    with pytest.raises(ValueError, match=r"invalid time of day .*; use hours and minutes") as caught:
        TimeGuard(from_=bound, to="06:00")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("first", "last"), [("06:00", "6:00"), ("00:00", "24:00")])
def test_time_guard_refuses_an_empty_or_full_window(first: str, last: str) -> None:
    with pytest.raises(ValueError, match="leave the guard out"):
        TimeGuard(from_=first, to=last)


@pytest.mark.parametrize("days", [(), ("",), ("mon-",), ("weekend",), ("mon-fri-sun",), ("x" * 9999,), ("1-5",)])
def test_weekday_guard_refuses_invalid_days_in_a_short_line(days: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match='"days"') as caught:
        WeekdayGuard(days=days)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("make", [lambda zone: TimeGuard(from_="1:00", to="2:00", timezone=zone),
                                  lambda zone: WeekdayGuard(days=("mon",), timezone=zone)])  # fmt: skip
def test_guard_refuses_an_unknown_zone(make: Any) -> None:
    with pytest.raises(ValueError, match="Mars/Olympus"):
        make("Mars/Olympus")


@pytest.mark.parametrize("module", [time, weekday])
def test_time_and_weekday_modules_offer_one_guard_each(module: Any) -> None:
    (offered,) = module.rae_guards()
    assert offered.type == module.__name__.rpartition(".")[2]
