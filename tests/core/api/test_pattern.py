"""Patterns: a pure fold over events and time."""

from datetime import timedelta

import pytest
from tests.support.patterns import SECOND, Every, Silence, StuckPattern

from rae_auto.api import Event
from rae_auto.model.primitives.instants import format_instant
from rae_auto.testing.sources import START
from rae_auto.toolkit.pattern_run import PatternRun


def event(number: int, seconds: float, name: str = "tick") -> Event:
    return Event(f"e{number}", name, START + seconds * SECOND)


def test_what_fires_follows_from_the_events_and_the_state():
    played = PatternRun.start(Every(2), START)
    assert played.handle(event(1, 1)) == []
    assert [firing.key for firing in played.handle(event(2, 2))] == ["e1+e2"]
    assert played.handle(event(3, 3)) == []
    assert played.state["ids"] == ["e3"]


def test_time_passes_before_an_event_is_delivered():
    played = PatternRun.start(Silence(), START)
    assert [firing.key for firing in played.handle(event(1, 150))] == ["silent-120100", "silent-120200"]
    assert played.wake_at == START + timedelta(seconds=210)


def test_late_event_does_not_turn_time_back():
    played = PatternRun.start(Silence(), START)
    played.advance(START + timedelta(seconds=100))
    assert played.handle(event(1, 50)) == []


def test_gap_wakes_nothing_and_is_delivered_at_its_end():
    played = PatternRun.start(Every(), START)
    assert played.skip(START + SECOND, START + 5 * SECOND, "slept") == []
    assert played.state["gaps"] == [["slept", format_instant(START + SECOND), format_instant(START + 5 * SECOND)]]


def test_a_pattern_that_stands_still_is_an_error_and_no_endless_loop():
    played = PatternRun.start(StuckPattern(), START)
    with pytest.raises(ValueError, match="must set its next step later"):
        played.advance(START + timedelta(hours=1))
