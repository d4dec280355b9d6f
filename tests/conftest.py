"""Shared by all tests: hypothesis profiles, the log, signals as a terminal has them, and the end of their time."""

import gc
import os
import signal
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from tests.support.first_worker import one_worker_first
from tests.support.log_lines import captured_log
from tests.support.process_state import ProcessState

# Half of what hypothesis does by default, because all tests are to end within twenty minutes on two processors.
EXAMPLES = int(os.environ.get("RAE_TESTS_EXAMPLES", "50"))
settings.register_profile("default", deadline=None, max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script, with nohup or in some CI; all that the tests start would ignore Ctrl-C as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS_UNTIL = float(os.environ.get("RAE_TESTS_UNTIL", "inf"))
"""Seconds since the epoch after which no test starts, for as much of the suite as time allows."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that there is no time for."""
    if time.time() > TESTS_UNTIL:
        pytest.skip("no time left for it")


_STATE_BEFORE = pytest.StashKey[dict[Path, ProcessState]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note the state of the process before the first test of a module."""
    states = item.config.stash.setdefault(_STATE_BEFORE, {})
    if item.path not in states:
        states[item.path] = ProcessState.read()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """Put the state of the process back after the last test of a module, so that it affects no other module."""
    result = yield
    if nextitem is None or nextitem.path != item.path:
        item.config.stash[_STATE_BEFORE].pop(item.path).restore()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Let the garbage collector look neither at modules and tests while they are read, nor later: they all stay."""
    gc.disable()
    try:
        with one_worker_first(session.config):
            return (yield)
    finally:
        # attrs leaves a first version of each class behind, which must not stay among the subclasses.
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the modules with long tests, which are those with a limit of their own, before all others, by that limit.

    Otherwise one worker may begin with the longest when the others have nothing left to do. Modules stay whole,
    because their tests share what they have built.
    """
    limits: dict[Path, float] = {}
    for item in items:
        if (marker := item.get_closest_marker("timeout")) is not None:
            limits[item.path] = max(limits.get(item.path, 0.0), float(marker.args[0]))
    items.sort(key=lambda item: -limits.get(item.path, 0.0))


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log: level, what is bound to it, and message."""
    with captured_log("{level} {extra} {message}") as lines:
        yield lines
