"""Conformance suite of loggers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from rae_auto.api import Logger
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.time_limits import TEST_TIMEOUT_SECONDS, limit_calls

# The arguments with which the daemon adds a logger.
_SAFE: dict[str, Any] = {
    "diagnose": False,
    "backtrace": False,
    "catch": False,
    "enqueue": False,
    "colorize": False,
}


class LoggerConformance(PluginConformance):
    """Conformance suite of loggers. A subclass has two fixtures.

    `plugin` is a logger that writes at level INFO; `read` a function that returns all that has been written.
    The fixture `directory` is the state directory that the logger gets.
    """

    @pytest.fixture(autouse=True)
    def limit_the_test(self, request: pytest.FixtureRequest) -> None:
        """Interrupt a test that hangs, and name the place."""
        request.node.obj = limit_calls(request.node.obj, TEST_TIMEOUT_SECONDS)

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture(autouse=True)
    def remove_loggers(self) -> Iterator[None]:
        logger.remove()
        logger.enable(__name__)  # a test before this one may have silenced the package
        yield
        logger.remove()

    def test_message_is_written_once(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.info("the answer is {}", 42)
        logger.remove()
        assert read().count("the answer is 42") == 1

    def test_messages_are_written_in_order(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        for number in range(20):
            logger.info("this is number {:02}", number)
        logger.remove()
        positions = [read().find(f"number {number:02}") for number in range(20)]
        assert -1 not in positions, "messages are missing"
        assert positions == sorted(positions), "messages are in another order"

    def test_message_below_the_level_is_not_written(
        self, plugin: Logger, read: Callable[[], str], directory: Path
    ) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.debug("small talk")
        logger.remove()
        assert "small talk" not in read()

    @pytest.mark.parametrize("text", ["{0.__class__}", "{", "<red>x</red>", "<level>", "%s %(x)s", "grüße ☂"])
    def test_braces_and_markup_in_a_message_are_literal(
        self, plugin: Logger, read: Callable[[], str], directory: Path, text: str
    ) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.bind(job=text).info("{}", text)
        logger.remove()
        assert text in read()

    def test_traceback_shows_no_local_variables(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        _fail_and_log("kept-to-itself")
        logger.remove()
        assert "it failed" in read()
        assert "kept-to-itself" not in read()

    def test_record_is_not_changed(self, plugin: Logger, directory: Path) -> None:
        seen: list[Any] = []
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.add(lambda message: seen.append((message.record["message"], dict(message.record["extra"]))))
        logger.bind(job="backup").info("started")
        assert seen == [("started", {"job": "backup"})]


def _fail_and_log(secret: str) -> None:
    try:
        raise ValueError(len(secret))
    except ValueError:
        logger.exception("it failed")
