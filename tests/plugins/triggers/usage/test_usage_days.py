"""usage: days with a configured start, on clocks that are set forward and back."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.usage.patterns.days import Days, day_kind

ZONES = ["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]
instants = st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC))
starts = st.sampled_from(["00:00", "00:30", "02:00", "02:30", "04:00", "23:59"])


@given(st.sampled_from(ZONES), starts, instants)
def test_days_put_each_instant_between_the_starts_of_two_days(name: str, start: str, instant: datetime) -> None:
    days = Days(name, start)
    day = days.date_of(instant)
    assert days.start_of(day) <= instant < days.start_of(day + timedelta(days=1))


@given(st.sampled_from(ZONES), starts, instants, st.sampled_from([30, 60]))
def test_days_put_each_instant_into_the_slot_on_the_clock(
    name: str, start: str, instant: datetime, minutes: int
) -> None:
    days = Days(name, start)
    day, slot = days.slot_of(instant, minutes)
    assert day == days.date_of(instant)
    begins = days.slot_start(day, slot, minutes)
    # A slot that the clock shows twice has its second showing too, and so has what is shown while it is set back.
    assert begins <= instant
    shown = instant.astimezone(ZoneInfo(name)).strftime("%H:%M")
    following = days.slot_text(slot + 1, minutes)
    text = days.slot_text(slot, minutes)
    assert text <= shown < following or (following < text and (shown >= text or shown < following)) or slot in (0, 47)


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-28", 24), ("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_day_is_shorter_or_longer_when_clocks_are_set(day: str, hours: int) -> None:
    days, begins = Days("Europe/Berlin", "00:00"), date.fromisoformat(day)
    assert days.start_of(begins + timedelta(days=1)) - days.start_of(begins) == timedelta(hours=hours)


def test_day_starts_at_the_change_if_the_clock_skips_its_start() -> None:
    days = Days("Europe/Berlin", "02:30")
    assert days.start_of(date(2026, 3, 29)) == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert days.date_of(datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC)) == date(2026, 3, 28)
    assert days.date_of(datetime(2026, 3, 29, 1, tzinfo=UTC)) == date(2026, 3, 29)


def test_day_starts_the_first_time_if_the_clock_shows_its_start_twice() -> None:
    days = Days("Europe/Berlin", "02:30")
    assert days.start_of(date(2026, 10, 25)) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    # The clock shows 02:10 once more, but the day goes on.
    assert days.date_of(datetime(2026, 10, 25, 1, 10, tzinfo=UTC)) == date(2026, 10, 25)


def test_slot_that_the_clock_skips_has_no_length() -> None:
    days = Days("Europe/Berlin", "00:00")
    starts = [days.slot_start(date(2026, 3, 29), slot, 30) for slot in range(49)]
    lengths = [after - before for before, after in pairwise(starts)]
    assert [slot for slot, length in enumerate(lengths) if not length] == [4, 5]


def test_day_kind_is_weekend_on_saturday_and_sunday() -> None:
    assert [day_kind(date(2026, 1, 5) + timedelta(days=day))[:5] for day in range(7)] == ["weekd"] * 5 + ["weeke"] * 2
