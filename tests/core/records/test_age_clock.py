"""The clock by which records grow old doesn't follow a clock that has leapt ahead, until that has proven steady."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.model.primitives.instants import Moment
from rae_auto.records.age_clock import AgeClock

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)


class ClockWorld:
    """Three clocks and an age clock that is read once an hour."""

    def __init__(self, directory):
        self.directory, self.real, self.offset, self.slept = directory, START, timedelta(0), timedelta(0)
        self.age_clock = AgeClock(directory)
        self.read()

    def read(self):
        mono = self.real - START - self.slept
        moment = Moment(self.real + self.offset, mono.total_seconds(), self.slept.total_seconds())

        async def read_and_save():
            time = await self.age_clock.read(moment)
            await self.age_clock.save()
            return time

        return asyncio.run(read_and_save())

    def awake(self, by):
        for _ in range(int(by / HOUR)):
            self.real += HOUR
            self.read()

    def sleep(self, by):
        self.real += by
        self.slept += by
        self.read()

    def restart(self, down=timedelta(0)):
        self.real += down
        self.age_clock = AgeClock(self.directory)

    @property
    def error(self):
        """The difference between the believed and the real time."""
        return self.read() - self.real


@pytest.fixture
def clocks(tmp_path):
    return ClockWorld(tmp_path)


def test_leap_ahead_is_not_believed_at_once(clocks):
    clocks.offset = YEAR
    assert clocks.error == timedelta(0)
    clocks.awake(23 * HOUR)
    assert clocks.error == timedelta(0)
    clocks.offset = timedelta(0)
    clocks.awake(2 * DAY)
    assert clocks.error == timedelta(0)


def test_leap_ahead_is_believed_after_a_day(clocks):
    clocks.offset = YEAR
    clocks.read()
    clocks.awake(DAY)
    assert clocks.error == YEAR


def test_time_asleep_proves_nothing(clocks):
    clocks.offset = YEAR
    clocks.awake(HOUR)
    clocks.sleep(10 * DAY)
    assert clocks.error == timedelta(0)


def test_second_step_starts_the_trial_again(clocks):
    clocks.offset = YEAR
    clocks.awake(20 * HOUR)
    clocks.offset = 2 * YEAR
    clocks.awake(20 * HOUR)
    assert clocks.error == timedelta(0)


def test_trial_goes_on_over_restarts(clocks):
    clocks.offset = YEAR
    for _ in range(5):
        clocks.awake(4 * HOUR)
        clocks.restart()
        assert clocks.error == timedelta(0)
    clocks.awake(6 * HOUR)
    assert clocks.error == YEAR


def test_start_with_a_wrong_clock_is_not_believed(clocks):
    clocks.restart(down=HOUR)
    clocks.offset = YEAR
    assert clocks.read() == START


def test_small_steps_and_steps_back_are_believed_at_once(clocks):
    for offset in (DAY, -YEAR):
        clocks.offset = offset
        assert clocks.error == offset


def test_long_sleep_is_no_step(clocks):
    clocks.sleep(30 * DAY)
    assert clocks.error == timedelta(0)
