"""kill -9 around an instant at which many jobs are due, whose starts are decided before it: each runs exactly once.

More kills by hand: `RAE_KILLS=50 RAE_SEED=7 pytest tests/faults/test_starts_ahead.py`.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto import Job, Once, connect

KILLS = int(os.environ.get("RAE_KILLS", "3"))
SEED = int(os.environ.get("RAE_SEED", "1"))

JOBS = 60
"""Enough to be decided some 30 ms ahead."""

SECONDS_BEFORE = 4.0
"""Time in which a daemon is ready for what is due, also on a machine that is busy."""


def test_death_around_an_instant_loses_and_repeats_nothing(daemons: Callable[..., Daemons]) -> None:
    dice, daemon = random.Random(SEED), daemons("")
    marks = daemon.home / "marks"
    marks.write_text("")
    for kill in range(KILLS):
        daemon.serve()
        at = datetime.now(UTC) + timedelta(seconds=SECONDS_BEFORE)
        add_jobs(daemon, kill, at)
        # Some before the first decision, most between decision and instant, some among the starts.
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds() + dice.uniform(-0.05, 0.02)))
        daemon.kill()
    daemon.serve()
    eventually(lambda: len(marks.read_text().split()) >= KILLS * JOBS)
    assert daemon.stop() == 0
    names = [f"j{kill}-{number}" for kill in range(KILLS) for number in range(JOBS)]
    assert Counter(marks.read_text().split()) == dict.fromkeys(names, 1)
    assert Counter(run["state"] for run in daemon.history()) == {"succeeded": KILLS * JOBS}


def add_jobs(daemon: Daemons, kill: int, at: datetime) -> None:
    """Add jobs that are due together."""
    marks = daemon.home / "marks"
    jobs = [
        Job(name=f"j{kill}-{number}", shell=f"echo $RAE_JOB >> {marks}", catch_up="all", schedule=Once(at))
        for number in range(JOBS)
    ]
    with connect(daemon.state) as scheduler:
        scheduler.add_jobs(jobs)
