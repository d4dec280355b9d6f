"""The Dask executor keeps the contract of executors, with a real scheduler and worker."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rae_executor_dask import DaskExecutor

from rae_auto.testing.executors import ExecutorConformance


class TestDaskExecutor(ExecutorConformance):
    @pytest.fixture
    def plugin(self, make_executor: Callable[..., DaskExecutor]) -> DaskExecutor:
        return make_executor(labels=["box"])

    def describe_job(self, name: str, directory: Path) -> dict[str, Any] | None:
        keys = super().describe_job(name, directory)
        return keys and {"cwd": str(directory), **keys}
