"""The clocks that sources wait by: real ones, and what is said to have happened to them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.time import timer
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.runtime.time.timer import RuntimeTimer

HOUR = timedelta(hours=1)


class SetClock:
    """A clock that says what it was set to."""

    def __init__(self) -> None:
        self.moment = Moment(datetime(2030, 1, 1, tzinfo=UTC), 0.0)

    def now(self) -> Moment:
        return self.moment


async def wait_until_asleep(waiting: "asyncio.Task[None]") -> None:
    """Return when it waits: a few turns of the loop suffice."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()


@pytest.mark.parametrize("left", [timedelta(0), -HOUR])
def test_sleep_until_a_past_instant_returns_after_one_turn(left: timedelta) -> None:
    async def scene() -> None:
        clock, turns = SetClock(), []
        other = asyncio.ensure_future(asyncio.sleep(0))
        other.add_done_callback(turns.append)
        await RuntimeTimer(clock).sleep_until(clock.moment.wall + left)
        await other
        await asyncio.sleep(0)
        assert turns == [other]

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_who_waits_for_an_instant_or_a_while_is_woken_in_time() -> None:
    async def scene() -> None:
        timer = RuntimeTimer(SystemClock())
        before = timer.now()
        await timer.sleep_until(before.wall + timedelta(seconds=0.05))
        assert timer.now().mono >= before.mono + 0.04
        before = timer.now()
        await timer.sleep(0.05)
        assert timer.now().mono >= before.mono + 0.04

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_clock_jump_wakes_all_sleepers() -> None:
    async def scene() -> None:
        clock = SetClock()
        timer = RuntimeTimer(clock)
        instant = clock.moment.wall + HOUR
        waiting = [asyncio.ensure_future(timer.sleep_until(instant)) for _ in range(2)]
        for each in waiting:
            await wait_until_asleep(each)
        clock.moment = Moment(instant - timedelta(minutes=1), 0.0)
        timer.jumped()
        await asyncio.gather(*waiting)
        again = asyncio.ensure_future(timer.sleep_until(instant))
        await wait_until_asleep(again)
        clock.moment = Moment(instant, 0.0)
        timer.jumped()
        await again
        await timer.sleep_until(instant)

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_timer_checks_the_clock_however_far_the_instant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "MAX_SLEEP_SECONDS", 0.01)

    async def scene() -> None:
        clock = SetClock()
        await RuntimeTimer(clock).sleep_until(datetime(9999, 1, 1, tzinfo=UTC))

    asyncio.run(asyncio.wait_for(scene(), 60))


def test_cancelled_wait_is_not_woken() -> None:
    async def scene() -> None:
        clock = SetClock()
        timer = RuntimeTimer(clock)
        waiting = asyncio.ensure_future(timer.sleep_until(clock.moment.wall + HOUR))
        await wait_until_asleep(waiting)
        waiting.cancel()
        assert await asyncio.gather(waiting, return_exceptions=True)
        assert not timer._waiting
        timer.jumped()

    asyncio.run(asyncio.wait_for(scene(), 60))
