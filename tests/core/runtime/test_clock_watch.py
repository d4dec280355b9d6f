"""Notice of clock changes by the kernel, and the sleep of a daemon that has it."""

import asyncio
import math
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import frozen

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.engine.engine import Engine
from rae_auto.engine.events import Restored
from rae_auto.engine.plan import JobOrigin, Plan, Settings
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.schedule import Schedule
from rae_auto.platforms.timerfd import Timerfd
from rae_auto.runtime.engine_loop import EngineLoop
from rae_auto.runtime.execution.warming_up import WARM_UP_TIME
from rae_auto.runtime.time import clock_checks, clock_watch
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.testing.harness.skipping_loop import SkippingLoop

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux reports changes of its clocks")


class FakeTimer:
    """Is readable as soon as an answer of `read` is put into it."""

    def __init__(self, _: int) -> None:
        self.descriptor, self._write_end = os.pipe()
        self.answers: list[bool | None] = []
        self.is_closed = False

    def set(self, microseconds: int, flags: int) -> None:
        pass

    def put(self, answer: bool | None) -> None:
        self.answers.append(answer)
        os.write(self._write_end, b"x")

    def read(self) -> bool | None:
        os.read(self.descriptor, 1)
        return self.answers.pop(0)

    def close(self) -> None:
        self.is_closed = True
        os.close(self.descriptor)
        os.close(self._write_end)


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> list[FakeTimer]:
    made: list[FakeTimer] = []

    def make(clock: int) -> FakeTimer:
        made.append(timer := FakeTimer(clock))
        return timer

    monkeypatch.setattr(clock_watch, "Timerfd", make)
    return made


@pytest.mark.requirement("R12")
@pytest.mark.parametrize(("answer", "is_closed"), [(True, False), (False, True)])
def test_clock_that_is_set_is_reported(timers: list[FakeTimer], answer: bool, is_closed: bool) -> None:
    async def work() -> None:
        changed = asyncio.Event()
        watch = clock_watch.watch_clocks(changed.set)
        assert watch is not None
        timers[0].put(None)
        timers[0].put(answer)
        await changed.wait()
        assert timers[0].is_closed is is_closed is not watch.is_open
        watch.close()
        watch.close()
        assert timers[0].is_closed

    asyncio.run(work())


@on_linux
def test_clocks_that_go_on_are_quiet() -> None:
    async def work() -> None:
        changed = asyncio.Event()
        watch = clock_watch.watch_clocks(changed.set)
        assert watch is not None
        await asyncio.sleep(0)
        assert not changed.is_set()
        watch.close()

    asyncio.run(work())


@on_linux
def test_timer_of_a_clock_that_does_not_exist_is_refused() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        Timerfd(-77)


class Jumping(SystemClock):
    """The clocks of the machine, which a test sets."""

    set_by = timedelta(0)

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + self.set_by, now.mono, now.slept)


@pytest.mark.requirement("R12", "R13")
def test_clock_change_that_the_kernel_reports_is_handled_at_once(
    tmp_path: Path, timers: list[FakeTimer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_checks, "SystemClock", Jumping)
    monkeypatch.setattr(clock_checks, "CLOCK_CHECK_SECONDS", 3600)
    clock, job = Jumping(), Job(id="a", python="time:time", schedule=TriggerRef("manual"))

    async def work() -> None:
        async with asyncio.timeout(60), Scheduler(directory=tmp_path, store="json", clock=clock, jobs=[job]) as ours:
            timer = ours.runtime.inputs.timer
            waiting = asyncio.create_task(timer.sleep_until(timer.now().wall + timedelta(hours=1)))
            await asyncio.sleep(0)
            clock.set_by = timedelta(hours=2)
            timers[0].put(True)
            await waiting
        assert timers[0].is_closed

    asyncio.run(work())


class LoopClock(SystemClock):
    """A clock that goes as that of an event loop whose waits take no time."""

    def now(self) -> Moment:
        seconds = asyncio.get_running_loop().time()
        return Moment(NOON + timedelta(seconds=seconds), seconds)


class SlewedClock(LoopClock):
    """A wall clock that goes 8 % too fast, as while chrony corrects it."""

    def now(self) -> Moment:
        now = super().now()
        return Moment(NOON + timedelta(seconds=now.mono * 1.08), now.mono)


@frozen
class AtOne(Schedule):
    """A schedule with one instant."""

    def next_after(self, after: datetime) -> datetime | None:
        return ONE if after < ONE else None


def idle_hours(
    hours: int, plans: tuple[Plan, ...] = (), clock_type: type[LoopClock] = LoopClock
) -> tuple[int, list[float]]:
    """Return how often an engine loop wakes in so many hours, and the seconds at which it makes its checks."""

    async def work() -> tuple[int, list[float]]:
        turns, checks = [], []

        async def commit(_: object) -> None:
            return

        clock = clock_type()
        loop = EngineLoop(Engine(), clock, commit, lambda _: None)
        loop.call_at_progress(lambda: turns.append(None), math.inf)
        loop.on_clock_check.append(lambda: checks.append(clock.now().mono))
        loop.submit(Restored(Settings(), plans, (), (), ()))
        running = asyncio.create_task(loop.run())
        await asyncio.sleep(hours * 3600)
        loop.close()
        await running
        return len(turns), checks

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        return runner.run(work())


@pytest.mark.usefixtures("timers")
def test_idle_hour_takes_a_look_at_the_clock_each_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_checks, "SystemClock", LoopClock)
    turns, _ = idle_hours(1)
    assert turns <= 63


@pytest.mark.usefixtures("timers")
def test_clock_that_is_slewed_is_looked_at_as_often_as_without_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_checks, "SystemClock", SlewedClock)
    turns, _ = idle_hours(1, clock_type=SlewedClock)
    assert turns >= 3600 / clock_checks.CLOCK_CHECK_SECONDS - 10


def test_idle_hour_is_polled_where_the_kernel_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> FakeTimer:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(clock_watch, "Timerfd", refuse)
    monkeypatch.setattr(clock_checks, "SystemClock", LoopClock)
    turns, _ = idle_hours(1)
    assert turns >= 360


@pytest.mark.usefixtures("timers")
def test_checks_are_made_soon_before_an_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_checks, "SystemClock", LoopClock)
    plan = Plan(Job(id="a", python="a:b"), {"one": AtOne()}, JobOrigin.CONFIG)
    turns, checks = idle_hours(2, (plan,))
    ahead = WARM_UP_TIME.total_seconds()
    assert [at for at in checks if 0 < 3600 - at < ahead]
    assert turns <= 2 * 63 + 2
