"""combine: all of several triggers within a time, any of them, or one after the other."""

from datetime import timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.api import Event, Trigger
from rae_auto.testing.sources import START, Listener, SourceConformance
from rae_auto.toolkit.pattern_run import PatternRun
from rae_plugins.triggers import combine as module
from rae_plugins.triggers.combine import MAX_SPARE_OCCURRENCES, CombineTrigger
from rae_plugins.triggers.cron import CronTrigger
from rae_plugins.triggers.interval import IntervalTrigger
from rae_plugins.triggers.job import JobTrigger
from rae_plugins.triggers.manual import ManualTrigger

MINUTE = timedelta(minutes=1)


def parts(count: int) -> tuple[Trigger, ...]:
    """Return so many triggers, with the names `interval`, `interval-2` …"""
    return tuple(IntervalTrigger(every=timedelta(minutes=number + 1)) for number in range(count))


def name(number: int) -> str:
    return "interval" if number == 0 else f"interval-{number + 1}"


def occurrence(part: int, at: float, key: str = "") -> Event:
    """Return an occurrence of a part, by its number, so many minutes after the start."""
    return Event(key or f"{at}", name(part), START + at * MINUTE, {"n": part})


def fired(trigger: CombineTrigger, *events: Event) -> list[Any]:
    play = PatternRun.start(trigger, START)
    return [firing for event in events for firing in play.handle(event)]


def keys(firing: Any) -> list[str]:
    return [part["key"] for part in firing.event["parts"]]


def all_of(count: int, within: str = "10m", **options: Any) -> CombineTrigger:
    return CombineTrigger(all_=parts(count), within=within, **options)  # type: ignore[arg-type]  # as people write it


def sequence_of(count: int, within: str = "10m", **options: Any) -> CombineTrigger:
    return CombineTrigger(sequence=parts(count), within=within, **options)  # type: ignore[arg-type]  # as above


class TestConforms(SourceConformance):
    @pytest.fixture(params=["any_", "all_", "sequence"])
    def plugin(self, request: pytest.FixtureRequest) -> CombineTrigger:
        jobs = ["a"] if request.param == "any_" else ["a", "b"]
        inner = tuple(JobTrigger(jobs=[job]) for job in jobs)
        return CombineTrigger(**{request.param: inner}, within=None if request.param == "any_" else timedelta(hours=1))

    async def provoke(self, listener: Listener, number: int) -> None:
        for second, job in enumerate("ab"):
            at = START + number * MINUTE + timedelta(seconds=second)
            await listener.events.record("run.succeeded", {"job": job, "state": "succeeded", "seconds": 1.0}, at)


# any


def test_any_fires_on_each_occurrence_and_names_its_part():
    trigger = CombineTrigger(any_=parts(2))
    first, second = fired(trigger, occurrence(0, 1, "same"), occurrence(1, 1, "same"))
    assert (first.key, second.key) == ("interval:same", "interval-2:same")
    at = "2026-01-31T12:01:00+00:00"
    part = {"trigger": "interval-2", "key": "same", "at": at, "event": {"n": 1}}
    assert (second.at, second.event) == (START + MINUTE, {"parts": [part]})


# all


def test_all_fires_once_every_part_occurred_and_restarts():
    (first,) = fired(all_of(2), occurrence(0, 1), occurrence(0, 2), occurrence(1, 3), occurrence(1, 4))
    assert (keys(first), first.at) == (["2", "3"], START + 3 * MINUTE)
    assert [part["trigger"] for part in first.event["parts"]] == ["interval", "interval-2"]


def test_all_needs_no_order():
    (first,) = fired(all_of(3), occurrence(2, 1), occurrence(0, 2), occurrence(1, 3))
    assert keys(first) == ["2", "3", "1"]


def test_occurrences_outside_the_window_do_not_combine():
    assert fired(all_of(2), occurrence(0, 0), occurrence(1, 10.01)) == []
    assert len(fired(all_of(2), occurrence(0, 0), occurrence(1, 10))) == 1


def test_late_delivery_counts_by_its_instant():
    assert len(fired(all_of(2), occurrence(0, 15), occurrence(1, 5))) == 1
    assert fired(all_of(2), occurrence(0, 15), occurrence(1, 4)) == []


def test_all_without_reset_fires_again_within_the_window():
    found = fired(
        all_of(2, reset=False),
        occurrence(0, 0),
        occurrence(1, 1),
        occurrence(1, 2),
        occurrence(1, 10),
        occurrence(1, 11),
    )
    assert [keys(firing) for firing in found] == [["0", "1"], ["0", "2"], ["0", "10"]]


def test_combine_key_derives_from_the_occurrences():
    (one,), (other,) = (
        fired(all_of(2), occurrence(0, 1), occurrence(1, 2)),
        fired(all_of(2), occurrence(1, 2), occurrence(0, 1)),
    )
    assert one.key == other.key != fired(all_of(2), occurrence(0, 1), occurrence(1, 3))[0].key


# sequence


def test_sequence_fires_on_parts_in_their_order():
    (found,) = fired(sequence_of(3), occurrence(0, 1), occurrence(1, 2), occurrence(2, 3))
    assert (keys(found), found.at) == (["1", "2", "3"], START + 3 * MINUTE)
    assert fired(sequence_of(3), occurrence(0, 1), occurrence(2, 2), occurrence(1, 3)) == []


def test_equal_instants_count_in_order_of_delivery():
    assert len(fired(sequence_of(2), occurrence(0, 1), occurrence(1, 1))) == 1
    assert fired(sequence_of(2), occurrence(1, 1), occurrence(0, 1)) == []


def test_sequence_with_the_latest_start_wins():
    (found,) = fired(
        sequence_of(3), occurrence(0, 1), occurrence(1, 2), occurrence(0, 3), occurrence(1, 4), occurrence(2, 5)
    )
    assert keys(found) == ["3", "4", "5"]


def test_older_start_with_more_progress_is_kept():
    (found,) = fired(sequence_of(3), occurrence(0, 1), occurrence(1, 2), occurrence(0, 3), occurrence(2, 4))
    assert keys(found) == ["1", "2", "4"]


def test_sequence_lies_within_the_window():
    assert fired(sequence_of(3), occurrence(0, 0), occurrence(1, 9), occurrence(2, 10.01)) == []
    assert len(fired(sequence_of(3), occurrence(0, 0), occurrence(1, 9), occurrence(2, 10))) == 1


def test_many_new_starts_keep_the_progress_of_an_older_one():
    starts = [occurrence(0, 2 + number / 100) for number in range(10 * MAX_SPARE_OCCURRENCES)]
    assert [
        keys(found) for found in fired(sequence_of(3), occurrence(0, 1), occurrence(1, 2), *starts, occurrence(2, 5))
    ] == [["1", "2", "5"]]


@pytest.mark.parametrize("order", [(0, 2, 1), (1, 2, 0), (2, 1, 0), (1, 0, 2)])
def test_sequence_is_found_in_any_order_of_delivery(order):
    chain = [occurrence(number, number + 1) for number in range(3)]
    (found,) = fired(sequence_of(3), *(chain[number] for number in order))
    assert (keys(found), found.at) == (["1", "2", "3"], START + 3 * MINUTE)


def test_sequence_without_reset_can_complete_again():
    found = fired(sequence_of(2, reset=False), occurrence(0, 0), occurrence(1, 1), occurrence(1, 2), occurrence(1, 11))
    assert [keys(firing) for firing in found] == [["0", "1"], ["0", "2"]]


# Against the definitions

minutes = st.integers(0, 40)
occurrences = st.lists(st.tuples(st.integers(0, 2), minutes), max_size=25)


def together(since_last: list[tuple[int, int]], window: int) -> bool:
    """By the definition of all, of what was told since it fired last."""
    newest = max(at for _, at in since_last)
    return {part for part, at in since_last if at >= newest - window} == {0, 1, 2}


def in_sequence(since_last: list[tuple[int, int]], window: int) -> set[tuple[int, ...]]:
    """By the definition of sequence: every way to choose one of each, by their places in what was told."""
    places = sorted(range(len(since_last)), key=lambda place: since_last[place][1])
    newest = max(at for _, at in since_last)
    return {
        chosen
        for chosen in combinations(places, 3)
        if [since_last[place][0] for place in chosen] == [0, 1, 2]
        and since_last[chosen[2]][1] - since_last[chosen[0]][1] <= window
        and newest - since_last[chosen[0]][1] <= window
    }


@given(occurrences, st.integers(1, 20))
def test_all_agrees_with_the_whole_history(events, window):
    play = PatternRun.start(all_of(3, within=f"{window}m"), START)
    since_last: list[tuple[int, int]] = []
    for number, (part, at) in enumerate(events):
        since_last.append((part, at))
        firings = play.handle(occurrence(part, at, f"{number}"))
        assert len(firings) == together(since_last, window)
        assert len(play.state["occurrences"]) <= 3
        if firings:
            since_last = []


@given(occurrences, st.integers(1, 20), st.booleans())
def test_sequence_agrees_with_the_whole_history(events, window, in_order):
    if in_order:
        events = sorted(events, key=lambda one: one[1])
    play = PatternRun.start(sequence_of(3, within=f"{window}m"), START)
    since_last: list[tuple[int, int]] = []
    for number, (part, at) in enumerate(events):
        since_last.append((part, at))
        firings = play.handle(occurrence(part, at, f"{number}"))
        possible = in_sequence(since_last, window)
        assert bool(firings) == bool(possible)
        if firings:
            first = len(events[: number + 1]) - len(since_last)
            chosen = tuple(int(key) - first for key in keys(firings[0]))
            assert chosen in possible
            assert since_last[chosen[0]][1] == max(since_last[one[0]][1] for one in possible)
            since_last = []


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=200))
def test_sequence_state_is_bounded_and_loses_no_ordered_event(events):
    """With room for nothing but the best beginnings."""
    unlimited = PatternRun.start(sequence_of(3, within="30m"), START)
    small = PatternRun.start(sequence_of(3, within="30m"), START)
    at, room = 0, module.MAX_SPARE_OCCURRENCES
    try:
        for number, (part, pause) in enumerate(events):
            at += pause
            module.MAX_SPARE_OCCURRENCES = 1000
            expected = unlimited.handle(occurrence(part, at, f"{number}"))
            module.MAX_SPARE_OCCURRENCES = 1
            assert [firing.key for firing in small.handle(occurrence(part, at, f"{number}"))] == [
                one.key for one in expected
            ]
            assert len(small.state["occurrences"]) <= 6 + 3
    finally:
        module.MAX_SPARE_OCCURRENCES = room


# Time


def test_clock_set_back_keeps_no_occurrence_beyond_the_window():
    for trigger in (all_of(2), sequence_of(2)):
        play = PatternRun.start(trigger, START)
        play.handle(occurrence(0, 600))
        play.skip(START + 600 * MINUTE, START, "set_back")
        assert len(play.handle(occurrence(1, 1))) == 1
        play.handle(occurrence(0, 600))
        play.skip(START + 600 * MINUTE, START, "set_back")
        assert play.handle(occurrence(1, 11)) == []


def test_time_alone_drops_no_occurrence():
    play = PatternRun.start(all_of(2), START)
    play.handle(occurrence(0, 1))
    play.advance(START + 2 * MINUTE)
    play.skip(START + 2 * MINUTE, START + 3 * MINUTE, "slept")
    assert play.pattern.step(play.state, None, START).state == play.state
    assert len(play.handle(occurrence(1, 4))) == 1


# What is given


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({}, "give exactly one of all, any and sequence, not none"),
        ({"all_": parts(1), "any_": parts(1), "within": "1h"}, "not all and any"),
        ({"sequence": (), "within": "1h"}, "not none"),
        ({"all_": parts(2)}, "'within' must give the longest time"),
        ({"sequence": parts(2)}, "'within' must give the longest time"),
        ({"sequence": parts(2), "within": 0}, "'within' must be more than 0s"),
        ({"sequence": parts(2), "within": "soon"}, "invalid duration"),
    ],
)
def test_invalid_combine_options_are_refused(options, why):
    with pytest.raises(ValueError, match=why) as caught:
        CombineTrigger(**options)
    assert "\n" not in str(caught.value)


def test_combine_lists_upstream_jobs_of_nested_parts():
    inner = CombineTrigger(any_=(JobTrigger(jobs=["b", "c"]), ManualTrigger()))
    trigger = CombineTrigger(all_=(JobTrigger(jobs=["a", "b"]), inner), within="1h")
    assert trigger.upstream_jobs() == ("a", "b", "c")


def test_combine_names_parts_by_their_types():
    trigger = CombineTrigger(any_=(*parts(2), ManualTrigger(), CombineTrigger(any_=parts(1))))
    assert list(trigger.parts()) == ["interval", "interval-2", "manual", "combine"]


def test_combine_collects_warnings_of_its_parts():
    doubtful = CronTrigger(expression="0 0 29 2 *", timezone="UTC"), JobTrigger(jobs=["a"], within="1h")
    assert CombineTrigger(any_=doubtful, within="1h").warnings() == (
        'job: within has no effect without mode = "all"',
        "within and reset have no effect with any",
    )
    never = CombineTrigger(all_=(*parts(1), ManualTrigger()), within="1h")
    assert never.warnings() == ("manual: never fires by itself; remove it, or use a job trigger instead",)


def test_combine_module_offers_one_trigger():
    assert module.rae_triggers() == [CombineTrigger]
