"""The built-in executors pass the suite that plugins of others pass."""

import pytest

from rae_auto.testing.executors import ExecutorConformance
from rae_plugins.executors.process import ProcessExecutor
from rae_plugins.executors.thread import ThreadExecutor


class TestProcess(ExecutorConformance):
    @pytest.fixture
    def plugin(self):
        return ProcessExecutor()


class TestThread(ExecutorConformance):
    @pytest.fixture
    def plugin(self):
        return ThreadExecutor()
