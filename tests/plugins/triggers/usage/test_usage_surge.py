"""usage: surge, more events than in the same hour of other days."""

from datetime import timedelta
from typing import Any

from tests.plugins.triggers.usage.test_usage_habit import at
from tests.support.usage_playing import PatternPlayer


def usual(days: int = 20, each: int = 3, hour: str = "10", **options: Any) -> PatternPlayer:
    """Return a player after days with some events in one hour each, one fewer on every second day."""
    played = PatternPlayer(at(0, "04:00"), **{"pattern": "surge", "of": "error", **options})
    for day in range(days):
        for number in range(each - day % 2):
            played.handle(at(day, f"{hour}:{4 * number:02}"), "error")
    return played


def burst(played: PatternPlayer, day: int, clock: str, count: int, apart: float = 60) -> list[int]:
    """Return the numbers, within a burst, of the events that fired."""
    begin = at(day, clock)
    return [n for n in range(1, count + 1) if played.handle(begin + timedelta(seconds=apart * n), "error")]


def test_surge_fires_once_in_an_unusual_hour() -> None:
    """The mean is 2.5, and the deviation at least its root: the threshold is 2.5 + 3 * 1.58 = 7.2."""
    played = usual()
    assert burst(played, 20, "10:00", 30) == [8]


def test_surge_explains_its_baseline() -> None:
    played = usual()
    burst(played, 20, "10:00", 8)
    (firing,) = played.fired
    assert firing.event is not None
    assert firing.event == {
        "pattern": "surge",
        "of": "error",
        "hour": "10:00",
        "seen": 8,
        "threshold": firing.event["threshold"],
        "usual": firing.event["usual"],
        "deviation": firing.event["deviation"],
        "days": 20,
        "data": {},
    }
    assert 2.4 < firing.event["usual"] < 2.6
    assert 7 < firing.event["threshold"] < 8


def test_surge_compares_with_the_same_hour() -> None:
    played = usual(each=12)
    assert burst(played, 20, "10:00", 12) == []
    assert burst(played, 20, "15:00", 12) == [5]


def test_surge_does_not_fire_in_the_warm_up() -> None:
    assert burst(usual(days=13), 13, "10:00", 30) == []
    assert burst(usual(days=14), 14, "10:00", 30) == [8]


def test_surge_needs_at_least_count_events() -> None:
    assert burst(usual(), 20, "03:00", 4) == []
    assert burst(usual(count=3), 20, "03:00", 4) == [3]


def test_surge_needs_both_sigma_and_factor() -> None:
    assert burst(usual(sigma=6.0), 20, "10:00", 30) == [12]
    assert burst(usual(factor=5.0), 20, "10:00", 30) == [13]


def test_surge_waits_for_the_cooldown() -> None:
    assert burst(usual(cooldown="10m"), 20, "10:00", 30) == [8, 18, 28]
    over_the_hour = usual()
    assert burst(over_the_hour, 20, "10:30", 80) == [8, 68]


def test_surge_ignores_unwatched_hours() -> None:
    """Ten events a day in the watched hours; on every second day the machine slept."""
    played = PatternPlayer(at(0, "04:00"), pattern="surge", of="error")
    for day in range(40):
        if day % 2:
            played.skip(at(day, "09:00"), at(day, "12:00"))
        else:
            burst(played, day, "10:00", 10)
    played.fired.clear()
    assert burst(played, 40, "10:00", 15) == []
    assert burst(played, 40, "11:00", 15) == [5]


def test_surge_counts_an_hour_that_the_clock_shows_twice_once() -> None:
    """On the day 293 clocks go back from three to two."""
    played = PatternPlayer(at(250, "04:00"), pattern="surge", of="error", day_start="00:00")
    for day in range(251, 293):
        burst(played, day, "02:00", 10, apart=300)
    played.fired.clear()
    assert burst(played, 293, "02:00", 22, apart=300) == []
