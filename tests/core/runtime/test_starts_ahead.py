"""Starts of many jobs that are due together: durable before their instant, and carried out at it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest
from attrs import field, frozen

from rae_auto import Scheduler
from rae_auto.engine.commands import SetPaused
from rae_auto.engine.effects import Save, Start, Step
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.engine.time_passing import MAX_AHEAD
from rae_auto.errors import StoreError
from rae_auto.model.job import Job
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import Run
from rae_auto.model.schedule import Schedule
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.time.clock import Clock, SystemClock
from rae_auto.runtime.time.starts_ahead import MAX_AHEAD_SECONDS, MIN_STARTS
from rae_auto.testing.harness.skipping_loop import SkippingLoop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS_BEFORE = 10.0


@frozen
class AtNoon(Schedule):
    """A schedule with one instant."""

    def next_after(self, after: datetime) -> datetime | None:
        return NOON if after < NOON else None


class LoopClock(SystemClock):
    """A clock that goes as that of the event loop, and starts some seconds before noon."""

    set_by = slept = 0.0

    def now(self) -> Moment:
        seconds = asyncio.get_running_loop().time() - SECONDS_BEFORE
        return Moment(NOON + timedelta(seconds=seconds + self.set_by + self.slept), seconds, self.slept)


class OtherClock:
    """A clock that is not the machine's."""

    now = LoopClock().now


@frozen
class Played:
    """The acts of an engine loop around noon, in seconds after it."""

    committed: list[float] = field(factory=list)
    started: list[float] = field(factory=list)
    recorded: set[datetime | None] = field(factory=set)
    """The starts as they are on record."""
    answered: list[float] = field(factory=list)
    skipped: list[str] = field(factory=list)


async def commit_at_once() -> None:
    """Take no time for a commit."""


def play(
    size: int,
    *,
    commit: Callable[[], Awaitable[None]] = commit_at_once,
    pauses_at: float | None = None,
    decides_ahead: bool = True,
    clock: Clock | None = None,
    on_progress: Callable[[], None] | None = None,
) -> Played:
    """Let so many jobs fall due at noon. All of them but one are paused at a time, in seconds after noon."""
    played, loop_clock = Played(), LoopClock()

    def seconds() -> float:
        return round(loop_clock.now().mono, 6)

    async def note_commit(changes: object) -> None:
        runs = [one.value for one in changes if isinstance(one, Save) and isinstance(one.value, Run)]
        if runs:
            await commit()
            played.committed.append(seconds())
            played.recorded.update(run.started_at for run in runs if run.state.active)

    def perform(step: Step) -> None:
        played.started.extend(seconds() for effect in step.effects if isinstance(effect, Start))
        played.skipped.extend(decision.job for decision in step.decisions if decision.run is None)

    async def work() -> None:
        loop = EngineLoop(Engine(), clock or loop_clock, note_commit, perform, decides_ahead=decides_ahead)
        plans = [Plan(Job(id=f"j{n}", python="a:b"), {"noon": AtNoon()}, JobOrigin.CONFIG) for n in range(size)]
        loop.submit(Restored(Settings(size), tuple(plans)))
        if on_progress is not None:
            loop.call_at_progress(on_progress, 0.01)
        running = asyncio.ensure_future(loop.run())
        if pauses_at is not None:
            await asyncio.sleep(SECONDS_BEFORE + pauses_at)
            await loop.request(lambda ask: SetPaused(JobId("j0"), True, ask))
            played.answered.append(seconds())
        await asyncio.sleep(SECONDS_BEFORE + 10)
        loop.close()
        await running

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(work())
    return played


def test_many_are_durable_before_their_instant_and_start_at_it():
    played = play(5 * MIN_STARTS)
    assert -MAX_AHEAD_SECONDS <= min(played.committed) <= max(played.committed) < 0
    assert played.started == [0.0] * 5 * MIN_STARTS
    assert played.recorded == {NOON}


def test_few_are_decided_at_their_instant():
    played = play(MIN_STARTS - 1)
    assert played.committed == [0.0]
    assert played.started == [0.0] * (MIN_STARTS - 1)


def test_none_is_decided_ahead_where_another_daemon_may_take_over():
    played = play(5 * MIN_STARTS, decides_ahead=False)
    assert set(played.committed) == set(played.started) == {0.0}


def test_request_that_comes_meanwhile_is_answered_after_the_starts():
    played = play(5 * MIN_STARTS, pauses_at=-0.001)
    assert len(played.started) == 5 * MIN_STARTS
    assert played.answered == [0.0]


def test_request_that_comes_before_counts():
    played = play(5 * MIN_STARTS, pauses_at=-MAX_AHEAD_SECONDS)
    assert len(played.started) == 5 * MIN_STARTS - 1
    assert played.skipped == ["j0"]
    assert played.answered == [-MAX_AHEAD_SECONDS]


def test_starts_wait_for_a_commit_that_is_slower_than_the_time():
    played = play(5 * MIN_STARTS, commit=partial(asyncio.sleep, 3))
    assert min(played.committed) > 2
    assert played.started == [played.committed[0]] * len(played.started)


def test_what_there_is_no_time_for_starts_after_the_others():
    played = play(1000, commit=partial(asyncio.sleep, 0.1))
    ahead = played.started.count(0.0)
    assert 0 < ahead < 1000
    assert sorted(played.started) == played.started
    assert len(played.started) == 1000


def test_store_that_fails_for_a_time_holds_up_the_starts():
    fails = iter([True, True])

    async def commit() -> None:
        if next(fails, False):
            raise StoreError("no space left on device")

    played = play(5 * MIN_STARTS, commit=commit)
    assert played.started
    assert set(played.started) == {max(played.committed)}


@pytest.mark.parametrize("size", [MIN_STARTS, 20 * MIN_STARTS])
def test_more_starts_get_more_time(size):
    assert 0 < -min(play(size).committed) < 0.1 + size * 0.001


def test_none_is_decided_ahead_by_a_clock_that_may_go_otherwise():
    played = play(5 * MIN_STARTS, clock=OtherClock())
    assert set(played.committed) == set(played.started) == {0.0}


@pytest.mark.parametrize(
    ("change", "expected"), [({"set_by": -0.3}, 0.3), ({"set_by": -3600}, 0.0), ({"slept": 3600}, None)]
)
def test_starts_wait_until_the_wall_clock_shows_the_instant(change, expected):
    clock = LoopClock()

    async def commit() -> None:
        vars(clock).update(change)

    played = play(5 * MIN_STARTS, commit=commit, clock=clock)
    assert len(played.started) == 5 * MIN_STARTS
    assert set(played.started) == {played.committed[0] if expected is None else expected}


def test_progress_is_reported_while_starts_wait_for_their_instant():
    ticks, last = [], LoopClock()
    play(5 * MIN_STARTS, on_progress=lambda: ticks.append(last.now().mono))
    near = [tick for tick in ticks if -1 < tick < 1]
    assert max(after - before for before, after in pairwise(near)) < 0.02


class EarlyClock(SystemClock):
    """A clock of a daemon that has decided ahead."""

    def now(self) -> Moment:
        return super().now().later(0.9 * MAX_AHEAD)


def test_restarted_daemon_waits_for_the_instant_that_was_decided_ahead(tmp_path):
    async def play() -> tuple[datetime, datetime]:
        async with Scheduler(directory=tmp_path, clock=EarlyClock()) as scheduler:
            await scheduler.add_job(Job(name="a", command="exit-at-once", enabled=False))
            run = await scheduler.wait(await scheduler.trigger("a"))
        async with Scheduler(directory=tmp_path):
            return run.queued_at, SystemClock().now().wall

    queued_at, opened_at = asyncio.run(play())
    assert opened_at >= queued_at


def test_store_that_meets_damage_before_the_instant_is_rewritten_first():
    clock, done = LoopClock(), []

    async def commit(_: object) -> None:
        return

    async def rewrite() -> None:
        done.append("rewritten")

    def perform(step: Step) -> None:
        done.extend("started" for effect in step.effects if isinstance(effect, Start))

    async def work() -> None:
        loop = EngineLoop(Engine(), clock, commit, perform, rewrite=rewrite)
        plans = [Plan(Job(id=f"j{n}", python="a:b"), {"noon": AtNoon()}, JobOrigin.CONFIG) for n in range(MIN_STARTS)]
        loop.submit(Restored(Settings(MIN_STARTS), tuple(plans)))
        running = asyncio.ensure_future(loop.run())
        await asyncio.sleep(SECONDS_BEFORE - 0.001)
        loop.request_rewrite()
        await asyncio.sleep(1)
        loop.close()
        await running

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(work())
    assert done == ["rewritten", *["started"] * MIN_STARTS]
