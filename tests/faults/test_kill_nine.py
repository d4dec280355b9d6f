"""kill -9 at random moments of a busy daemon: nothing is lost, nothing is doubled, nothing is stuck.

More kills by hand: `RAE_KILLS=100 RAE_SEED=7 pytest tests/faults/test_kill_nine.py`.
"""

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from threading import Event, Thread
from typing import cast

import pytest
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.api.plugin import Kind
from rae_auto.api.store import LogQuery, Store
from rae_auto.control.client import Client
from rae_auto.errors import SchedulerError
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run, RunState
from rae_auto.registry import Registry

KILLS = int(os.environ.get("RAE_KILLS", "6"))
SEED = int(os.environ.get("RAE_SEED", "1"))

MARK = "printf '%s\\\\n' $RAE_RUN_ID.$RAE_ATTEMPT >> {home}/marks"

JOBS = f"""
[history]
runs = 1000000

[defaults]
overlap = "skip"
catch_up = "all"

[jobs.asked]
shell = "{MARK}"
overlap = "allow"
overlap_max = 1000

[jobs.slow]
shell = "{MARK}; sleep 1.5"
schedule = "* * * * * *"
on_crash = "rerun"

[jobs.second]
shell = "{MARK}"
schedule = "* * * * * *"

[jobs.third]
shell = "{MARK}; exit 3"
schedule = "*/2 * * * * *"
retry = {{ attempts = 2, delay = "200ms" }}
"""


@contextmanager
def asking(daemons: Daemons) -> Iterator[dict[str, str]]:
    """Somebody who asks for runs all the time: what was acknowledged, by request."""
    acknowledged: dict[str, str] = {}
    over = Event()

    def ask() -> None:
        for number in count():
            if over.wait(0.05):
                return
            try:
                with Client(daemons.state) as client:
                    request = f"request-{number}"
                    acknowledged[request] = client.call("trigger", job="asked", request=request)["run_id"]
            except SchedulerError:
                continue  # killed before it could acknowledge

    asker = Thread(target=ask)
    asker.start()
    try:
        yield acknowledged
    finally:
        over.set()
        asker.join()


def found_within_seconds(daemons: Daemons) -> None:
    """Nothing that an earlier daemon had in hand is without a fate or an executor 5 s after the start."""
    before = datetime.now(UTC)
    daemons.serve()

    def list_earlier_runs() -> list[str]:
        running = daemons.ask("status")["running"]
        return [run["run_id"] for run in running if datetime.fromisoformat(run["started_at"]) < before]

    # The longest command takes 1.5 s and is tried once more.
    eventually(lambda: not list_earlier_runs(), within=5.0)


def check(daemons: Daemons, store: Store, acknowledged: dict[str, str]) -> None:
    """Every promise, held against what the store says and what the commands have written."""
    assert list(store.load(documents.RUN)) == []
    everything = LogQuery(limit=1_000_000)
    runs = [documents.load(Run, body) for body in store.query(documents.RUNS, everything)]
    decisions = [documents.load(Decision, body) for body in store.query(documents.DECISIONS, everything)]

    assert all(run.state.final for run in runs)
    of_request = Counter(run.key for run in runs if run.trigger == MANUAL)
    assert set(of_request.values()) <= {1}
    by_id = {run.id: run for run in runs}
    assert {request: by_id[RunId(run)].key for request, run in acknowledged.items()} == {r: r for r in acknowledged}

    decided = Counter((run.job, run.scheduled_for) for run in runs if run.trigger != MANUAL)
    decided.update((decision.job, decision.at) for decision in decisions)
    assert set(decided.values()) == {1}
    for job, step in (("slow", 1), ("second", 1), ("third", 2)):
        instants = sorted(at for name, at in decided if name == job)
        assert {later - earlier for earlier, later in pairwise(instants)} == {timedelta(seconds=step)}, job

    marks = Counter((daemons.home / "marks").read_text().split())
    assert set(marks.values()) == {1}
    assert {f"{run.id}.{run.attempt}" for run in runs if run.state is RunState.SUCCEEDED} <= set(marks)


@pytest.mark.requirement("R3", "R4", "R7")
@pytest.mark.timeout(60 + 8 * KILLS)
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_a_daemon_that_is_killed_again_and_again_loses_and_doubles_nothing(
    daemons: Callable[..., Daemons], kind: str
) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\nmax_parallel = 50\n')
    dice = random.Random(SEED)
    ours.serve()
    with asking(ours) as acknowledged:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 1.0))
            ours.kill()
            found_within_seconds(ours)
    ours.write(re.sub("schedule = .*", "", ours.config.read_text()))
    ours.ask("reload")
    eventually(lambda: not any(ours.ask("status")[open_ones] for open_ones in ("running", "waiting")))
    assert ours.stop() == 0, ours.output()
    assert "Traceback" not in ours.output()
    store = cast("Store", Registry().get(Kind.STORE, kind)())
    store.open(ours.state)
    try:
        check(ours, store, acknowledged)
    finally:
        store.close()
    assert acknowledged
