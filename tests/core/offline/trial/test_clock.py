"""The clock of a trial."""

import asyncio
from datetime import UTC, datetime, timedelta

from rae_auto.offline.trial.clock import TrialClock

START = datetime(2026, 10, 24, 12, tzinfo=UTC)


class Seconds:
    """A monotonic clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_clock_goes_on_with_the_real_one_unless_it_is_held():
    real = Seconds()
    clock = TrialClock(START, monotonic=real)

    async def run():
        real.now = 1.5
        await clock.tick()
        clock.is_running, real.now = False, 60.0
        await clock.tick()

    asyncio.run(run())
    assert clock.now == START + timedelta(seconds=1.5)


def test_sleepers_wake_at_their_times_while_a_day_is_played():
    clock = TrialClock(START, is_running=False, monotonic=Seconds())
    woken = []

    async def sleep():
        while True:
            await clock.timer.sleep(3600.5)
            woken.append(clock.now)

    async def run():
        task = asyncio.ensure_future(sleep())
        await asyncio.sleep(0)
        clock.move_ahead(timedelta(days=1))
        while clock.is_moving:
            await clock.tick()
        task.cancel()

    asyncio.run(run())
    assert woken == [START + timedelta(seconds=3600.5 * number) for number in range(1, 24)]
    assert clock.now == START + timedelta(days=1)


def test_clock_set_back_drops_what_lies_ahead():
    clock = TrialClock(START, is_running=False, monotonic=Seconds())

    async def run():
        clock.move_ahead(timedelta(hours=5))
        await clock.set_back(timedelta(hours=1))
        await clock.tick()

    asyncio.run(run())
    assert clock.now == START - timedelta(hours=1)


def test_clock_stops_at_the_end_of_the_calendar():
    clock = TrialClock(datetime.max.replace(tzinfo=UTC) - timedelta(seconds=1), monotonic=Seconds())

    async def run():
        clock.move_ahead(timedelta(hours=1))
        await clock.tick()

    asyncio.run(run())
    assert not clock.is_running
