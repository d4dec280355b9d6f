"""The process that runs the conformance suite of a store, and reports each test on its channel."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.api.store import Store
from rae_auto.config.options import build
from rae_auto.model import documents
from rae_auto.offline.authoring.checking import find_target, inspect_within_limit
from rae_auto.offline.trial.channel import Channel
from rae_auto.offline.trial.messages import TrialRequest
from rae_auto.offline.trial.option_words import read_options
from rae_auto.registry import Registry

_TESTS = f"""
import pytest
from {__name__} import make_store
from rae_auto.testing.stores import StoreConformance


class TestStore(StoreConformance):
    @pytest.fixture
    def plugin(self):
        return make_store()
"""
_PROBLEM_CHARACTERS = 300

_wanted: tuple[str, TrialRequest]


def make_store() -> Store:
    """Return the store that is tried."""
    name, request = _wanted
    infos = [one for one in find_target(request.target).infos if (one.kind, one.name) == (Kind.STORE, name)]
    options = read_options(request.options)
    cls: Any = inspect_within_limit(infos[0], options or None).plugin_class
    store: Store = build(cls, options or dict(cls.example), timezone=request.zone, plugins=Registry())
    return store


class _Reporter:
    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Report the outcome of a test, and of a fixture that fails."""
        if report.when != "call" and report.passed:
            return
        crash = getattr(report.longrepr, "reprcrash", None)
        text = crash.message if crash is not None else str(report.longrepr)
        problem = "" if report.passed else " ".join(text.split())[:_PROBLEM_CHARACTERS]
        test = report.nodeid.rpartition("::")[2]
        self._channel.send("test", {"test": test, "outcome": report.outcome, "problem": problem})


def main() -> int:
    """Run the suite of the store that is asked for."""
    global _wanted
    channel = Channel()
    message = channel.receive()
    if message is None:
        return 0
    _wanted = message["kind"], documents.load(TrialRequest, message["body"])
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    # pytest does so by itself where the suites come with one of its plugins.
    pytest.register_assert_rewrite("rae_auto.testing")
    with TemporaryDirectory() as name:
        path = Path(name, "test_store.py")
        path.write_text(_TESTS, encoding="utf-8")
        folder = ["--rootdir", name, "--basetemp", str(Path(name, "temp")), "-c", os.devnull]
        words = [
            "-p",
            "rae_auto.testing.pytest_plugin",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:terminal",
            *folder,
            str(path),
        ]
        return int(pytest.main(words, plugins=[_Reporter(channel)]))


if __name__ == "__main__":
    # The tests import this module by its name, and find the requested store in it.
    from rae_auto.offline.trial.kinds import store_suite

    raise SystemExit(store_suite.main())
