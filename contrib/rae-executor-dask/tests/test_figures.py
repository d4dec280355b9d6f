"""The measurements of the README, in small, so that none rots."""

import asyncio
from pathlib import Path

import pytest
from campaign import judge_viewer, measure
from dask_cluster import DaskCluster


def test_figures_are_measured_in_small(
    cluster: DaskCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The figures themselves belong to the machine."""
    asyncio.run(measure(cluster, tmp_path, 1))
    judge_viewer(tmp_path, f'{{ type = "dask", scheduler = "{cluster.address}", directory = "{tmp_path}/fresh" }}', 1)
    figures = [line.split(":")[0] for line in capsys.readouterr().out.splitlines()]
    wanted = {"line → file", "line → viewer", "cancel → no process of the tree", "commands per second", "helper"}
    assert wanted < {*figures}
