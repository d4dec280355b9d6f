"""usage: count, first_of_day and streak."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.usage_playing import BEGIN, PatternPlayer, after, make_pattern

from rae_auto.api.events import Event
from rae_auto.toolkit.pattern_run import PatternRun

offsets = st.lists(st.integers(0, 300), max_size=60).map(sorted)


def fires_by_brute_force(seconds: list[int], count: int, within: int, reset: bool) -> list[int]:
    """Return the indices at which it fires, by counting all events each time."""
    fired: list[int] = []
    for index, at in enumerate(seconds):
        begin = fired[-1] + 1 if reset and fired else 0
        in_window = [other for other in seconds[begin : index + 1] if at - within < other <= at]
        cooling = not reset and bool(fired) and at - seconds[fired[-1]] < within
        if len(in_window) >= count and not cooling:
            fired.append(index)
    return fired


@given(offsets, st.integers(1, 6), st.integers(1, 60), st.booleans())
def test_count_agrees_with_counting_all_events(seconds: list[int], count: int, within: int, reset: bool) -> None:
    played = PatternPlayer(pattern="count", of="shell.*", count=count, within=within, reset=reset)
    played.handle_all(after(seconds=second) for second in seconds)
    expected = fires_by_brute_force(seconds, count, within, reset)
    assert [firing.key for firing in played.fired] == [f"event-{index + 1}" for index in expected]


@given(offsets, st.permutations(range(4)))
def test_count_puts_late_events_at_their_instant(seconds: list[int], order: list[int]) -> None:
    """Four within ten seconds fire, in any order."""
    played = PatternPlayer(pattern="count", of="*", count=4, within="10s")
    played.handle_all(after(hours=1, seconds=3 * place) for place in order)
    assert len(played.fired) == 1


def test_count_window_excludes_its_begin() -> None:
    """The window is (t - W, t]: the first of two events exactly W apart is outside."""
    played = PatternPlayer(pattern="count", of="*", count=2, within="10s")
    assert played.handle_all([after(seconds=0), after(seconds=10)]) == []
    assert [firing.key for firing in played.handle(after(seconds=19.999))] == ["event-3"]


def test_count_firing_explains_itself() -> None:
    played = PatternPlayer(pattern="count", of="shell.command", count=2, within="1h")
    played.handle(after(minutes=1), data={"program": "git"})
    (firing,) = played.handle(after(minutes=2), data={"program": "make"})
    assert firing.event == {
        "pattern": "count",
        "of": "shell.command",
        "count": 2,
        "within": "1h",
        "first": "2026-01-05T08:01:00+00:00",
        "last": "2026-01-05T08:02:00+00:00",
        "data": {"program": "make"},
    }
    assert firing.at == after(minutes=2)


@pytest.mark.parametrize(
    ("where", "data", "counts"),
    [
        ({"program": "git"}, {"program": "git"}, True),
        ({"program": "git"}, {"program": "gitk"}, False),
        ({"program": "git*"}, {"program": "gitk"}, True),
        ({"program": "git", "code": 0}, {"program": "git", "code": 1}, False),
        ({"code": 1}, {"code": True}, False),
        ({"code": 1}, {"code": 1.0}, True),
        ({"ok": True}, {"ok": True}, True),
        ({"ok": True}, {}, False),
        ({"git.branch": "main"}, {"git": {"branch": "main"}}, True),
        ({"git.branch": "main"}, {"git.branch": "main"}, True),
        ({"git.branch": "main"}, {"git": "main"}, False),
        ({"paths": "*.pdf"}, {"paths": ["a.txt", "b.pdf"]}, True),
        ({"paths": "*.pdf"}, {"paths": ["a.txt"]}, False),
    ],
)
def test_where_compares_the_data_of_events(where: dict[str, object], data: dict[str, object], counts: bool) -> None:
    played = PatternPlayer(pattern="count", of="*", count=1, within="1s", where=where)
    assert bool(played.handle(BEGIN, data=data)) == counts


@pytest.mark.parametrize(
    ("of", "name", "counts"),
    [
        ("run.succeeded", "run.succeeded", True),
        ("run.succeeded", "run.failed", False),
        ("run.*", "run.failed", True),
        ("*", "anything", True),
        ("*", "usage.dry_run", False),
        ("usage.dry_run", "usage.dry_run", True),
        ("usage.*", "usage.dry_run", True),
    ],
)
def test_of_matches_dry_runs_only_by_their_name(of: str, name: str, counts: bool) -> None:
    played = PatternPlayer(pattern="count", of=of, count=1, within="1s")
    assert bool(played.handle(BEGIN, name)) == counts


def test_of_can_be_a_trigger() -> None:
    inner = make_pattern(pattern="first_of_day", of="unlock")
    played = PatternPlayer(pattern="count", of=inner, count=2, within="7d", where={"day": "2026-01-0*"})
    assert played.pattern.parts() == {"of": inner}
    assert played.pattern.event_names() == ()
    assert played.handle(BEGIN, "of", {"day": "2026-01-05"}) == []
    assert played.handle(BEGIN, "unlock", {"day": "2026-01-05"}) == []
    assert len(played.handle(after(days=1), "of", {"day": "2026-01-06"})) == 1


def test_count_ignores_gaps() -> None:
    played = PatternPlayer(pattern="count", of="*", count=1, within="1s")
    assert played.skip(after(hours=1), after(hours=2)) == []


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_first_of_day_fires_once_a_day() -> None:
    played = PatternPlayer(pattern="first_of_day", of="system.unlock")
    times = ["2026-01-05T09:30+01:00", "2026-01-05T10:00+01:00", "2026-01-06T03:59+01:00", "2026-01-06T04:00+01:00"]
    for text in times:
        played.handle(berlin(text), "system.unlock")
    assert [firing.key for firing in played.fired] == ["2026-01-05", "2026-01-06"]
    assert [firing.at for firing in played.fired] == [berlin(times[0]), berlin(times[3])]


def test_first_of_day_ignores_late_events() -> None:
    played = PatternPlayer(pattern="first_of_day", of="*")
    played.handle_all([after(days=1), after(days=0), after(days=1, hours=1)])
    assert [firing.key for firing in played.fired] == ["2026-01-06"]


@given(st.lists(st.integers(0, 30), max_size=40).map(sorted), st.integers(2, 5), st.booleans())
def test_streak_fires_on_the_last_of_its_days(days: list[int], length: int, reset: bool) -> None:
    played = PatternPlayer(pattern="streak", of="*", days=length, reset=reset)
    played.handle_all(after(days=day) for day in days)
    expected, row = [], 0
    for day in range(31):
        row = row + 1 if day in days else 0
        if row == length:
            expected.append((BEGIN + timedelta(days=day)).date().isoformat())
            row = 0 if reset else row
    assert [firing.key for firing in played.fired] == expected


def test_streak_firing_explains_itself() -> None:
    played = PatternPlayer(pattern="streak", of="*", days=3)
    played.handle_all(after(days=day) for day in (0, 1, 1.1, 2))
    (firing,) = played.fired
    assert firing.event is not None
    assert (firing.event["first"], firing.event["last"], firing.event["days"]) == ("2026-01-05", "2026-01-07", 3)


@pytest.mark.parametrize(
    "options",
    [
        {"pattern": "count", "of": "*", "count": 3, "within": "1h"},
        {"pattern": "first_of_day", "of": "*"},
        {"pattern": "streak", "of": "*", "days": 2},
        {"pattern": "absence", "of": "*", "for": "20m"},
        {"pattern": "habit", "of": "*", "warm_up": 3},
        {"pattern": "surge", "of": "*", "warm_up": 3, "count": 4},
    ],
    ids=lambda options: options["pattern"],
)
@settings(max_examples=20)
@given(data=st.data())
def test_pattern_fires_the_same_after_its_state_went_through_json(options: dict[str, str], data: st.DataObject) -> None:
    """State goes through JSON at each restart, and a step must not change the state that it gets."""
    fields = {name.replace("for", "for_"): value for name, value in options.items()}
    pattern = make_pattern(**fields, timezone="Europe/Berlin")  # type: ignore[arg-type]  # as people write them
    minutes = data.draw(st.lists(st.integers(0, 14 * 24 * 60), max_size=30).map(sorted))
    one, other = PatternRun.start(pattern, BEGIN), PatternRun.start(pattern, BEGIN)
    for number, minute in enumerate(minutes):
        event = Event(f"event-{number}", "x", after(minutes=minute))
        before = json.dumps(other.state)
        other.state = json.loads(before)
        assert one.handle(event) == other.handle(event)
        assert json.dumps(one.state) == json.dumps(other.state)
