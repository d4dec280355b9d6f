"""kill -9 around an instant at which many jobs are due, whose starts are decided before it: each runs exactly once.

More kills by hand: `RAE_KILLS=50 RAE_SEED=7 pytest tests/faults/test_starts_ahead.py`.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count

from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto import Job, Once, connect

KILLS = int(os.environ.get("RAE_KILLS", "3"))
SEED = int(os.environ.get("RAE_SEED", "1"))

JOBS = 60
"""Enough to be decided some 30 ms ahead."""

SECONDS_BEFORE = 3
"""Time in which jobs are added, mostly."""


def test_death_around_an_instant_loses_and_repeats_nothing(daemons: Callable[..., Daemons]) -> None:
    dice, daemon, expected = random.Random(SEED), daemons(""), set[str]()
    marks = daemon.home / "marks"
    marks.write_text("")
    for kill in range(KILLS):
        daemon.serve()
        at, names = add_jobs(daemon, kill)
        expected |= names
        # Some before the first decision, most between decision and instant, some among the starts.
        time.sleep(max(0.0, (at - datetime.now(UTC)).total_seconds() + dice.uniform(-0.05, 0.02)))
        daemon.kill()
    daemon.serve()
    eventually(lambda: expected <= {*marks.read_text().split()})
    assert daemon.stop() == 0
    assert {name: times for name, times in Counter(marks.read_text().split()).items() if times > 1} == {}
    assert {run["state"] for run in daemon.history()} == {"succeeded"}


def add_jobs(daemon: Daemons, kill: int) -> tuple[datetime, set[str]]:
    """Add jobs that are due together, and return when, and their names; a machine that is slow gets another try."""
    marks = daemon.home / "marks"
    for seconds in count(SECONDS_BEFORE, SECONDS_BEFORE):
        at = datetime.now(UTC) + timedelta(seconds=seconds)
        names = [f"kill-{kill}-after-{seconds}-{number}" for number in range(JOBS)]
        command = f"echo $RAE_JOB >> {marks}"
        with connect(daemon.state) as scheduler:
            scheduler.add_jobs([Job(name=name, shell=command, catch_up="all", schedule=Once(at)) for name in names])
        if datetime.now(UTC) < at - timedelta(seconds=1):
            break
    return at, set(names)
