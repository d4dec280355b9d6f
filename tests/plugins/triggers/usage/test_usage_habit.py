"""usage: habit, a learned time of day."""

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.usage_playing import BEGIN, BERLIN, PatternPlayer, make_pattern

from rae_auto.api.pattern import Firing

ONE = timedelta(days=1)
MONDAY = datetime(2026, 1, 5, tzinfo=ZoneInfo(BERLIN))


def at(day: int, clock: str) -> datetime:
    """Return an instant by the clock in Berlin, counted in days from the first Monday."""
    date = (MONDAY + day * ONE).date()
    return datetime.combine(date, time.fromisoformat(clock), ZoneInfo(BERLIN)).astimezone(UTC)


def learn_habit(clock: str = "09:05", days: int = 30, **options: Any) -> PatternPlayer:
    """Return a player with a habit at this time on each of the days."""
    played = PatternPlayer(at(0, "04:00"), **{"pattern": "habit", "of": "*", **options})
    for day in range(days):
        played.handle(at(day, clock))
    return played


def format_time(firing: Firing) -> str:
    return firing.at.astimezone(ZoneInfo(BERLIN)).strftime("%H:%M")


class User:
    """Yield events on 85 % of weekdays at 09:05 ± 10 minutes, and sometimes at any time of the day."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def times(self, days: int) -> Iterator[datetime]:
        for day in range(days):
            minutes = [self.random.randrange(8 * 60, 22 * 60) for _ in range(self.random.choice((0, 1, 1, 2)))]
            if day % 7 < 5 and self.random.random() < 0.85:
                minutes.append(9 * 60 + 5 + self.random.randint(-10, 10))
            for minute in sorted(minutes):
                yield at(day, "00:00") + timedelta(minutes=minute, seconds=self.random.randrange(60))


@pytest.fixture(scope="module")
def users() -> list[list[Firing]]:
    """The firings in eight weeks of each of twenty users."""
    fired = []
    for seed in range(20):
        played = PatternPlayer(at(0, "04:00"), pattern="habit", of="shell.command")
        played.handle_all(User(seed).times(56))
        fired.append(played.fired)
    return fired


def test_habit_is_found_for_each_of_twenty_users(users: list[list[Firing]]) -> None:
    """A habit fires on nearly each weekday after the warm-up: 26 of 56 days."""
    counts = [sum(format_time(firing) in ("08:30", "09:00") for firing in fired) for fired in users]
    assert min(counts) >= 20, counts


def test_habit_fires_in_no_other_slot(users: list[list[Firing]]) -> None:
    others = [firing.key for fired in users for firing in fired if format_time(firing) not in ("08:30", "09:00")]
    weekends = [firing.key for fired in users for firing in fired if firing.at.weekday() >= 5]
    assert (others, weekends) == ([], [])


def test_habit_fires_once_a_day(users: list[list[Firing]]) -> None:
    assert all(len({firing.key for firing in fired}) == len(fired) for fired in users)
    assert all(len({firing.at.date() for firing in fired}) == len(fired) for fired in users)


def test_habit_does_not_fire_in_the_warm_up(users: list[list[Firing]]) -> None:
    """Fourteen weekdays are over on the evening of the 18th day."""
    first = min(firing.at for fired in users for firing in fired)
    assert first >= at(18, "04:00")
    played = learn_habit(days=18)
    played.advance_to(at(18, "08:59"))
    assert [format_time(firing) for firing in played.fired] == []
    played.advance_to(at(18, "09:00"))
    assert [firing.key for firing in played.fired] == ["2026-01-23-09:00"]


def test_habit_explains_its_baseline() -> None:
    """By definition a day weighs e^(-age / 28), and p = (hits + 0.5) / (days + 1)."""
    played = learn_habit(days=28)
    played.advance_to(at(28, "09:00"))
    weight = sum(math.exp(-(28 - day) / 28) for day in range(28) if day % 7 < 5)
    assert played.fired[-1].event == {
        "pattern": "habit",
        "of": "*",
        "day": "2026-02-02",
        "kind": "weekday",
        "slot": "09:00",
        "probability": round((weight + 0.5) / (weight + 1), 3),
        "threshold": 0.6,
        "days": 20,
        "hits": 20,
        "lead": "0s",
        "already": False,
    }


def test_habit_says_if_it_was_done_already() -> None:
    played = learn_habit(days=28)
    played.handle(at(28, "08:40"))
    played.advance_to(at(28, "09:00"))
    assert played.fired[-1].event is not None
    assert played.fired[-1].event["already"] is True


def test_habit_learns_weekdays_and_weekends_apart() -> None:
    played = PatternPlayer(at(0, "04:00"), pattern="habit", of="*")
    for day in range(70):
        played.handle(at(day, "09:10" if day % 7 < 5 else "11:10"))
    played.advance_to(at(77, "03:00"))
    last_week = {firing.event["kind"]: format_time(firing) for firing in played.fired[-7:] if firing.event}
    assert last_week == {"weekday": "09:00", "weekend": "11:00"}


def test_habit_fires_earlier_by_lead() -> None:
    played = learn_habit(days=28, lead="45m")
    played.advance_to(at(29, "00:00"))
    firing = played.fired[-1]
    assert (format_time(firing), firing.key) == ("08:15", "2026-02-02-09:00")


def test_habit_lead_reaches_into_the_day_before() -> None:
    played = learn_habit("04:10", days=28, lead="1h")
    played.advance_to(at(28, "03:30"))
    firing = played.fired[-1]
    assert (format_time(firing), firing.key) == ("03:00", "2026-02-02-04:00")


def test_habit_is_forgotten_when_given_up() -> None:
    played = learn_habit(days=28)
    played.advance_to(at(28, "03:00"))
    played.fired.clear()
    played.advance_to(at(84, "03:00"))
    last = max(firing.at for firing in played.fired)
    assert at(29, "00:00") < last < at(56, "00:00")


def test_habit_learns_nothing_from_unwatched_days() -> None:
    played = learn_habit(days=28)
    played.advance_to(at(28, "04:30"))
    played.skip(at(28, "04:30"), at(35, "04:30"), "down")
    played.advance_to(at(35, "09:00"))
    assert played.fired[-1].event is not None
    assert (played.fired[-1].event["days"], played.fired[-1].event["hits"]) == (20, 20)


def test_habit_learns_from_the_watched_part_of_a_day() -> None:
    """Two habits; on ten days the machine sleeps through the first one."""
    played = PatternPlayer(at(0, "04:00"), pattern="habit", of="*")
    for day in range(28):
        if day < 14:
            played.skip(at(day, "06:00"), at(day, "12:00"))
        else:
            played.handle(at(day, "09:05"))
        played.handle(at(day, "15:05"))
    played.advance_to(at(28, "16:00"))
    # Ten weekdays are too few to speak of.
    assert {format_time(firing) for firing in played.fired} == {"15:00"}


def test_habit_due_during_a_suspend_fires_within_its_slot() -> None:
    for wakes, expected in (("09:20", ["2026-02-02-09:00"]), ("09:31", [])):
        played = learn_habit(days=28)
        played.advance_to(at(28, "08:00"))
        played.fired.clear()
        played.skip(at(28, "08:00"), at(28, wakes))
        played.advance_to(at(28, "12:00"))
        assert [firing.key for firing in played.fired] == expected, wakes


def test_habit_slot_follows_the_clock_when_clocks_are_set() -> None:
    """Summer time begins on the 83rd day: at nine it is an hour earlier in UTC from then on."""
    played = learn_habit(days=90)
    late = [firing for firing in played.fired if firing.at >= at(84, "00:00")]
    assert {firing.at.hour for firing in late} == {7}
    assert {format_time(firing) for firing in played.fired} == {"09:00"}


def test_habit_does_not_fire_in_a_dry_run() -> None:
    played = learn_habit(days=28, dry_run=True)
    played.advance_to(at(35, "04:00"))
    assert played.fired == []


def test_habit_keeps_what_it_learned_when_lead_changes() -> None:
    """Learning takes weeks. The state is bound to the repr, and these options are not part of it."""
    options = {"pattern": "habit", "of": "*", "timezone": BERLIN}
    changed = {"probability": 0.8, "lead": "10m", "dry_run": True, "warm_up": 20}
    assert repr(make_pattern(**options)) == repr(make_pattern(**options, **changed))  # type: ignore[arg-type]
    assert repr(make_pattern(**options)) != repr(make_pattern(**{**options, "of": "x"}))  # type: ignore[arg-type]
    played = learn_habit(days=28)
    played.advance_to(at(28, "05:00"))
    played.play.pattern = make_pattern(**options, lead="45m")  # type: ignore[arg-type]
    played.advance_to(at(28, "12:00"))
    assert format_time(played.fired[-1]) == "08:15"


def test_habit_state_is_small_and_has_only_counts() -> None:
    played = PatternPlayer(at(0, "04:00"), pattern="habit", of="shell.command")
    played.handle_all(User(1).times(120))
    text = json.dumps(played.play.state)
    assert "shell" not in text
    assert len(text) < 8000


def test_habit_started_at_noon_counts_no_missed_morning() -> None:
    played = PatternPlayer(BEGIN + timedelta(hours=4), pattern="habit", of="*", warm_up=2)
    for day in (1, 2):
        played.handle(at(day, "09:05"))
    played.advance_to(at(3, "09:00"))
    assert played.fired[-1].event is not None
    assert played.fired[-1].event["days"] == 2
