"""Idle time of a timeline: the spans in which nothing is to be seen."""

from datetime import UTC, datetime, timedelta

from rae_auto.views.screens.parts.record_source import WorldSpan
from rae_auto.views.screens.timeline import MIN_IDLE_PART, ExpectedBar, SkipMark, TimelineRow, find_idle

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
DAY = timedelta(hours=24)


def hour(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def row(*hours: float, until: float = 24) -> TimelineRow:
    bars = tuple(ExpectedBar(at=hour(at), ends_at=hour(at + 0.5), note="") for at in hours)
    mark = SkipMark(at=hour(1), since=None, count=1, reason="paused", text="")
    return TimelineRow(
        job="a", bars=(), skips=(mark,), expected=bars, cells=(), runs=0, skipped=1, expected_until=hour(until)
    )


def test_idle_time_is_between_marks_and_keeps_a_distance_from_them() -> None:
    spans = list(find_idle([row(10, 20)], [], NOON, hour(24), NOON))
    assert len(spans) == 3
    for begin, end in spans:
        assert end - begin >= DAY * MIN_IDLE_PART
    marks = (hour(1), hour(10), hour(10.5), hour(20), hour(20.5))
    assert not [1 for begin, end in spans for at in marks if begin <= at <= end]


def test_now_and_downtimes_are_not_idle() -> None:
    down = WorldSpan("down", hour(2), hour(23), "")
    assert list(find_idle([], [down], NOON, hour(24), hour(1))) == []
    (first, second) = find_idle([], [], NOON, hour(24), hour(12))
    assert first[1] < hour(12) < second[0]


def test_time_that_is_not_computed_yet_is_not_idle() -> None:
    assert all(end <= hour(5) for _, end in find_idle([row(until=5)], [], NOON, hour(24), NOON))
