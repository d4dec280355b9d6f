"""Time as a watching pattern gets it: instants, gaps, and a clock that is set back."""

from datetime import datetime, timedelta

import pytest
from attrs import frozen
from tests.support.patterns import (
    SECOND,
    Every,
    Silence,
    ends_with,
    has_document,
    idle,
    play,
    read_document,
    refuse,
    state_of,
    ticks,
)
from tests.support.waiting import until

from rae_auto.api import Event, Firing, StepResult
from rae_auto.api.pattern import GAP, State
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.testing.sources import START, Listener, VirtualTimer

# Gaps


def test_a_sleep_of_the_machine_is_a_gap(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Every()):
            await until(lambda: has_document(tmp_path))
            await listener.timer.advance(5)
            await listener.timer.sleep_machine(timedelta(hours=1))
            await ticks(listener, tmp_path, 1)
            await ticks(listener, tmp_path, 1)
        began = START + 5 * SECOND
        gap = ["slept", format_instant(began), format_instant(began + timedelta(hours=1))]
        assert state_of(tmp_path) == {"ids": ["event-0", "event-1"], "gaps": [gap]}

    play(scene, tmp_path)


def test_sleep_wakes_waits_for_an_instant(tmp_path):
    @frozen
    class Noticing(Silence):
        def step(self, state: State, event: Event | None, now: datetime) -> StepResult:
            fired = (Firing("slept", now),) if event is not None and event.name == GAP else ()
            return StepResult(state, fired, now + timedelta(minutes=1))

    async def scene(listener: Listener) -> None:
        async with listener.watching(Noticing()):
            await until(lambda: has_document(tmp_path))
            await idle()
            await listener.timer.sleep_machine(timedelta(seconds=30))
            await listener.wait_for(1)
            # The minute is counted from the end of the gap.
            await until(lambda: read_document(tmp_path)["wake_at"] == format_instant(START + timedelta(seconds=90)))

    play(scene, tmp_path)


@pytest.mark.parametrize("restarts", [False, True])
def test_clock_set_back_is_reported_and_nothing_is_missed(tmp_path, restarts):
    async def scene(listener: Listener) -> None:
        later = START + timedelta(hours=1)
        async with listener.watching(Every()):
            await until(lambda: has_document(tmp_path))
            await listener.timer.advance(timedelta(hours=1), step=timedelta(hours=1))
            await ticks(listener, tmp_path, 1)
            if not restarts:
                await listener.timer.set_clock(-timedelta(hours=1))
                await listener.events.record("tick")
                await until(lambda: len(state_of(tmp_path)["ids"]) == 2)
        if restarts:
            await listener.timer.set_clock(-timedelta(hours=1))
            await listener.events.record("tick")
            async with listener.watching(Every()):
                await until(lambda: len(state_of(tmp_path)["ids"]) == 2)
        gap = ["set_back", format_instant(later), format_instant(START)]
        assert state_of(tmp_path) == {"ids": ["event-0", "event-1"], "gaps": [gap]}

    play(scene, tmp_path, VirtualTimer())


def test_quick_restart_is_not_a_gap(tmp_path):
    async def scene(listener: Listener) -> None:
        for _ in range(2):
            async with listener.watching(Every()):
                await until(lambda: has_document(tmp_path))
            await listener.timer.advance(1)
        assert state_of(tmp_path)["gaps"] == []

    play(scene, tmp_path)


def test_after_a_failure_the_gap_begins_with_it(tmp_path):
    async def scene(listener: Listener) -> None:
        good, listener.answer = listener.answer, refuse
        async with listener.watching(Every(2)) as task:
            await until(lambda: has_document(tmp_path))
            await ticks(listener, tmp_path, 1)
            await listener.timer.advance(60)
            await listener.timer.sleep_machine(timedelta(seconds=60))
            await listener.events.record("tick")
            await ends_with(task, OSError)
        listener.answer = good
        await listener.timer.advance(60)
        async with listener.watching(Every(2)):
            await listener.wait_for(1)
            await until(lambda: not state_of(tmp_path)["ids"])
        ((why, began, ended),) = state_of(tmp_path)["gaps"]
        assert (why, parse_instant(began), parse_instant(ended)) == ("down", START + 60 * SECOND, START + 180 * SECOND)

    play(scene, tmp_path)


# Time


def test_a_pattern_is_asked_again_when_it_wants_to_be(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Silence()):
            await until(lambda: has_document(tmp_path))
            await idle()
            await listener.timer.advance(59)
            assert listener.occurrences == []
            await listener.timer.advance(1)
            (first,) = await listener.wait_for(1)
            assert (first.key, first.at) == ("silent-120100", START + timedelta(minutes=1))

    play(scene, tmp_path)


def test_an_event_moves_the_instant_at_which_it_is_asked(tmp_path):
    async def scene(listener: Listener) -> None:
        async with listener.watching(Silence()):
            await until(lambda: has_document(tmp_path))
            await listener.timer.advance(30)
            await ticks(listener, tmp_path, 1)
            await idle()
            await listener.timer.advance(59)
            assert listener.occurrences == []
            await listener.timer.advance(1)
            assert [emitted.key for emitted in await listener.wait_for(1)] == ["silent-120130"]

    play(scene, tmp_path)


def test_firing_due_during_downtime_is_emitted_after_the_restart(tmp_path):
    """The gap is reported at its end, so that the pattern decides what it means: this one starts counting again."""

    async def scene(listener: Listener) -> None:
        async with listener.watching(Silence()):
            await until(lambda: has_document(tmp_path))
        await listener.timer.advance(timedelta(minutes=5), step=timedelta(minutes=5))
        async with listener.watching(Silence()):
            await until(lambda: read_document(tmp_path)["wake_at"] == format_instant(START + timedelta(minutes=6)))
        assert listener.occurrences == []

    play(scene, tmp_path)


def test_a_timer_that_fails_ends_the_watch_with_its_error(tmp_path):
    class Broken(VirtualTimer):
        async def sleep_until(self, instant: datetime) -> None:
            raise OverflowError("too far")

    async def scene(listener: Listener) -> None:
        async with listener.watching(Silence()) as task:
            await ends_with(task, OverflowError)

    play(scene, tmp_path, Broken())
