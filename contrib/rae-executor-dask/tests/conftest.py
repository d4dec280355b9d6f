"""A cluster for all tests, and executors for it."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from dask_cluster import DaskCluster
from rae_executor_dask import DaskExecutor, cluster_link


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
