"""Timers: alarms in order, and bounded in number."""

import pytest

from rae_auto.engine.time.timers import MIN_TIMERS_KEPT, Alarm, Timers
from rae_auto.engine.undo_log import UndoLog
from rae_auto.model.primitives.names import RunId


@pytest.mark.requirement("R26")
def test_timers_of_runs_that_are_over_are_forgotten() -> None:
    timers = Timers(UndoLog())
    opened = RunId("open")
    timers.set(5.0, Alarm.TIMEOUT, opened)
    timers.set(4.0, Alarm.DECIDE_AGAIN, "job")
    for number in range(20 * MIN_TIMERS_KEPT):
        timers.set(3600.0, Alarm.TIMEOUT, RunId(str(number)))
        timers.forget_closed({opened})
    assert sum(1 for _ in timers.pop_due(4000.0)) <= MIN_TIMERS_KEPT + 1


def test_timers_of_open_runs_and_of_jobs_ring_in_order() -> None:
    timers = Timers(UndoLog())
    opened = RunId("open")
    timers.set(5.0, Alarm.TIMEOUT, opened)
    timers.set(4.0, Alarm.DECIDE_AGAIN, "job")
    for number in range(MIN_TIMERS_KEPT):
        timers.set(1.0, Alarm.READY, RunId(str(number)))
    timers.forget_closed({opened})
    assert list(timers.pop_due(6.0)) == [(Alarm.DECIDE_AGAIN, "job", 0), (Alarm.TIMEOUT, "open", 0)]
