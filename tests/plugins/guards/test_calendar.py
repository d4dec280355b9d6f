"""The calendar guard: days and periods, excluded or included, and files that change."""

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
from rae_plugins.calendars import calendar_file
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
    """Return the wall times from start to end at which the verdict of the guard changes."""
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


def test_calendar_excludes_its_days() -> None:
    assert changes(of("2026-12-24..2026-12-26", "2027-01-01"), "2026-12-01T00:00", "2028-01-01T00:00") == [
        "2026-12-24T00:00 no",
        "2026-12-27T00:00 yes",
        "2027-01-01T00:00 no",
        "2027-01-02T00:00 yes",
    ]


def test_calendar_with_include_allows_only_its_days() -> None:
    guard = of("2026-12-24", mode="include")
    assert changes(guard, "2026-12-01T00:00", "2028-01-01T00:00") == ["2026-12-24T00:00 yes", "2026-12-25T00:00 no"]


def test_calendar_blackout_lasts_from_one_time_to_another() -> None:
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
def test_calendar_entry_can_mix_days_times_and_offsets(entry: str, expected: list[str]) -> None:
    assert changes(of(entry), "2026-12-01T00:00", "2028-01-01T00:00") == expected


def test_calendar_merges_adjacent_and_overlapping_entries() -> None:
    guard = of("2026-12-30", "2026-12-31..2027-01-02", "2027-01-02T12:00..2027-01-03T12:00", "2026-12-31")
    expected = ["2026-12-30T00:00 no", "2027-01-03T12:00 yes"]
    assert changes(guard, "2026-12-01T00:00", "2028-01-01T00:00") == expected


def test_calendar_entry_can_span_many_years() -> None:
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
def test_calendar_day_ends_when_the_clock_shows_the_next(zone: str, day: str, expected: list[str]) -> None:
    found = changes(of(day, timezone=zone), f"{int(day[:4]) - 1}-12-31T00:00", f"{int(day[:4]) + 1}-02-01T00:00", zone)
    assert found == expected


def test_calendar_skipped_day_never_occurs() -> None:
    assert changes(of("2011-12-30", timezone="Pacific/Apia"), "2011-01-01T00:00", "2013-01-01T00:00") == []


def test_calendar_time_in_a_gap_or_fold_has_one_instant() -> None:
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
def test_calendar_agrees_with_a_list_of_days(
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


def test_calendar_reason_names_the_holiday_of_a_file(holidays: Path) -> None:
    guard = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert changes(guard, "2040-01-01T00:00", "2041-01-01T00:00") == ["2040-12-25T00:00 no", "2040-12-27T00:00 yes"]
    said = guard.evaluate(at("2026-12-25T09:30"))
    assert said.reason == f'it is Fri 2026-12-25 09:30 in {BERLIN}, within "Christmas" of holidays.ics'
    said = guard.evaluate(at("2026-12-24T09:30"))
    assert said.reason == f"it is Thu 2026-12-24 09:30 in {BERLIN}, outside all events of holidays.ics"


def test_calendar_combines_file_and_dates(holidays: Path) -> None:
    guard = CalendarGuard(file=str(holidays), dates=("2026-12-24",), timezone=BERLIN)
    assert changes(guard, "2026-12-01T00:00", "2027-06-01T00:00") == ["2026-12-24T00:00 no", "2026-12-27T00:00 yes"]
    assert guard.evaluate(at("2026-12-24T09:30")).reason.endswith('within "2026-12-24" of holidays.ics and dates')


def test_calendar_reason_escapes_and_shortens_names(holidays: Path) -> None:
    holidays.write_text(HOLIDAYS.replace("SUMMARY:Christmas", "SUMMARY:a\\nb\x1b[31m" + "c" * 500))
    reason = CalendarGuard(file=str(holidays), timezone=BERLIN).evaluate(at("2026-12-25T12:00")).reason
    assert reason.isprintable()
    assert len(reason) < 200
    assert "a b\\x1b[31mc" in reason


def test_calendar_with_a_changed_file_is_another_guard(holidays: Path) -> None:
    old = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert old == CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert hash(old) == hash(CalendarGuard(file=str(holidays), timezone=BERLIN))
    holidays.write_text(HOLIDAYS.replace("20201225", "20201224"))
    new = CalendarGuard(file=str(holidays), timezone=BERLIN)
    assert new != old
    assert repr(new) == repr(old)
    assert old.evaluate(at("2026-12-24T12:00")).allows
    assert not new.evaluate(at("2026-12-24T12:00")).allows


def test_calendar_file_expands_a_tilde(holidays: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(holidays.parent))
    assert CalendarGuard(file="~/holidays.ics", timezone=BERLIN) == CalendarGuard(file=str(holidays), timezone=BERLIN)


def test_calendar_without_further_events_never_changes() -> None:
    assert of("2026-12-24").changes_after(at("2027-01-01T00:00")) is None
    assert of("2026-12-24").changes_after(at("9999-06-01T00:00")) is None


def test_calendar_searches_distant_events_in_steps() -> None:
    guard, instant = of("2099-01-01"), at("2026-06-01T12:00")
    while (change := guard.changes_after(instant) or instant) != at("2099-01-01T00:00"):
        assert instant < change < at("2099-01-01T00:00")
        assert guard.evaluate(change).allows
        instant = change


def test_calendar_is_built_from_toml_values_and_the_zone() -> None:
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
def test_calendar_refuses_invalid_dates_in_a_short_line(dates: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as caught:
        of(*dates)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("file", ["holidays.ics", "", 5])
def test_calendar_refuses_a_relative_path(file: Any) -> None:
    with pytest.raises(ValueError, match=r"invalid path|relative path"):
        CalendarGuard(file=file)


def test_calendar_refuses_a_missing_file_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"/none\.ics: cannot be read \(No such file or directory\); check the path"):
        CalendarGuard(file=str(tmp_path / "none.ics"))


def test_calendar_refuses_pipes_and_folders_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ics")
    with pytest.raises(ValueError, match=r"/pipe\.ics: not a regular file"):
        CalendarGuard(file=str(tmp_path / "pipe.ics"))
    with pytest.raises(ValueError, match=r"cannot be read|not a regular file"):
        CalendarGuard(file=str(tmp_path))


def test_calendar_refuses_a_large_file(holidays: Path) -> None:
    os.truncate(holidays, calendar_file.MAX_FILE_BYTES + 1)
    with pytest.raises(ValueError, match="larger than 8 MB; export fewer events"):
        CalendarGuard(file=str(holidays))


def test_calendar_refuses_another_encoding_with_the_line(holidays: Path) -> None:
    holidays.write_bytes(HOLIDAYS.replace("Christmas", "Noël").encode("latin-1"))
    with pytest.raises(ValueError, match=r"holidays\.ics:9: not valid UTF-8"):
        CalendarGuard(file=str(holidays))


def test_calendar_module_offers_the_guard() -> None:
    assert calendar.rae_guards() == [CalendarGuard]
