"""The SSH executor keeps the contract of executors, with a real sshd."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rae_executor_ssh import SshExecutor

from rae_auto.testing.executors import ExecutorConformance


class TestSshExecutor(ExecutorConformance):
    @pytest.fixture
    def plugin(self, make_executor: Callable[..., SshExecutor]) -> SshExecutor:
        return make_executor()

    def describe_job(self, name: str, directory: Path) -> dict[str, Any] | None:
        keys = super().describe_job(name, directory)
        return keys and {"cwd": str(directory), **keys}
