"""The moment at which executors get ready: before the schedule of a job is due, so that no start waits for it.

What an executor then starts, as the keeper of commands, takes memory until the daemon ends. So it is not done before
it is needed: a daemon whose jobs are all far away has none of it.
"""

from datetime import timedelta

from rae_auto.engine.engine import Engine
from rae_auto.runtime.execution.open_executors import OpenExecutors
from rae_auto.runtime.time.clock import Clock

WARM_UP_TIME = timedelta(seconds=20)
"""Time before a start at which its executor gets ready; more than the time between two checks of the clock."""


def warm_up_executors(engine: Engine, clock: Clock, executors: OpenExecutors) -> None:
    """Have the executors get ready whose jobs are due soon; call it at each check of the clock."""
    soon = engine.jobs_due_until(clock.now().wall + WARM_UP_TIME)
    executors.warm_up((engine.job(job).job.executor_ref, job) for job in soon)
