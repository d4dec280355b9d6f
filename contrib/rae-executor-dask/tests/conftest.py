"""A cluster for all tests, and executors for it."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dask_cluster import START_SECONDS, DaskCluster
from rae_executor_dask import DaskExecutor, cluster_link


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Return a cluster with a worker that has the label "box"."""
    if importlib.util.find_spec("distributed") is None:
        pytest.skip("the library distributed is not installed; run 'pip install distributed'")
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    cluster.add_worker(threads=8, resources="box=1 slots=2")
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def helper_server(cluster: DaskCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have helpers forked, which start at once."""
    path = tmp_path_factory.mktemp("helpers") / "socket"
    program = str(Path(__file__).parent / "helper_server.py")
    server = subprocess.Popen([sys.executable, program, str(path)], start_new_session=True)
    command = cluster_link.HELPER_COMMAND
    deadline = time.monotonic() + START_SECONDS
    while not path.exists():
        assert time.monotonic() < deadline, "the server of helpers does not start"
        time.sleep(0.02)
    cluster_link.HELPER_COMMAND = (sys.executable, "-I", "-S", program, str(path))
    yield
    cluster_link.HELPER_COMMAND = command
    server.kill()
    server.wait()


@pytest.fixture(scope="session")
def make_executor(cluster: DaskCluster, helper_server: None) -> Callable[..., DaskExecutor]:
    """Return a function that makes an executor for the cluster, whose runs are in a folder of the tests."""

    def make(**options: Any) -> DaskExecutor:
        return DaskExecutor(**{"scheduler": cluster.address, "directory": str(cluster.place / "runs"), **options})

    return make
