"""Plugin of pytest, which comes by its entry point: fixtures for the tests of plugins.

Nothing is imported before a test asks for a fixture, so it costs those nothing who test something else.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rae_auto.testing.daemon import MemoryDaemon, PlayedConfig
    from rae_auto.testing.sources import Listener, VirtualTimer

TEST_LIMIT_MARK = "rae_limit"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks."""
    config.addinivalue_line(
        "markers", f"{TEST_LIMIT_MARK}(seconds): fail the test where it is after so many seconds of its own"
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> None:
    """Give a test with the mark a time limit."""
    mark = pyfuncitem.get_closest_marker(TEST_LIMIT_MARK)
    if mark is not None:
        from rae_auto.testing.time_limits import limit_calls

        pyfuncitem.obj = limit_calls(pyfuncitem.obj, float(mark.args[0]))


@pytest.fixture
def rae_timer() -> "VirtualTimer":
    """Return clocks that the test moves."""
    from rae_auto.testing.sources import VirtualTimer

    return VirtualTimer()


@pytest.fixture
def rae_listener(tmp_path: Path, rae_timer: "VirtualTimer") -> "Listener":
    """Return a stand-in for the daemon, which records what a source emits, on the clocks of `rae_timer`."""
    from rae_auto.testing.sources import Listener

    return Listener(tmp_path, rae_timer)


@pytest.fixture
def rae_play(tmp_path: Path) -> "Callable[..., PlayedConfig]":
    """Return `play(toml, days=2)`: it plays a configuration in virtual time, and returns what ran and why."""
    from rae_auto.testing.daemon import play

    def play_here(text: str, **span: Any) -> "PlayedConfig":
        return play(text, tmp_path, **span)

    return play_here


@pytest.fixture
def rae_daemon(tmp_path: Path) -> "Callable[[str], MemoryDaemon]":
    """Return `daemon(toml)`: an asynchronous context with a scheduler in this process, whose store is in memory."""
    from rae_auto.testing.daemon import MemoryDaemon

    return lambda text: MemoryDaemon(text, tmp_path)


@pytest.fixture
def rae_leaks() -> Iterator[None]:
    """Fail the test that leaves threads or tasks, or blocks an event loop for longer than a tenth of a second."""
    from rae_auto.testing.harness.leaks import watch_for_leaks

    with watch_for_leaks():
        yield
