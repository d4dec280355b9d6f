"""Starts of attempts in the daemon are reported with their ends, or a little later."""

import asyncio
import time
from collections.abc import Callable

import pytest

from rae_auto.engine.events import AttemptEnded, AttemptStarted
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import QueuePlace, Result
from rae_auto.runtime.execution.start_reports import HOLD_SECONDS, Report, StartReports


def started(run: str) -> AttemptStarted:
    return AttemptStarted(RunId(run), 1)


def ended(run: str) -> AttemptEnded:
    return AttemptEnded(RunId(run), 1, Result(exit_code=0))


def reports_after(act: Callable[[StartReports], None], *, wait_for: int = 0) -> list[Report]:
    """Return what is reported at once, or once so many reports have come."""
    found: list[Report] = []

    async def run() -> None:
        act(StartReports(found.append))
        async with asyncio.timeout(60):
            while len(found) < wait_for:  # noqa: ASYNC110  # each is one turn of the loop
                await asyncio.sleep(0)

    asyncio.run(run())
    return found


def test_start_and_end_of_a_short_attempt_come_together() -> None:
    def act(reports: StartReports) -> None:
        reports.start(started("a"), can_wait=True)
        reports.end(ended("a"))

    assert reports_after(act) == [started("a"), ended("a")]


def test_ends_of_attempts_that_started_together_come_together() -> None:
    def end_one(reports: StartReports) -> None:
        reports.start(started("a"), can_wait=True)
        reports.start(started("b"), can_wait=True)
        reports.end(ended("b"))

    def end_both(reports: StartReports) -> None:
        end_one(reports)
        reports.end(ended("a"))

    assert reports_after(end_one) == []
    assert reports_after(end_both) == [started("a"), ended("a"), started("b"), ended("b")]


def test_start_of_an_attempt_that_goes_on_is_reported_soon() -> None:
    def act(reports: StartReports) -> None:
        reports.start(started("a"), can_wait=True)
        reports.start(started("b"), can_wait=True)
        reports.end(ended("a"))

    assert reports_after(act, wait_for=3) == [started("a"), ended("a"), started("b")]


def test_a_long_turn_does_not_count_as_waiting_for_ends() -> None:
    def end_both(reports: StartReports) -> None:
        reports.end(ended("b"))
        reports.end(ended("a"))

    def act(reports: StartReports) -> None:
        reports.note_turn(True)
        reports.start(started("a"), can_wait=True)
        reports.start(started("b"), can_wait=True)
        time.sleep(2 * HOLD_SECONDS)
        reports.note_turn(False)
        loop = asyncio.get_running_loop()
        # Two steps, as from a thread to its future, and from there to what is called then.
        loop.call_soon(loop.call_soon, end_both, reports)

    assert reports_after(act, wait_for=4) == [started("a"), ended("a"), started("b"), ended("b")]


def take_turn(reports: StartReports, *starts: str, ends: str = "") -> None:
    """Take a turn in which some attempts end, and others are started after that."""
    reports.note_turn(True)
    for run in ends:
        reports.end(ended(run))
    for run in starts:
        reports.start(started(run), can_wait=True)
    reports.note_turn(False)


def test_end_during_a_turn_waits_for_what_this_turn_starts() -> None:
    def act(reports: StartReports) -> None:
        take_turn(reports, "a")
        take_turn(reports, "b", ends="a")

    def end_both(reports: StartReports) -> None:
        act(reports)
        reports.end(ended("b"))

    assert reports_after(act) == []
    assert reports_after(end_both) == [started("a"), ended("a"), started("b"), ended("b")]


def test_end_during_a_turn_that_starts_nothing_comes_after_it() -> None:
    def act(reports: StartReports) -> None:
        take_turn(reports, "a")
        take_turn(reports, ends="a")

    assert reports_after(act) == [started("a"), ended("a")]


def test_end_waits_for_the_starts_of_one_turn_alone() -> None:
    def act(reports: StartReports) -> None:
        take_turn(reports, "a")
        take_turn(reports, "b", ends="a")
        take_turn(reports, "c")

    assert reports_after(act) == [started("a"), ended("a"), started("b")]


def test_timer_that_is_up_in_a_turn_reports_nothing() -> None:
    found: list[Report] = []

    async def run() -> None:
        reports = StartReports(found.append)
        take_turn(reports, "a")
        reports.note_turn(True)
        time.sleep(2 * HOLD_SECONDS)  # noqa: ASYNC251  # a loop that is held up
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(run())
    assert found == []


@pytest.mark.parametrize(
    ("attempt", "can_wait"),
    [
        (AttemptStarted(RunId("a"), 1), False),
        (AttemptStarted(RunId("a"), 1, {"pid": 5}), False),
        (AttemptStarted(RunId("a"), 1, {}, QueuePlace("cluster", "a worker")), True),
    ],
)
def test_start_that_cannot_wait_is_reported_at_once(attempt: AttemptStarted, can_wait: bool) -> None:
    assert reports_after(lambda reports: reports.start(attempt, can_wait=can_wait)) == [attempt]


def test_ends_of_commands_do_not_wait_for_each_other() -> None:
    first, second = (AttemptStarted(RunId(run), 1, {"pid": 5}) for run in "ab")

    def end_one(reports: StartReports) -> None:
        reports.start(first, can_wait=True)
        reports.start(second, can_wait=True)
        reports.end(ended("b"))

    assert reports_after(end_one) == [second, ended("b")]
    assert reports_after(end_one, wait_for=3) == [second, ended("b"), first]


def test_end_after_its_start_was_reported_comes_at_once() -> None:
    assert reports_after(lambda reports: reports.end(ended("a"))) == [ended("a")]
