"""kill -9 while notices are decided and delivered: each arrives, and what arrives twice has the same id.

More kills by hand: `RAE_KILLS=100 pytest tests/faults/test_notices.py`.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.http_service import Service
from tests.support.waiting import eventually

KILLS = int(os.environ.get("RAE_KILLS", "4"))

HEAD = """
[notifiers.peer]
type = "webhook"
url = "{url}"

[defaults]
notify = {{ on = ["failure"], limit = {{ notices = 10000 }} }}
catch_up = "none"
"""

BUSY = """
[jobs.a]
shell = "exit 3"
schedule = "* * * * * *"

[jobs.b]
python = "nosuch:function"
isolated = false
schedule = "* * * * * *"
"""

BY_HAND = """
[jobs.a]
command = ["false"]
"""


@pytest.fixture
def service() -> Iterator[Service]:
    started = Service()
    yield started
    started.close()


@pytest.fixture
def make(tmp_path: Path, service: Service) -> Iterator[object]:
    made: list[Daemons] = []

    def make(jobs: str) -> Daemons:
        made.append(Daemons(tmp_path, jobs, HEAD.format(url=service.url)))
        return made[-1]

    yield make
    for daemons in made:
        daemons.end()


def waiting(daemons):
    return daemons.ask("list_notices")


def runs_of(daemons):
    return daemons.ask("history", limit=1000)


def failed_runs(daemons):
    return {run["run_id"] for run in runs_of(daemons) if run["state"] in ("failed", "lost")}


def arrived(service):
    return Counter(document["id"] for document in service.documents)


@pytest.mark.requirement("R4", "S22")
def test_notices_survive_kills_at_random_moments(make, service):
    daemons, dice = make(BUSY), random.Random(1)
    for _ in range(KILLS):
        process = daemons.serve()
        time.sleep(dice.uniform(0.3, 2.5))
        process.kill()
        process.wait()
    daemons.serve()
    for job in "ab":
        daemons.ask("pause", job=job)
    eventually(lambda: all(one["finished_at"] for one in runs_of(daemons)))
    eventually(lambda: not waiting(daemons))
    seen, failed = arrived(service), failed_runs(daemons)
    assert {id.partition(".")[0] for id in seen} == failed
    assert len(failed) > KILLS
    # Of one that is under way while the daemon is killed nothing is known but that it may have arrived.
    assert sum(count - 1 for count in seen.values()) <= 4 * KILLS
    assert {key[1]["Idempotency-Key"] for key in service.requests} == {f'"{id}"' for id in seen}


def test_notice_without_an_answer_comes_again_with_its_id(make, service):
    daemons = make(BY_HAND)
    process = daemons.serve()
    service.may_answer.clear()
    daemons.ask("trigger", job="a")
    eventually(lambda: service.requests)
    process.kill()
    process.wait()
    service.may_answer.set()
    daemons.serve()
    eventually(lambda: len(service.requests) == 2)
    eventually(lambda: not waiting(daemons))
    assert len(arrived(service)) == 1


def test_hanging_peer_holds_up_neither_runs_nor_other_requests(make, service):
    daemons = make(BY_HAND)
    daemons.serve()
    service.may_answer.clear()
    for _ in range(8):
        run = daemons.ask("trigger", job="a")["run_id"]
        eventually(lambda run=run: run in failed_runs(daemons))
    assert len(waiting(daemons)) == 8
    # Of a job one notice at a time is under way.
    assert len(service.requests) == 1
    service.may_answer.set()
    eventually(lambda: not waiting(daemons))
    assert set(arrived(service).values()) == {1}


def test_peer_that_is_away_gets_the_notice_when_it_is_back(make, service):
    service.status = 503
    daemons = make(BY_HAND)
    daemons.serve()
    daemons.ask("trigger", job="a")
    eventually(lambda: [one["tries"] for one in waiting(daemons)] == [1])
    (problem,) = daemons.ask("status")["problems"]
    assert problem.startswith('notifier "peer" can\'t deliver 1 notice (')
    assert "answered 503" in problem
    service.status = 200
    assert daemons.ask("change_outbox", notifier="peer") == {"notices": 1}
    eventually(lambda: not waiting(daemons))
    assert daemons.ask("status")["problems"] == []
    assert list(arrived(service).values()) == [2]
