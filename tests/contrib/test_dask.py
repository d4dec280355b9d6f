"""rae-executor-dask with a real cluster and a real daemon that is killed."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.contrib_plugins import CONTRIB, install_contrib_plugin
from tests.support.daemons import Daemons, stop_at_once
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

JOBS = """
[jobs.long]
shell = 'echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> {home}/starts; until [ -e {home}/go ]; do sleep 0.05; done; exit 7'
on_crash = "rerun"
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", labels = ["box"] }
[jobs.queued]
shell = 'date +%s.%N > {home}/began; until [ -e {home}/last ]; do sleep 0.05; done'
timeout = "10m"
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", resources = { box = 1 } }
[jobs.first]
shell = 'touch {home}/busy; until [ -e {home}/free ]; do sleep 0.05; done'
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", resources = { box = 1 } }
[jobs.named]
command = ["/bin/true"]
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", labels = ["named"] }
[jobs.nowhere]
command = ["/bin/true"]
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", labels = ["nowhere"] }
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a cluster with one worker, by the tests of the distribution."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    place = tmp_path_factory.mktemp("dask")
    with pytest.MonkeyPatch.context() as patch:
        site = install_contrib_plugin("rae-executor-dask", place / "plugin")
        patch.setenv("PYTHONPATH", str(site))
        patch.syspath_prepend(str(site))
        patch.syspath_prepend(str(CONTRIB / "rae-executor-dask" / "tests"))
        made = importlib.import_module("dask_cluster").DaskCluster(place / "cluster")
        made.start()
        made.add_worker(resources="box=1")
        yield made
        made.close()


@pytest.fixture
def daemons(tmp_path: Path, cluster: Any) -> Iterator[Daemons]:
    these = Daemons(tmp_path, JOBS.replace("SCHEDULER", cluster.address))
    yield these
    these.end()


@pytest.mark.requirement("R3", "S15")
def test_killed_daemons_and_workers_neither_lose_nor_double_a_run(daemons: Daemons, cluster: Any) -> None:
    starts, go = daemons.home / "starts", daemons.home / "go"

    def count_starts() -> int:
        return len(starts.read_text().split()) if starts.exists() else 0

    def find_run(number: int) -> dict[str, Any]:
        """Return a run of the job that has ended."""
        runs = sorted(daemons.ask("history", job="long"), key=lambda run: run["queued_at"])
        return runs[number] if len(runs) > number and runs[number]["finished_at"] else {}

    daemons.serve()
    daemons.ask("trigger", job="nowhere", request=None)
    daemons.ask("trigger", job="long", request=None)
    eventually(lambda: count_starts() == 1)
    explained = eventually(lambda: found if "no_worker" in (found := why(daemons, "nowhere")) else "")
    assert 'label \\"nowhere\\"' in explained
    daemons.kill()
    go.touch()
    eventually(lambda: list((daemons.home / "remote").glob("*/runs/*/out.exit")))
    daemons.serve()
    first = eventually(lambda: find_run(0))
    assert (first["state"], first["exit_code"], first["attempt"]) == ("failed", 7, 1)

    go.unlink()
    daemons.ask("trigger", job="long", request=None)
    eventually(lambda: count_starts() == 2)
    cluster.kill(cluster.workers[0])
    cluster.add_worker(resources="box=1")
    eventually(lambda: count_starts() == 3)
    go.touch()
    second = eventually(lambda: find_run(1))
    assert (second["state"], second["exit_code"], second["attempt"]) == ("failed", 7, 2)
    spawned = starts.read_text().split()
    assert sorted(set(spawned)) == sorted(spawned), "an attempt was spawned twice"


def test_attempt_waits_in_the_queue_until_its_true_start(daemons: Daemons) -> None:
    """The daemon is killed between the moment at which a worker takes the attempt and the record of it."""
    daemons.serve()
    daemons.ask("trigger", job="first", request=None)
    eventually((daemons.home / "busy").exists)
    run = daemons.ask("trigger", job="queued", request=None)["run_id"]
    (waiting,) = eventually(lambda: [one for one in daemons.ask("status")["waiting"] if one["state"] == "starting"])
    assert (waiting["run_id"], waiting["reason"], waiting["started_at"]) == (run, "in_queue", None)
    assert "for a worker with 1 box free" in waiting["waiting_for"]
    assert " has been waiting since " in (explained := json.loads(why(daemons, "queued"))["answer"])
    assert "it has been in the queue of tcp://127.0.0.1:" in explained
    # Nothing of what the helper reports from now on is recorded.
    daemons.started[-1].send_signal(signal.SIGSTOP)
    (daemons.home / "free").touch()
    began = float(eventually(lambda: read(daemons.home / "began")))
    daemons.kill()
    daemons.serve()
    (running,) = eventually(lambda: [one for one in daemons.ask("status")["running"] if one["run_id"] == run])
    assert (running["state"], running["attempt"]) == ("running", 1)
    # The worker's machine is this one, so the clocks are the same.
    started_at = datetime.fromisoformat(running["started_at"]).timestamp()
    assert datetime.fromisoformat(waiting["queued_at"]).timestamp() < started_at <= began + 0.1
    (daemons.home / "last").touch()
    (ended,) = eventually(lambda: [one for one in daemons.ask("history", job="queued") if one["finished_at"]])
    assert (ended["state"], ended["attempt"], ended["started_at"]) == ("succeeded", 1, running["started_at"])


def test_log_names_the_worker_that_takes_a_queued_run(daemons: Daemons, cluster: Any) -> None:
    worker = cluster.add_worker(resources="named=1", name="workshop-7")
    daemons.serve()
    run = daemons.ask("trigger", job="named", request=None)["run_id"]
    eventually(lambda: [one for one in daemons.ask("history", job="named") if one["finished_at"]])
    cluster.kill(worker)
    stop_at_once(daemons.started[-1])
    (line,) = [one for one in daemons.whole_output().splitlines() if " taken " in one]
    assert f"taken ({run[:12]})" in line
    found = re.search(r"from the queue of (\S+) after .*, by worker workshop-7 \((\S+)\)", line)
    assert found is not None, line
    assert found[1] == cluster.address and found[2].startswith("tcp://127.0.0.1:")


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def why(daemons: Daemons, job: str) -> str:
    command = [sys.executable, "-m", "rae_auto", "why", job, "--json", "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    return done.stdout
