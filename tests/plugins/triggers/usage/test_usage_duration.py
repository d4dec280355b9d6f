"""usage: duration."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.usage_playing import BEGIN, PatternPlayer, after

from rae_auto.api.pattern import Firing


def use(played: PatternPlayer, *intervals: tuple[datetime, datetime], id: str | None = None) -> list[Firing]:
    document: dict[str, Any] = {"began": False, "intervals": [[a.isoformat(), b.isoformat()] for a, b in intervals]}
    return played.handle(intervals[-1][1], "use", document, id)


def test_duration_fires_at_the_instant_at_which_it_is_reached() -> None:
    played = PatternPlayer(pattern="duration", application="firefox", for_="1h")
    assert use(played, (after(minutes=0), after(minutes=30))) == []
    (firing,) = use(played, (after(minutes=100), after(minutes=110)), (after(minutes=120), after(minutes=150)))
    assert (firing.key, firing.at) == ("day-2026-01-05", after(minutes=140))
    assert use(played, (after(minutes=200), after(minutes=300))) == []


def test_duration_fires_once_a_day() -> None:
    played = PatternPlayer(pattern="duration", application="firefox", for_="1h")
    for day in range(3):
        use(played, (after(days=day), after(days=day, hours=3)))
    assert [firing.key for firing in played.fired] == ["day-2026-01-05", "day-2026-01-06", "day-2026-01-07"]


def test_duration_splits_use_at_the_start_of_a_day() -> None:
    """Days begin at four o'clock in Berlin, three in UTC."""
    played = PatternPlayer(pattern="duration", application="firefox", for_="1h")
    border = datetime(2026, 1, 6, 3, tzinfo=UTC)
    assert use(played, (border - timedelta(minutes=59), border + timedelta(minutes=59))) == []
    (firing,) = use(played, (border + timedelta(hours=2), border + timedelta(hours=3)))
    assert (firing.key, firing.at) == ("day-2026-01-06", border + timedelta(hours=2, minutes=1))


def test_duration_week_begins_on_monday() -> None:
    played = PatternPlayer(pattern="duration", application="firefox", for_="3h", per="week")
    for day in (0, 2, 6, 7, 8):
        use(played, (after(days=day), after(days=day, hours=1)))
    assert [firing.key for firing in played.fired] == ["week-2026-01-05"]


def test_duration_counts_overlapping_use_once() -> None:
    """Use is reported twice after a crash, together with later use."""
    played = PatternPlayer(pattern="duration", application="firefox", for_="1h")
    use(played, (after(minutes=0), after(minutes=40)))
    assert use(played, (after(minutes=0), after(minutes=59))) == []
    assert use(played, (after(minutes=30), after(minutes=35))) == []
    assert len(use(played, (after(minutes=50), after(minutes=60)))) == 1


def test_duration_in_a_window_fires_again_after_less_use() -> None:
    played = PatternPlayer(pattern="duration", application="firefox", for_="30m", within="1h")
    assert use(played, (after(minutes=0), after(minutes=20))) == []
    assert len(use(played, (after(minutes=30), after(minutes=45)), id="a")) == 1
    assert use(played, (after(minutes=45), after(minutes=60)), id="b") == []
    (again,) = use(played, (after(hours=3), after(hours=3, minutes=31)), id="c")
    assert again.key == "c-0"
    assert again.event is not None
    assert again.event["seconds"] == 31 * 60


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=20), st.integers(5, 60), st.integers(60, 90)
)
def test_duration_in_a_window_agrees_with_counting_minutes(
    story: list[tuple[int, int]], lasting: int, within: int
) -> None:
    played = PatternPlayer(pattern="duration", application="x", for_=lasting * 60, within=within * 60)
    used: set[int] = set()
    minute, armed, expected = 0, True, []
    for pause, length in story:
        minute += pause
        armed = armed or sum(one in used for one in range(minute - within, minute)) < lasting
        used |= set(range(minute, minute + length))
        use(played, (after(minutes=minute), after(minutes=minute + length)))
        minute += length
        if armed and sum(one in used for one in range(minute - within, minute)) >= lasting:
            expected.append(after(minutes=minute))
            armed = False
    assert [firing.at for firing in played.fired] == expected


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=20))
def test_duration_in_a_day_agrees_with_counting_minutes(story: list[tuple[int, int]]) -> None:
    played = PatternPlayer(pattern="duration", application="x", for_="5h")
    minute, sums, expected = 0, {}, []
    for pause, length in story:
        minute += pause
        use(played, (after(minutes=minute), after(minutes=minute + length)))
        for one in range(minute, minute + length):
            # Days begin at three o'clock in UTC, and BEGIN is at eight.
            day = (BEGIN + timedelta(minutes=one) - timedelta(hours=3)).date()
            sums[day] = sums.get(day, 0) + 1
            if sums[day] == 300:
                expected.append(after(minutes=one + 1))
        minute += length
    assert [firing.at for firing in played.fired] == expected


def test_count_can_count_sessions() -> None:
    played = PatternPlayer(pattern="streak", application="anki", days=2)
    played.handle(after(hours=1), "use", {"began": True, "intervals": []})
    played.handle(after(hours=25), "use", {"began": False, "intervals": []})
    assert played.fired == []
    assert len(played.handle(after(hours=26), "use", {"began": True, "intervals": []})) == 1
