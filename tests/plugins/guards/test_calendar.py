"""The calendar guard: days and stretches of time, excluded or the only ones, and what a file that changed does."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api import ComputedGuard
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.testing.guards import GuardConformance
from rae_plugins.guards import calendar
from rae_plugins.guards.calendar import CalendarGuard

BERLIN = "Europe/Berlin"
HOLIDAYS = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//holidays//EN
BEGIN:VEVENT
UID:christmas
DTSTART;VALUE=DATE:20201225
DTEND;VALUE=DATE:20201227
RRULE:FREQ=YEARLY
SUMMARY:Christmas
TRANSP:TRANSPARENT
END:VEVENT
END:VCALENDAR
"""


def at(text: str, zone: str = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def changes(guard: ComputedGuard, start: str, end: str, zone: str = BERLIN) -> list[str]:
    """The wall times from start to end at which the guard changes its mind."""
    found: list[str] = []
    instant: datetime | None = at(start, zone)
    while instant is not None and instant < at(end, zone):
        found.append(f"{instant.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M} {guard.evaluate(instant).verdict}")
        instant = guard.changes_after(instant)
    return found[1:]


def of(*dates: str, **options: Any) -> CalendarGuard:
    return CalendarGuard(dates=dates, **{"timezone": BERLIN, **options})


@pytest.fixture
def holidays(tmp_path: Path) -> Path:
    path = tmp_path / "holidays.ics"
    path.write_text(HOLIDAYS)
    return path


class TestCalendarConforms(GuardConformance):
    @pytest.fixture(params=["exclude", "include"])
    def plugin(self, request: pytest.FixtureRequest, holidays: Path) -> ComputedGuard:
        dates = ("2024-02-29", "2026-03-29T02:30..2026-10-25T02:30", "2026-12-31..2027-01-01")
        return CalendarGuard(file=str(holidays), dates=dates, mode=request.param, timezone=BERLIN)


def test_a_calendar_says_no_on_its_days_and_yes_on_others() -> None:
    assert changes(of("2026-12-24..2026-12-26", "2027-01-01"), "2026-12-01T00:00", "2028-01-01T00:00") == [
        "2026-12-24T00:00 no",
        "2026-12-27T00:00 yes",
        "2027-01-01T00:00 no",
        "2027-01-02T00:00 yes",
    ]


def test_with_include_it_says_yes_on_its_days_alone() -> None:
    guard = of("2026-12-24", mode="include")
    assert changes(guard, "2026-12-01T00:00", "2028-01-01T00:00") == ["2026-12-24T00:00 yes", "2026-12-25T00:00 no"]


def test_a_blackout_lasts_from_one_time_until_another() -> None:
    guard = of("2026-12-24T18:00..2026-12-27T06:00")
    assert changes(guard, "2026-12-01T00:00", "2028-01-01T00:00") == ["2026-12-24T18:00 no", "2026-12-27T06:00 yes"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("2026-12-24T18:00..2026-12-26", ["2026-12-24T18:00 no", "2026-12-27T00:00 yes"]),
        ("2026-12-24..2026-12-26T06:00:00", ["2026-12-24T00:00 no", "2026-12-26T06:00 yes"]),
        ("2026-12-24T18:00Z..2026-12-25T00:00-05:00", ["2026-12-24T19:00 no", "2026-12-25T06:00 yes"]),
    ],
)
def test_days_and_times_may_be_mixed_and_times_may_have_an_offset(entry: str, expected: list[str]) -> None:
    assert changes(of(entry), "2026-12-01T00:00", "2028-01-01T00:00") == expected


def test_what_meets_or_overlaps_is_one_stretch_also_over_new_year() -> None:
    guard = of("2026-12-30", "2026-12-31..2027-01-02", "2027-01-02T12:00..2027-01-03T12:00", "2026-12-31")
    expected = ["2026-12-30T00:00 no", "2027-01-03T12:00 yes"]
    assert changes(guard, "2026-12-01T00:00", "2028-01-01T00:00") == expected


def test_a_stretch_of_many_years_is_one() -> None:
    guard = of("2001-01-01..2040-12-31")
    assert guard.changes_after(at("2010-06-01T12:00")) == at("2041-01-01T00:00")


@pytest.mark.parametrize(
    ("zone", "day", "expected"),
    [
        # Clocks go from 24:00 to 01:00, and from 01:00 to 00:00.
        ("America/Sao_Paulo", "2018-11-04", ["2018-11-04T01:00 no", "2018-11-05T00:00 yes"]),
        ("America/Havana", "2026-10-31", ["2026-10-31T00:00 no", "2026-11-01T00:00 yes"]),
        ("Pacific/Apia", "2011-12-29", ["2011-12-29T00:00 no", "2011-12-31T00:00 yes"]),
    ],
)
def test_a_day_lasts_until_the_clock_first_shows_the_next(zone: str, day: str, expected: list[str]) -> None:
    found = changes(of(day, timezone=zone), f"{int(day[:4]) - 1}-12-31T00:00", f"{int(day[:4]) + 1}-02-01T00:00", zone)
    assert found == expected


def test_a_day_that_a_zone_has_left_out_never_comes() -> None:
    assert changes(of("2011-12-30", timezone="Pacific/Apia"), "2011-01-01T00:00", "2013-01-01T00:00") == []


def test_times_of_a_gap_are_at_its_end_and_those_of_a_fold_in_its_first_pass() -> None:
    guard = of("2026-03-29T02:30..2026-10-25T02:30")
    assert guard.changes_after(at("2026-01-01T00:00")) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert guard.changes_after(at("2026-06-01T00:00")) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


days = st.dates(date(1960, 1, 1), date(2060, 1, 1))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(days, st.integers(0, 40)), min_size=1, max_size=6),
    st.sampled_from(sorted(available_timezones())),
    st.datetimes(datetime(1950, 1, 1), datetime(2070, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 5),
)
def test_the_guard_says_what_a_list_of_days_says(
    ranges: list[tuple[date, int]], zone: str, instant: datetime, near: int
) -> None:
    if near < len(ranges):
        instant = datetime.combine(ranges[near][0], instant.timetz()) - timedelta(days=1)
    guard = of(*(f"{first}..{first + timedelta(days=more)}" for first, more in ranges), timezone=zone, mode="include")
    within = {first + timedelta(days=day) for first, more in ranges for day in range(more + 1)}
    place = ZoneInfo(zone)
    for hours in range(72):
        moment = instant + timedelta(hours=hours)
        local = moment.astimezone(place)
        if local.fold or (moment + timedelta(days=1)).astimezone(place).utcoffset() != local.utcoffset():
            continue  # where a clock is set back over midnight a day is shown again, which has its own tests
        assert guard.evaluate(moment).allows == (local.date() in within)
    change = guard.changes_after(instant)
    if change is not None:
        assert guard.evaluate(change - timedelta(microseconds=1)).verdict is guard.evaluate(instant).verdict


def test_holidays_of_a_file_are_named(holidays: Path) -> None:
    guard = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert changes(guard, "2040-01-01T00:00", "2041-01-01T00:00") == ["2040-12-25T00:00 no", "2040-12-27T00:00 yes"]
    said = guard.evaluate(at("2026-12-25T09:30"))
    assert said.reason == f'it is Fri 2026-12-25 09:30 in {BERLIN}, within "Christmas" of holidays.ics'
    said = guard.evaluate(at("2026-12-24T09:30"))
    assert said.reason == f"it is Thu 2026-12-24 09:30 in {BERLIN}, outside all events of holidays.ics"


def test_a_file_and_dates_are_one_calendar(holidays: Path) -> None:
    guard = CalendarGuard(file=str(holidays), dates=("2026-12-24",), timezone=BERLIN)
    assert changes(guard, "2026-12-01T00:00", "2027-06-01T00:00") == ["2026-12-24T00:00 no", "2026-12-27T00:00 yes"]
    assert guard.evaluate(at("2026-12-24T09:30")).reason.endswith('within "2026-12-24" of holidays.ics and dates')


def test_a_name_from_a_file_is_one_short_line(holidays: Path) -> None:
    holidays.write_text(HOLIDAYS.replace("SUMMARY:Christmas", "SUMMARY:a\\nb\x1b[31m" + "c" * 500))
    because = CalendarGuard(file=str(holidays), timezone=BERLIN).evaluate(at("2026-12-25T12:00")).reason
    assert because.isprintable()
    assert len(because) < 200
    assert "a b\\x1b[31mc" in because


def test_a_file_that_changed_makes_another_guard_and_the_old_one_goes_on_as_before(holidays: Path) -> None:
    old = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert old == CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert hash(old) == hash(CalendarGuard(file=str(holidays), timezone=BERLIN))
    holidays.write_text(HOLIDAYS.replace("20201225", "20201224"))
    new = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert new != old
    assert repr(new) == repr(old)
    assert old.evaluate(at("2026-12-24T12:00")).allows
    assert not new.evaluate(at("2026-12-24T12:00")).allows


def test_the_home_directory_is_written_as_a_tilde(holidays: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(holidays.parent))
    assert CalendarGuard(file="~/holidays.ics", timezone=BERLIN) == CalendarGuard(file=str(holidays), timezone=BERLIN)


def test_when_nothing_more_comes_it_never_changes() -> None:
    assert of("2026-12-24").changes_after(at("2027-01-01T00:00")) is None
    assert of("2026-12-24").changes_after(at("9999-06-01T00:00")) is None


def test_what_comes_only_after_many_years_is_looked_for_in_steps() -> None:
    guard, instant = of("2099-01-01"), at("2026-06-01T12:00")
    while (change := guard.changes_after(instant) or instant) != at("2099-01-01T00:00"):
        assert instant < change < at("2099-01-01T00:00")
        assert guard.evaluate(change).allows
        instant = change


def test_it_is_made_of_what_people_write_and_its_zone_is_the_configured_one() -> None:
    options = {"dates": ["2026-12-24"], "mode": "include"}
    made = build(CalendarGuard, options, timezone=BERLIN, plugins=Registry())
    assert made == of("2026-12-24", mode="include")


@pytest.mark.parametrize(
    ("dates", "problem"),
    [
        ((), "the calendar is empty; set file"),
        (("christmas",), 'invalid entry "christmas" in .dates.; use a form like 2026-12-24'),
        (("2026-02-30",), "invalid entry"),
        (("2026-12-24..",), "invalid entry"),
        (("20261224",), "invalid entry"),
        (("2026-12-24..2026-12-23",), "ends before it begins"),
        (("2026-12-24T10:00..2026-12-24T10:00",), "ends before it begins"),
        (("2026-12-24T10:00",), "has no end"),
        (("0001-01-01T00:00+14:00..0001-01-02",), "invalid entry"),
        (("x" * 9999,), "invalid entry"),
    ],
)
def test_dates_that_are_none_are_refused_in_a_short_line(dates: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        of(*dates)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("file", ["holidays.ics", "", 5])
def test_a_path_that_depends_on_where_one_stands_is_refused(file: Any) -> None:
    with pytest.raises(ValueError, match=r"relative; write a path that begins|must be a path"):
        CalendarGuard(file=file)


def test_a_file_that_is_not_there_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"/none\.ics: cannot be read \(No such file or directory\); check the path"):
        CalendarGuard(file=str(tmp_path / "none.ics"))


def test_what_is_no_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ics")
    with pytest.raises(ValueError, match=r"/pipe\.ics: not a regular file"):
        CalendarGuard(file=str(tmp_path / "pipe.ics"))
    with pytest.raises(ValueError, match=r"cannot be read|not a regular file"):
        CalendarGuard(file=str(tmp_path))


def test_a_file_that_is_far_too_large_is_refused(holidays: Path) -> None:
    os.truncate(holidays, calendar.MAX_FILE_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 8 MB; export fewer events"):
        CalendarGuard(file=str(holidays))


def test_a_file_in_another_encoding_is_refused_with_its_line(holidays: Path) -> None:
    holidays.write_bytes(HOLIDAYS.replace("Christmas", "Noël").encode("latin-1"))
    with pytest.raises(ValueError, match=r"holidays\.ics:9: not valid UTF-8"):
        CalendarGuard(file=str(holidays))


def test_the_module_offers_the_guard() -> None:
    assert calendar.rae_guards() == [CalendarGuard]
