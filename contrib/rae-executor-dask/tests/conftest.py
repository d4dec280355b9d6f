"""A cluster for all tests, and executors for it."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dask_cluster import DaskCluster
from rae_executor_dask import DaskExecutor, cluster_link

from rae_auto.api import Assignment
from rae_auto.testing.harness.counted_attempts import CountedAttempts


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """Return a cluster with a worker that has the label "box"."""
    if importlib.util.find_spec("distributed") is None or not hasattr(os, "fork"):
        pytest.skip("the library distributed is not installed; run 'pip install distributed'")
    command = cluster_link.HELPER_COMMAND
    cluster = DaskCluster(tmp_path_factory.mktemp("cluster"))
    cluster.start()
    cluster.add_worker(threads=8, resources="box=1 slots=2")
    yield cluster
    cluster.close()
    cluster_link.HELPER_COMMAND = command


@pytest.fixture(scope="session")
def make_executor(cluster: DaskCluster) -> Callable[..., DaskExecutor]:
    """Return a function that makes an executor for the cluster, whose runs are in a folder of the tests."""

    def make(**options: Any) -> DaskExecutor:
        return DaskExecutor(**{"scheduler": cluster.address, "directory": str(cluster.place / "runs"), **options})

    return make


@pytest.fixture
def assign(tmp_path: Path) -> Callable[..., Assignment]:
    """Return a function that makes an attempt of a shell line, whose starts are counted."""
    return CountedAttempts(tmp_path).make


@pytest.fixture
def open_executor(make_executor: Callable[..., DaskExecutor], tmp_path: Path) -> Callable[..., Any]:
    """Return a function that makes an executor and opens it in the state directory of the test."""

    async def open_one(**options: Any) -> DaskExecutor:
        executor = make_executor(**options)
        state = tmp_path / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        await executor.open(state)
        return executor

    return open_one
