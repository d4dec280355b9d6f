"""usage: absence, idle and return."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from tests.support.usage_playing import BEGIN, PatternPlayer, after


def keys(played: PatternPlayer) -> list[str]:
    return [firing.key for firing in played.fired]


def test_absence_fires_once() -> None:
    played = PatternPlayer(pattern="absence", of="backup.done", for_="2d")
    played.handle(after(hours=5), "backup.done")
    assert played.advance_to(after(hours=5, days=2, seconds=-1)) == []
    (firing,) = played.advance_to(after(hours=5, days=2))
    assert (firing.key, firing.at) == ("after-event-1", after(hours=5, days=2))
    assert played.advance_to(after(days=20)) == []


def test_absence_fires_again_after_the_next_event() -> None:
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    played.advance_to(after(hours=3))
    played.handle(after(hours=4))
    played.advance_to(after(hours=9))
    assert keys(played) == [f"after-{BEGIN.isoformat()}", "after-event-1"]
    assert [firing.at for firing in played.fired] == [after(hours=1), after(hours=5)]


def test_absence_says_since_when_nothing_came() -> None:
    played = PatternPlayer(pattern="absence", of="backup.*", for_="1h")
    played.handle(after(minutes=10), "backup.done")
    (firing,) = played.advance_to(after(hours=2))
    assert firing.event == {
        "pattern": "absence",
        "of": "backup.*",
        "for": "1h",
        "last": "2026-01-05T08:10:00+00:00",
        "since": "2026-01-05T08:10:00+00:00",
    }


def test_absence_ignores_other_events() -> None:
    played = PatternPlayer(pattern="absence", of="run.succeeded", where={"job": "backup"}, for_="1h")
    played.handle(after(minutes=50), "run.succeeded", {"job": "other"})
    assert len(played.advance_to(after(hours=1))) == 1


def test_absence_ignores_gaps() -> None:
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    assert played.skip(after(minutes=30), after(hours=10), "slept") == []
    assert played.advance_to(after(hours=10, minutes=29)) == []
    assert played.skip(after(hours=10, minutes=29), after(days=3), "down") == []
    assert len(played.advance_to(after(days=3, minutes=1))) == 1


def test_absence_survives_a_clock_set_back() -> None:
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    assert played.skip(after(minutes=30), after(hours=-5), "set_back") == []
    assert played.advance_to(after(hours=-4, minutes=-31)) == []
    assert [firing.at for firing in played.advance_to(after(hours=-4))] == [after(hours=-4, minutes=-30)]


def test_absence_restarts_at_the_end_of_a_gap_with_events() -> None:
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    played.skip(after(minutes=50), after(hours=5), "down")
    played.handle(after(hours=2))
    assert played.advance_to(after(hours=5, minutes=59)) == []
    assert [firing.at for firing in played.advance_to(after(hours=6))] == [after(hours=6)]


def test_absence_ignores_late_events() -> None:
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    played.handle_all([after(minutes=30), after(minutes=10)])
    assert [firing.key for firing in played.advance_to(after(minutes=90))] == ["after-event-1"]


@given(
    st.lists(st.tuples(st.sampled_from(["event", "gap"]), st.integers(1, 100), st.integers(0, 100)), max_size=20),
)
def test_absence_agrees_with_counting_watched_minutes(story: list[tuple[str, int, int]]) -> None:
    """Compare with counting the watched minutes one by one."""
    played = PatternPlayer(pattern="absence", of="*", for_="1h")
    minute, quiet, fired, expected = 0, 0, False, []
    for kind, wait, length in story:
        for _ in range(wait):
            minute, quiet = minute + 1, quiet + 1
            if quiet == 60 and not fired:
                fired = True
                expected.append(after(minutes=minute))
        if kind == "event":
            played.handle(after(minutes=minute))
            quiet, fired = 0, False
        else:
            played.skip(after(minutes=minute), after(minutes=minute + length))
            minute += length
    played.advance_to(after(minutes=minute))
    assert [firing.at for firing in played.fired] == expected
    assert len(set(keys(played))) == len(expected)


def idle_event(since: float, until: float, idle: bool) -> dict[str, object]:
    times = {"since": after(minutes=since).isoformat(), "until": after(minutes=until).isoformat()}
    return {"idle": idle, **times, "seconds": (until - since) * 60, "reason": "the X server :0"}


def test_idle_fires_once_in_a_period_and_return_at_its_end() -> None:
    idle = PatternPlayer(pattern="idle", for_="10m")
    back = PatternPlayer(pattern="return", for_="10m")
    for played in (idle, back):
        played.handle(after(minutes=10), "idle", idle_event(0, 10, True), id="idle-1")
        # After a restart the part may find the same absence again.
        played.handle(after(minutes=11), "idle", idle_event(0.01, 10.01, True), id="idle-1b")
        played.handle(after(minutes=30), "idle", idle_event(0, 30, False), id="back-1")
        played.handle(after(minutes=50), "idle", idle_event(40, 50, True), id="idle-2")
        played.advance_to(after(hours=2))
    assert keys(idle) == ["idle-1", "idle-2"]
    assert keys(back) == ["back-1"]
    assert back.fired[0].event is not None
    assert back.fired[0].event["seconds"] == 1800


def test_return_ignores_short_idle_periods() -> None:
    played = PatternPlayer(pattern="return", for_="10m")
    assert played.handle(after(minutes=9), "idle", idle_event(0, 9.9, False)) == []


def test_idle_patterns_ask_for_periods_of_their_length() -> None:
    (part,) = PatternPlayer(pattern="idle", for_="7m").pattern.parts().values()
    assert part.after == timedelta(minutes=7)  # type: ignore[union-attr]  # the part is known
