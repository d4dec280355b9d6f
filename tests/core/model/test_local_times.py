"""Times as people write them, by the clock of a zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rae_auto.model.primitives.local_times import Direction, parse_local_time
from rae_auto.testing.harness import strategies

BERLIN = ZoneInfo("Europe/Berlin")
SATURDAY = datetime(2026, 11, 28, 13, 0, tzinfo=UTC)
PAST, FUTURE = Direction
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)
directions = st.sampled_from(Direction)
DAYS = ["", "today", "yesterday", "tomorrow", "monday", "Fri", "last sunday", "next tue", "2026-03-29", "2026-10-25"]
DAYS += ["this friday", "last week", "next month", "this year", "the day before yesterday", "29 Mar", "Oct 25th, 2026"]


def read(text, direction, now=SATURDAY):
    """Return the local time that the text stands for."""
    instant = parse_local_time(text, BERLIN, now, direction).instants[0]
    return f"{instant.astimezone(BERLIN):%a %m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("text", "past", "future"),
    [
        ("now", "Sat 11-28 14:00:00", None),
        ("yesterday", "Fri 11-27 00:00:00", None),
        ("today", "Sat 11-28 00:00:00", None),
        ("tomorrow 9:00", "Sun 11-29 09:00:00", None),
        ("noon tomorrow", "Sun 11-29 12:00:00", None),
        ("1h", "Sat 11-28 13:00:00", "Sat 11-28 15:00:00"),
        ("1 day and 2 hours", "Fri 11-27 12:00:00", "Sun 11-29 16:00:00"),
        ("1h30m ago", "Sat 11-28 12:30:00", None),
        ("an hour ago", "Sat 11-28 13:00:00", None),
        ("in 10 minutes", "Sat 11-28 14:10:00", None),
        ("09:00", "Sat 11-28 09:00:00", "Sun 11-29 09:00:00"),
        ("9:30 pm", "Fri 11-27 21:30:00", "Sat 11-28 21:30:00"),
        ("12am", "Sat 11-28 00:00:00", "Sun 11-29 00:00:00"),
        ("Monday 9:00", "Mon 11-23 09:00:00", "Mon 11-30 09:00:00"),
        ("sat at 9am", "Sat 11-28 09:00:00", "Sat 12-05 09:00:00"),
        ("last saturday", "Sat 11-21 00:00:00", None),
        ("next saturday", "Sat 12-05 00:00:00", None),
        ("two days ago", "Thu 11-26 14:00:00", None),
        ("half an hour ago", "Sat 11-28 13:30:00", None),
        ("an hour and a half", "Sat 11-28 12:30:00", "Sat 11-28 15:30:00"),
        ("in two weeks", "Sat 12-12 14:00:00", None),
        ("last 3 days", "Wed 11-25 14:00:00", None),
        ("the past hour", "Sat 11-28 13:00:00", None),
        ("3 months", "Fri 08-28 14:00:00", "Sun 02-28 14:00:00"),
        ("a year ago", "Fri 11-28 14:00:00", None),
        ("the day after tomorrow", "Mon 11-30 00:00:00", None),
        ("this friday", "Fri 11-27 00:00:00", None),
        ("last week", "Mon 11-16 00:00:00", None),
        ("next month", "Tue 12-01 00:00:00", None),
        ("this year", "Thu 01-01 00:00:00", None),
        ("this morning", "Sat 11-28 06:00:00", None),
        ("tonight", "Sat 11-28 21:00:00", None),
        ("tonight at 22:30", "Sat 11-28 22:30:00", None),
        ("last night", "Fri 11-27 21:00:00", None),
        ("monday morning", "Mon 11-23 06:00:00", "Mon 11-30 06:00:00"),
        ("tomorrow evening at 8pm", "Sun 11-29 20:00:00", None),
        ("in the morning", "Sat 11-28 06:00:00", "Sun 11-29 06:00:00"),
        ("9 o'clock", "Sat 11-28 09:00:00", "Sun 11-29 09:00:00"),
        ("Nov 27", "Fri 11-27 00:00:00", "Sat 11-27 00:00:00"),
        ("27 Nov 09:00", "Fri 11-27 09:00:00", "Sat 11-27 09:00:00"),
        ("9am on the 27th of November", "Fri 11-27 09:00:00", "Sat 11-27 09:00:00"),
        ("December 24, 2026 at 18:00", "Thu 12-24 18:00:00", None),
        ("29 feb", "Thu 02-29 00:00:00", "Tue 02-29 00:00:00"),
        ("2026-11-28", "Sat 11-28 00:00:00", None),
        ("2026-11-28 9:00", "Sat 11-28 09:00:00", None),
        ("2026-11-28T09:00:30.5", "Sat 11-28 09:00:30", None),
        ("2026-11-28T09:00Z", "Sat 11-28 10:00:00", None),
        ("2026-11-28 09:00:00 +03:00", "Sat 11-28 07:00:00", None),
    ],
)
def test_times_are_read_as_people_mean_them(text, past, future):
    assert (read(text, PAST), read(text, FUTURE)) == (past, future or past)


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "may", "10", "5", "-1h", "+1h", "1x", "1hand", "in 1h ago", "2 hours and", "in", "at"),
        *("25:00", "13pm", "0am", "9:5", "monday 25:00", "9:00 9:00", "x tomorrow", "tomorrow x", "last yesterday"),
        *("2026-13-01", "2026-02-30T01:00", "2026-11-28T14", "2026-11-28x10:00", "2026-11-28 xx", "20261128"),
        *("30 feb", "nov 31", "27 foo", "last today", "week", "month", "in 1 month ago", "evening at 8:00"),
        *("0001-01-01", "9999-12-31", "0001-01-01T00:00+23:00", "999999 weeks", "9" * 500),
    ],
)
@pytest.mark.parametrize(("direction", "example"), [(PAST, '"1h ago"'), (FUTURE, '"in 10 minutes"')])
def test_nonsense_is_refused_in_one_line_with_examples(text, direction, example):
    with pytest.raises(ValueError, match=r"^invalid time .*; write") as caught:
        parse_local_time(text, BERLIN, SATURDAY, direction)
    assert example in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["11/27", "27.11.", "27.11.2026 9:00", "27/11/26"])
def test_days_in_figures_of_unknown_order_are_refused(text):
    with pytest.raises(ValueError, match="write the month as a word, or the year first: 27 Nov, 2026-11-27"):
        parse_local_time(text, BERLIN, SATURDAY)


@given(zones, strategies.instants, directions, st.integers(1, 40))
def test_months_and_years_go_by_the_calendar(zone, now, direction, count):
    ahead = parse_local_time(f"in {count} months", zone, now, direction).instants[0].astimezone(zone)
    local = now.astimezone(zone)
    month = local.year * 12 + local.month + count
    # A day later where the zone has left out a day.
    assert {(ahead - timedelta(days=days)).strftime("%Y-%m") for days in (0, 1)} & {
        f"{(month - 1) // 12:04}-{(month - 1) % 12 + 1:02}"
    }


@pytest.mark.parametrize(
    ("text", "instants", "remark"),
    [
        ("02:30", ["2026-07-01T00:30:00+00:00"], None),
        ("2026-03-29T02:30:15", ["2026-03-29T01:00:00+00:00"], "02:30:15 does not exist"),
        ("2026-10-25T02:30", ["2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"], "occurs twice"),
    ],
)
def test_changes_of_the_clock_are_remarked(text, instants, remark):
    found = parse_local_time(text, BERLIN, datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert [instant.isoformat() for instant in found.instants] == instants
    assert found.remark is None if remark is None else remark in found.remark


@given(zones, strategies.instants, directions, st.sampled_from(DAYS), st.times())
def test_clock_shows_what_was_written_unless_it_skips_that(zone, now, direction, day, clock):
    found = parse_local_time(f"{day} {clock:%H:%M:%S}", zone, now, direction)
    shown = {instant.astimezone(zone).time() for instant in found.instants}
    assert shown == {clock.replace(microsecond=0)} or "does not exist" in found.remark


@given(zones, strategies.instants, st.times(), st.sampled_from(["", "monday ", "Sun "]))
def test_ambiguous_time_lies_in_the_direction(zone, now, clock, day):
    text = f"{day}{clock:%H:%M:%S}"
    back, ahead = (parse_local_time(text, zone, now, direction).instants[0] for direction in Direction)
    assert back <= now < ahead
    # A day more than that between the two, because zones have left out a day.
    assert ahead - back <= timedelta(days=9 if day else 3)


@given(zones, strategies.instants, directions, st.integers(1, 900), st.sampled_from(["s", "m", " hours", "d", "w"]))
def test_durations_are_exact_whatever_the_clock_does(zone, now, direction, number, unit):
    back, ahead = (
        parse_local_time(text, zone, now, direction).instants[0]
        for text in (f"{number}{unit} ago", f"in {number}{unit}")
    )
    assert now - back == ahead - now > timedelta(0)


@given(zones, strategies.instants, strategies.instants, directions)
def test_instants_with_an_offset_are_themselves(zone, now, instant, direction):
    for text in (instant.isoformat(), instant.astimezone(zone).isoformat(" ")):
        assume(instant.astimezone(zone).utcoffset().total_seconds() % 60 == 0)
        assert parse_local_time(text, zone, now, direction).instants == (instant,)


@given(st.text(max_size=120), zones, strategies.instants, directions)
def test_any_text_is_understood_or_refused(text, zone, now, direction):
    try:
        found = parse_local_time(text, zone, now, direction)
    except ValueError as error:
        assert str(error).startswith("invalid time ")
    else:
        assert all(instant.tzinfo is UTC for instant in found.instants)
