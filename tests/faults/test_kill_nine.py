"""kill -9 at random moments of a busy daemon: nothing is lost, nothing is doubled, nothing is stuck.

Schedules, requests, cancellations, retries, resources, and triggers that follow jobs, files and patterns of events are
all at work while it is killed. More kills by hand: `RAE_KILLS=200 RAE_SEED=7 pytest tests/faults/test_kill_nine.py`.
"""

import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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
from rae_auto.errors import RunNotFound, SchedulerError
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Run, RunState
from rae_auto.registry import Registry

KILLS = int(os.environ.get("RAE_KILLS", "6"))
SEED = int(os.environ.get("RAE_SEED", "1"))

MARK = "printf '%s\\\\n' $RAE_RUN_ID.$RAE_ATTEMPT >> {home}/marks"

EXCLUSIVELY = "mkdir {home}/db || echo x >> {home}/violations; sleep 0.2; rmdir {home}/db"
"""Done by two jobs that share a resource of one unit: the directory must not be there."""

EVENTS_PER_RUN = 5

JOBS = f"""
[history]
runs = 1000000
events = 1000000

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

[jobs.long]
shell = "{MARK}; exec sleep 600"
overlap = "allow"
overlap_max = 1000
kill_after = "200ms"
retry = {{ attempts = 3, delay = "200ms" }}

[jobs.chained]
shell = "{MARK}"
overlap = "allow"
overlap_max = 1000
trigger = {{ type = "job", jobs = ["second"] }}

[jobs.inbox]
shell = "{MARK}"
overlap = "allow"
overlap_max = 1000
trigger = {{ type = "file", paths = ["{{home}}/inbox"], events = ["created"], quiet = 0, batch = "each" }}

[jobs.pattern]
shell = "{MARK}"
overlap = "allow"
overlap_max = 1000
trigger = {{ type = "usage", pattern = "count", of = "door.opened", count = {EVENTS_PER_RUN}, within = "1d" }}

[resources]
db = 1

[jobs.exclusive-one]
shell = "{MARK}; {EXCLUSIVELY}"
schedule = "* * * * * *"
resources = ["db"]
overlap = "queue"

[jobs.exclusive-two]
shell = "{MARK}; {EXCLUSIVELY}"
schedule = "* * * * * *"
resources = ["db"]
overlap = "queue"
"""


class User:
    """A client that requests runs, cancels some, writes files, records events, and notes what was acknowledged."""

    def __init__(self, daemons: Daemons) -> None:
        self.runs: dict[str, str] = {}
        """The ids of runs by request."""
        self.cancelled: set[str] = set()
        self.files: set[str] = set()
        self.events: set[str] = set()
        self._daemons = daemons
        self._inbox = daemons.home / "inbox"
        self._inbox.mkdir()
        self._dice = random.Random(SEED)

    def put_file(self, name: str) -> None:
        """Write a file into the inbox."""
        path = self._inbox / name
        path.write_text("x")
        self.files.add(str(path))

    def act(self, number: int) -> None:
        """Do one thing, chosen at random."""
        match self._dice.choice(("trigger", "trigger", "cancel", "file", "event")):
            case "file":
                self.put_file(f"file-{number}")
            case "event":
                with Client(self._daemons.state) as client:
                    self.events.add(client.call("record_event", name="door.opened", data={}, at=None)["id"])
            case action:
                job = "asked" if action == "trigger" else "long"
                with Client(self._daemons.state) as client:
                    request = f"request-{number}"
                    self.runs[request] = run = client.call("trigger", job=job, request=request)["run_id"]
                    if action == "cancel":
                        client.call("cancel", run=run)
                        self.cancelled.add(run)


@contextmanager
def acting(user: User) -> Iterator[None]:
    """Let the user act all the time, in a thread."""
    over = Event()

    def act() -> None:
        for number in count():
            if over.wait(0.05):
                return
            # Killed before it could acknowledge.
            with suppress(SchedulerError):
                user.act(number)

    thread = Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def found_within_seconds(daemons: Daemons) -> None:
    """Some seconds after the start, each open run of an earlier daemon has ended or has an executor."""
    before = datetime.now(UTC)
    daemons.serve()

    def list_earlier_runs() -> list[str]:
        running = daemons.ask("status")["running"]
        return [
            run["run_id"]
            for run in running
            if run["job"] != "long" and datetime.fromisoformat(run["started_at"]) < before
        ]

    # The longest command takes 1.5 s and is tried once more; the rest of the time is for a busy machine.
    eventually(lambda: not list_earlier_runs(), within=30.0)


def check(daemons: Daemons, store: Store, user: User) -> None:
    """Compare every promise with what the store says and what the commands have written."""
    assert list(store.load(documents.RUN)) == []
    everything = LogQuery(limit=1_000_000)
    runs = [documents.load(Run, body) for body in store.query(documents.RUNS, everything)]
    decisions = [documents.load(Decision, body) for body in store.query(documents.DECISIONS, everything)]
    assert all(run.state.final for run in runs)

    by_id = {run.id: run for run in runs}
    of_request = Counter(run.key for run in runs if run.trigger == MANUAL)
    assert set(of_request.values()) <= {1}
    assert {request: by_id[RunId(run)].key for request, run in user.runs.items()} == {r: r for r in user.runs}
    assert {by_id[RunId(run)].state for run in user.cancelled} <= {RunState.CANCELLED}

    check_schedules(runs, decisions)
    check_triggers(runs, user)

    marks = Counter((daemons.home / "marks").read_text().split())
    assert set(marks.values()) == {1}
    assert {f"{run.id}.{run.attempt}" for run in runs if run.state is RunState.SUCCEEDED} <= set(marks)
    assert not (daemons.home / "violations").exists()


def check_schedules(runs: list[Run], decisions: list[Decision]) -> None:
    """Every instant of a schedule was decided, once."""
    for job, step in (("slow", 1), ("second", 1), ("third", 2), ("exclusive-one", 1), ("exclusive-two", 1)):
        decided = Counter(run.scheduled_for for run in runs if run.job == job)
        for decision in decisions:
            if decision.job == job:
                # Occurrences that were refused together are one decision.
                decided.update(instants(decision, step))
        assert set(decided.values()) == {1}, job
        gaps = {later - earlier for earlier, later in pairwise(sorted(decided))}
        assert gaps == {timedelta(seconds=step)}, job


def instants(decision: Decision, step: int) -> list[datetime]:
    """Return the instants that a decision is about."""
    first = decision.since or decision.at
    return [first + timedelta(seconds=step * n) for n in range(decision.count)]


def check_triggers(runs: list[Run], user: User) -> None:
    """Every end of a job, every file, and every so many events have started one run."""
    followed = [run.key for run in runs if run.job == "chained"]
    assert sorted(followed) == sorted(run.id for run in runs if run.job == "second" and run.state is RunState.SUCCEEDED)
    paths = [path for run in runs if run.job == "inbox" and run.event for path in run.event["paths"]]
    assert sorted(paths) == sorted(user.files)
    patterns = [run for run in runs if run.job == "pattern"]
    # An event that was recorded, but not acknowledged before the kill, counts too.
    assert len(patterns) >= len(user.events) // EVENTS_PER_RUN
    assert len({run.key for run in patterns}) == len(patterns)


def has_no_open_run(daemons: Daemons) -> bool:
    # Asked once: between two answers a run that waits would begin to run.
    status = daemons.ask("status")
    return not status["running"] and not status["waiting"]


@pytest.mark.requirement("R3", "R4", "R7")
@pytest.mark.timeout(300 + 20 * KILLS)
@pytest.mark.parametrize("kind", ["sqlite", "json"])
def test_a_daemon_that_is_killed_again_and_again_loses_and_doubles_nothing(
    daemons: Callable[..., Daemons], kind: str
) -> None:
    ours = daemons(JOBS, f'store = "{kind}"\nmax_parallel = 50\n')
    dice = random.Random(SEED)
    user = User(ours)
    ours.serve()
    # A first file, so that there is a snapshot before the first kill.
    user.put_file("first")
    eventually(lambda: ours.ask("history", job="inbox"))
    with acting(user):
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 1.0))
            ours.kill()
            found_within_seconds(ours)
    ours.write(re.sub("schedule = .*", "", ours.config.read_text()))
    ours.ask("reload")
    eventually(lambda: len(ours.ask("history", job="inbox", limit=10 * len(user.files))) >= len(user.files))
    for run in ours.ask("history", job="long", states=["running", "queued", "retrying"]):
        # Killed between its start and its cancellation, or in the middle of that.
        with suppress(RunNotFound):
            ours.ask("cancel", run=run["run_id"])
    eventually(lambda: has_no_open_run(ours))
    assert ours.stop() == 0, ours.output()
    assert "Traceback" not in ours.output()
    store = cast("Store", Registry().get(Kind.STORE, kind)())
    store.open(ours.state)
    try:
        check(ours, store, user)
    finally:
        store.close()
    assert all((user.runs, user.cancelled, user.files, user.events))
