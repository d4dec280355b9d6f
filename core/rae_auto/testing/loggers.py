"""The conformance suite of loggers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from rae_auto.api import Logger
from rae_auto.testing.plugin import PluginConformance

# As the daemon adds a logger.
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

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        return tmp_path

    @pytest.fixture(autouse=True)
    def no_loggers_left(self) -> Iterator[None]:
        logger.remove()
        yield
        logger.remove()

    def test_a_message_arrives_once(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.info("the answer is {}", 42)
        logger.remove()
        assert read().count("the answer is 42") == 1

    def test_messages_keep_their_order(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        for number in range(20):
            logger.info("this is number {:02}", number)
        logger.remove()
        found = [read().find(f"number {number:02}") for number in range(20)]
        assert -1 not in found, "some were lost"
        assert found == sorted(found), "some overtook others"

    def test_a_level_below_its_own_is_left_out(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.debug("small talk")
        logger.remove()
        assert "small talk" not in read()

    @pytest.mark.parametrize("text", ["{0.__class__}", "{", "<red>x</red>", "<level>", "%s %(x)s", "grüße ☂"])
    def test_data_is_neither_format_nor_markup(
        self, plugin: Logger, read: Callable[[], str], directory: Path, text: str
    ) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        logger.bind(job=text).info("{}", text)
        logger.remove()
        assert text in read()

    def test_an_error_shows_no_local_variables(self, plugin: Logger, read: Callable[[], str], directory: Path) -> None:
        logger.add(**{**plugin.handler(directory), **_SAFE})
        _fail_and_log("kept-to-itself")
        logger.remove()
        assert "it failed" in read()
        assert "kept-to-itself" not in read()

    def test_the_next_logger_gets_the_record_unchanged(self, plugin: Logger, directory: Path) -> None:
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
