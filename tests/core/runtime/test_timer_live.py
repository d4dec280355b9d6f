"""The clocks of sources in a daemon that has nothing else to do."""

import asyncio
from datetime import timedelta

import pytest
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler, TriggerRef
from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.time import clock_checks
from rae_auto.runtime.time.clock import SystemClock


class Jumping(SystemClock):
    """The clocks of the machine, which a test lets jump."""

    def __init__(self) -> None:
        self.set_by = timedelta(0)
        self.slept = timedelta(0)

    def now(self) -> Moment:
        now = super().now()
        return Moment(now.wall + self.set_by + self.slept, now.mono, now.slept + self.slept.total_seconds())


@pytest.mark.parametrize(("jump", "by"), [("slept", 2), ("set_by", 2), ("set_by", -2)])
def test_who_waits_for_an_instant_is_woken_by_a_jump_though_nothing_is_due(tmp_path, monkeypatch, jump, by):
    monkeypatch.setattr(clock_checks, "CLOCK_CHECK_SECONDS", 0.01)
    clock = Jumping()
    job = Job(id="a", python="time:time", schedule=TriggerRef("manual"))

    async def work():
        async with Scheduler(directory=tmp_path, store="json", clock=clock, jobs=[job]) as scheduler:
            timer = scheduler.runtime.inputs.timer
            waiting = asyncio.create_task(timer.sleep_until(timer.now().wall + timedelta(hours=1)))
            await asyncio.sleep(0.1)
            assert not waiting.done()
            setattr(clock, jump, timedelta(hours=by))
            await waiting

    in_time(work)
