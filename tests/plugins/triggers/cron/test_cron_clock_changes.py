"""Cron where the clock is set forward (a gap) or back (a fold), in real zones and against a plain walk."""

import calendar
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_plugins.triggers.cron import CronTrigger

MINUTE = timedelta(minutes=1)

# expression, zone, start on the wall (with its offset), the next runs on the wall
CHANGES = [
    # fixed, gap: once, at its end
    ("30 2 * * *", "Europe/Paris", "2023-03-25T12:00+01:00", ["03-26 03:00+02:00", "03-27 02:30+02:00"]),
    ("0,30 2,3 * * *", "Europe/Paris", "2023-03-26T01:00+01:00", ["03-26 03:00+02:00", "03-26 03:30+02:00"]),
    ("0 0-23 * * *", "Australia/Lord_Howe", "2023-10-01T01:10+10:30", ["10-01 02:30+11:00", "10-01 03:00+11:00"]),
    ("30 2 26 3 *", "Europe/Paris", "2023-03-25T12:00+01:00", ["03-26 03:00+02:00"]),
    ("30 23 * * *", "America/Nuuk", "2024-03-30T12:00-02:00", ["03-31 00:00-01:00", "03-31 23:30-01:00"]),
    ("30 23 * * SAT", "America/Nuuk", "2024-03-30T12:00-02:00", ["03-31 00:00-01:00", "04-06 23:30-01:00"]),
    ("15 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00-03:00", ["11-04 01:00-02:00", "11-05 00:15-02:00"]),
    ("0 12 30 12 *", "Pacific/Apia", "2011-12-29T13:00-10:00", ["12-31 00:00+14:00", "2012-12-30 12:00+14:00"]),
    ("45 1 * * *", "Antarctica/Troll", "2024-03-31T00:30+00:00", ["03-31 03:00+02:00", "04-01 01:45+02:00"]),
    # fixed, fold: once, the first time
    ("30 2 * * *", "Europe/Paris", "2023-10-28T12:00+02:00", ["10-29 02:30+02:00", "10-30 02:30+01:00"]),
    ("40 2 * * *", "Europe/Paris", "2023-10-29T02:10+01:00", ["10-30 02:40+01:00"]),
    ("0 0-23 * * *", "Europe/Paris", "2023-10-29T01:30+02:00", ["10-29 02:00+02:00", "10-29 03:00+01:00"]),
    ("45 1 * * *", "Australia/Lord_Howe", "2024-04-07T01:00+11:00", ["04-07 01:45+11:00", "04-08 01:45+10:30"]),
    ("30 2 * * *", "Africa/Casablanca", "2024-03-10T01:00+01:00", ["03-10 02:30+01:00", "03-11 02:30+00:00"]),
    ("30 1 * * *", "Europe/Dublin", "2023-10-29T00:30+01:00", ["10-29 01:30+01:00", "10-30 01:30+00:00"]),
    # wild, gap: there is no such time
    ("*/20 2 * * *", "Europe/Paris", "2023-03-25T12:00+01:00", ["03-27 02:00+02:00", "03-27 02:20+02:00"]),
    ("*/40 30 2 * * *", "Europe/Paris", "2023-03-25T12:00+01:00", ["03-27 02:30+02:00"]),
    ("0 */2 * * *", "Europe/Paris", "2023-03-25T23:30+01:00", ["03-26 00:00+01:00", "03-26 04:00+02:00"]),
    ("*/30 * 30-31 12 *", "Pacific/Apia", "2011-12-29T13:00-10:00", ["12-31 00:00+14:00", "12-31 00:30+14:00"]),
    ("* * * * * *", "Pacific/Apia", "2011-12-29T23:59:59-10:00", ["12-31 00:00+14:00"]),
    ("0 * * * *", "Pacific/Chatham", "2023-09-24T02:30+12:45", ["09-24 04:00+13:45"]),
    # wild, fold: both passes, as they come
    (
        "*/30 2 * * *",
        "Europe/Paris",
        "2023-10-29T01:00+02:00",
        ["10-29 02:00+02:00", "10-29 02:30+02:00", "10-29 02:00+01:00", "10-29 02:30+01:00", "10-30 02:00+01:00"],
    ),
    (
        "*/20 1 * * *",
        "Australia/Lord_Howe",
        "2024-04-07T01:20+11:00",
        ["04-07 01:40+11:00", "04-07 01:40+10:30", "04-08 01:00+10:30"],
    ),
    ("0 */30 2 29 10 ? 2023", "Europe/Paris", "2023-10-29T02:30+02:00", ["10-29 02:00+01:00"]),
    ("0 * * * *", "Africa/Casablanca", "2024-03-10T02:00+01:00", ["03-10 02:00+00:00", "03-10 03:00+00:00"]),
]


def runs(expression: str, zone: str, start: datetime) -> Iterator[datetime]:
    trigger = CronTrigger(expression=expression, timezone=zone)
    instant = trigger.next_after(start)
    while instant is not None:
        yield instant
        instant = trigger.next_after(instant)


@pytest.mark.parametrize(
    ("expression", "zone", "start", "expected"), CHANGES, ids=[f"{row[0]} {row[1]} {row[2][:7]}" for row in CHANGES]
)
def test_cron_runs_around_a_clock_change(expression: str, zone: str, start: str, expected: list[str]) -> None:
    begin = datetime.fromisoformat(start)
    found = runs(expression, zone, begin)
    locals_ = [next(found).astimezone(ZoneInfo(zone)).isoformat(" ", "minutes") for _ in expected]
    assert [local.removeprefix(f"{begin.year}-") for local in locals_] == expected


# The judge: a walk over the minutes of a few days, which knows nothing of expressions but sets of values.

ZONES = [
    "UTC",
    "Europe/Paris",
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Nuuk",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Antarctica/Casey",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
]
YEARS = range(2009, 2030)


@cache
def changes_of(name: str, years: range) -> list[datetime]:
    """The minutes at which a zone's offset changes, found by halving the days in which it does."""
    zone = ZoneInfo(name)
    found = []
    day = datetime(years[0], 1, 1, tzinfo=UTC)
    while day.year <= years[-1]:
        low, high = day, day + timedelta(days=1)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            while high - low > MINUTE:
                middle = low + (high - low) // (2 * MINUTE) * MINUTE
                same = middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset()
                low, high = (middle, high) if same else (low, middle)
            found.append(high)
        day += timedelta(days=1)
    return found


def walked(
    matches: Callable[[datetime], bool], is_wildcard: bool, zone: ZoneInfo, start: datetime, end: datetime
) -> list[datetime]:
    """The runs in (start, end]: of a wild schedule whenever the clock matches, of a fixed one for each new time."""
    # A day earlier, so that it is known which times were shown already.
    instant = start - timedelta(days=1, hours=2)
    newest = instant.astimezone(zone).replace(tzinfo=None)
    found = []
    while instant < end:
        instant += MINUTE
        shown = instant.astimezone(zone).replace(tzinfo=None)
        new = []
        while newest < shown:
            newest += MINUTE
            new.append(newest)
        if instant > start and (matches(shown) if is_wildcard else any(map(matches, new))):
            found.append(instant)
    return found


@st.composite
def fields(draw: st.DrawFn, highest: int) -> tuple[str, set[int]]:
    """A field from 0 on and its values, counted out one by one."""
    whole = [*range(highest + 1)]
    value = st.integers(0, highest)

    def item() -> tuple[str, list[int]]:
        low, high, step = draw(value), draw(value), draw(st.integers(1, highest))
        turned = whole[low:] + whole[:low]
        span = turned[: turned.index(high) + 1]
        choices = [
            (f"{low}", [low]),
            (f"{low}-{high}", span),
            (f"{low}-{high}/{step}", span[::step]),
            (f"{low}/{step}", whole[low::step]),
            (f"*/{step}", whole[::step]),
            ("*", whole),
        ]
        return draw(st.sampled_from(choices))

    items = [item() for _ in range(draw(st.integers(1, 2)))]
    return ",".join(text for text, _ in items), {each for _, values in items for each in values}


def days_in(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1]


def is_last_working_day(day: date) -> bool:
    rest = range(day.day + 1, days_in(day) + 1)
    return day.weekday() < 5 and all(day.replace(day=later).weekday() >= 5 for later in rest)


def is_nearest_to_the_15th(day: date) -> bool:
    return day.day == 15 + {5: -1, 6: 1}.get(day.replace(day=15).weekday(), 0)


DAYS: dict[str, Callable[[date], bool]] = {
    "*": lambda day: True,
    "?": lambda day: True,
    "*/3": lambda day: day.day % 3 == 1,
    "25-5": lambda day: day.day >= 25 or day.day <= 5,
    "28-3/2": lambda day: day.day in (28, 30, 1, 3),
    "7,L": lambda day: day.day in (7, days_in(day)),
    "LW": is_last_working_day,
    "15w": is_nearest_to_the_15th,
    "L-2": lambda day: day.day == days_in(day) - 2,
    "L-30,5": lambda day: day.day in (days_in(day) - 30, 5),
}
WEEKDAYS: dict[str, Callable[[date], bool]] = {
    "*": lambda day: True,
    "?": lambda day: True,
    "*/2": lambda day: day.isoweekday() in (7, 2, 4, 6),
    "sat-mon": lambda day: day.isoweekday() in (6, 7, 1),
    "0": lambda day: day.isoweekday() == 7,
    "5-7": lambda day: day.isoweekday() in (5, 6, 7),
    "SUN#1": lambda day: day.isoweekday() == 7 and day.day <= 7,
    "7L": lambda day: day.isoweekday() == 7 and day.day + 7 > days_in(day),
    "3,sun#2": lambda day: day.isoweekday() == 3 or (day.isoweekday() == 7 and 8 <= day.day <= 14),
}


@pytest.mark.requirement("R15")
@settings(max_examples=250)
@given(fields(59), fields(23), st.sampled_from(list(DAYS)), st.sampled_from(list(WEEKDAYS)), st.data())
def test_cron_agrees_with_a_walk_over_the_minutes(
    minute: tuple[str, set[int]], hour: tuple[str, set[int]], day: str, weekday: str, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(ZONES))
    change = data.draw(st.sampled_from(changes_of(name, YEARS) or [datetime(2024, 2, 28, 12, tzinfo=UTC)]))
    start = change + data.draw(st.integers(-26 * 60, 6 * 60)) * MINUTE
    end = start + timedelta(hours=36)
    both = any(word[0] in "*?" for word in (day, weekday))

    def matches(wall: datetime) -> bool:
        days = DAYS[day](wall), WEEKDAYS[weekday](wall)
        return wall.minute in minute[1] and wall.hour in hour[1] and (all(days) if both else any(days))

    is_wildcard = any(text.startswith("*") for text, _ in (minute, hour))
    expected = walked(matches, is_wildcard, ZoneInfo(name), start, end)[:100]
    found = runs(f"{minute[0]} {hour[0]} {day} * {weekday}", name, start)
    assert list(islice(takewhile(lambda instant: instant <= end, found), 100)) == expected


@pytest.mark.requirement("R15")
@pytest.mark.parametrize("expression", ["*/30 * * * *", "0,30 0-23 * * *"], ids=["wild", "fixed"])
def test_cron_runs_ascend_in_every_zone(expression: str) -> None:
    half_an_hour = timedelta(minutes=30)
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in changes_of(name, range(2026, 2027)):
            last = change - timedelta(hours=2)
            for instant in islice(runs(expression, name, last), 12):
                assert last < instant, name
                if instant != change:
                    assert instant.astimezone(zone).minute in (0, 30), name
                if expression.startswith("*"):
                    assert instant - last <= half_an_hour, name
                last = instant


def test_next_noon_is_near_in_every_zone() -> None:
    start = datetime(2026, 6, 1, tzinfo=UTC)
    for name in sorted(available_timezones()):
        noon = CronTrigger(expression="0 12 * * *", timezone=name).next_after(start)
        assert noon is not None
        assert start < noon <= start + timedelta(days=1)
        assert noon.astimezone(ZoneInfo(name)).hour == 12
