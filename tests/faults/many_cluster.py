"""A Dask cluster beside the two daemons of `tests.faults.many`: a scheduler and workers, and what is done to them."""

import importlib
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tests.faults.many_daemons import Pair, send_signal
from tests.support.contrib_plugins import CONTRIB

WORKERS, THREADS = 3, 4
WORKER_TTL_SECONDS = 60
"""Time after which the scheduler drops a silent worker: longer than any is stopped here."""

FAULTS = {
    "kill cluster-worker": 3,
    "stop cluster-worker": 2,
    "kill cluster-keeper": 2,
    "stop cluster-keeper": 1,
    "kill cluster-guard": 1,
    "kill scheduler": 1,
    "stop scheduler": 1,
    "kill helper": 2,
    "stop helper": 1,
}

JOBS = """
[jobs.cluster]
command = ["{python}", "{home}/script.py", "{home}", "1", "3"]
schedule = "*/4 * * * * *"
executor = { type = "dask", scheduler = "{scheduler}", directory = "{home}/remote", lease = "20s" }
[jobs.cluster-again]
command = ["{python}", "{home}/script.py", "{home}", "2", "9"]
schedule = "*/6 * * * * *"
on_crash = "rerun"
executor = { type = "dask", scheduler = "{scheduler}", directory = "{home}/remote", lease = "20s" }
"""

NAMES = ("cluster", "cluster-again")


class Cluster:
    """A scheduler and workers, whose jobs end with their worker."""

    def __init__(self, home: Path) -> None:
        """Start it. The package must be importable already."""
        tests = str(CONTRIB / "rae-executor-dask" / "tests")
        sys.path.insert(0, tests)
        try:
            module = importlib.import_module("dask_cluster")
        finally:
            sys.path.remove(tests)
        module.SETTINGS["distributed.scheduler.worker-ttl"] = f"{WORKER_TTL_SECONDS} s"
        self._cluster: Any = module.DaskCluster(home / "cluster")
        self._remote = home / "remote"
        self._cluster.start()
        self._fill()
        self.harmed_at: list[float] = []
        """When something was killed with which attempts end."""

    @property
    def jobs(self) -> str:
        """The jobs for a configuration, with "{python}" and "{home}" still to be replaced."""
        return JOBS.replace("{scheduler}", self._cluster.address)

    def harm(self, action: str, target: str, pair: Pair, name: str, source: random.Random) -> None:
        """Kill a part of it, or the helper of a daemon, or stop it for a while."""
        process = self._find(target, pair, name, source)
        if process is None:
            return
        if action == "stop":
            send_signal([process], signal.SIGSTOP)
            time.sleep(source.uniform(0.2, 4))
            send_signal([process], signal.SIGCONT)
            return
        if target != "helper":
            self.harmed_at.append(time.monotonic())
        if target == "scheduler":
            self._cluster.restart_scheduler()
        elif target == "cluster-worker":
            self._cluster.kill(process)
        else:
            send_signal([process], signal.SIGKILL)
        self._fill()

    def _fill(self) -> None:
        while len(self._cluster.workers) < WORKERS:
            self._cluster.add_worker(threads=THREADS)

    def _find(self, target: str, pair: Pair, name: str, source: random.Random) -> psutil.Process | None:
        found: psutil.Process | None = None
        if target == "scheduler":
            return self._cluster.scheduler  # type: ignore[no-any-return]
        if target == "helper":
            return pair.child(name, "rae_executor_dask.cluster")
        worker = source.choice(self._cluster.workers)
        if target == "cluster-worker":
            return worker  # type: ignore[no-any-return]
        # One that has run nothing yet has no keeper.
        with suppress(psutil.Error, ValueError):
            guard, keeper = self._cluster.find_keepers(worker, self._remote)
            found = guard if target == "cluster-guard" else keeper
        return found

    def close(self) -> None:
        """End it."""
        self._cluster.close()
