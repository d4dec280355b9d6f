"""rae-executor-dask with a real cluster and a real daemon that is killed."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contrib_plugins import CONTRIB, install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)

JOBS = """
[jobs.long]
shell = 'echo "$RAE_RUN_ID.$RAE_ATTEMPT" >> {home}/starts; until [ -e {home}/go ]; do sleep 0.05; done; exit 7'
on_crash = "rerun"
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", labels = ["box"] }
[jobs.nowhere]
command = ["/bin/true"]
executor = { type = "dask", scheduler = "SCHEDULER", directory = "{home}/remote", labels = ["nowhere"] }
"""


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a cluster with one worker, by the tests of the distribution."""
    pytest.importorskip("distributed", reason="distributed isn't installed; run 'pip install distributed'")
    site = install_contrib_plugin("rae-executor-dask", tmp_path / "plugin")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.syspath_prepend(str(CONTRIB / "rae-executor-dask" / "tests"))
    made = importlib.import_module("dask_cluster").DaskCluster(tmp_path / "cluster")
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
    explained = eventually(lambda: found if "no_worker" in (found := why(daemons)) else "")
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


def why(daemons: Daemons) -> str:
    command = [sys.executable, "-m", "rae_auto", "why", "nowhere", "--json", "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    return done.stdout
