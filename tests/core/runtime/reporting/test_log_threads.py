"""A logger that hangs or fails blocks no caller, and both are reported."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import field, frozen
from loguru import logger

from rae_auto.api import Logger
from rae_auto.runtime.reporting import log_setup, log_threads


@frozen
class SlowLogger(Logger):
    """Writes to a list, but only once `may_write` is set."""

    type = "slow"

    written: list[str] = field(factory=list)
    may_write: Event = field(factory=Event)
    taken: Event = field(factory=Event)
    error: Exception | None = None

    def handler(self, directory: Path) -> dict[str, Any]:
        def write(message: Any) -> None:
            self.taken.set()
            self.may_write.wait(60)
            if self.error is not None:
                raise self.error
            self.written.append(str(message).strip())

        return {"sink": write, "format": "{message}"}


@pytest.fixture(autouse=True)
def no_loggers_left() -> Iterator[None]:
    """Close the loggers of the test."""
    yield
    log_setup.detach()


def test_hung_logger_holds_up_neither_lines_nor_other_loggers(tmp_path: Path) -> None:
    hung, other = SlowLogger(), SlowLogger()
    other.may_write.set()
    log_setup.attach([hung, other], tmp_path)
    logger.warning("one")
    logger.warning("two")
    log_setup.flush(0.2)
    assert (hung.written, other.written) == ([], ["one", "two"])
    hung.may_write.set()
    log_setup.detach()
    assert hung.written == ["one", "two"]


def test_hung_logger_is_a_problem_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hung = SlowLogger()
    log_setup.attach([hung], tmp_path)
    logger.warning("one")
    assert hung.taken.wait(60)
    assert log_setup.problems() == []
    later = time.monotonic() + 15
    monkeypatch.setattr(log_threads.time, "monotonic", lambda: later)
    (problem,) = log_setup.problems()
    assert 'logger "slow" has not taken a line for 1' in problem
    monkeypatch.undo()
    hung.may_write.set()
    log_setup.flush(60)
    assert log_setup.problems() == []


def test_lines_that_do_not_fit_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_threads, "MAX_QUEUED_LINES", 2)
    hung = SlowLogger()
    log_setup.attach([hung], tmp_path)
    logger.warning("first")
    assert hung.taken.wait(60)
    for number in range(5):
        logger.warning("line {}", number)
    hung.may_write.set()
    log_setup.flush(60)
    lost = '3 log lines for logger "slow" were lost, because it did not take them in time'
    assert hung.written == ["first", "line 0", "line 1", lost]


def test_failing_logger_is_a_problem_until_it_works(tmp_path: Path) -> None:
    failing = SlowLogger(error=OSError(28, "No space left on device"))
    failing.may_write.set()
    log_setup.attach([failing], tmp_path)
    logger.warning("one")
    log_setup.flush(60)
    assert log_setup.problems() == ['logger "slow" fails: No space left on device']


def test_hung_logger_does_not_delay_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_setup, "DETACH_SECONDS", 0.1)
    hung = SlowLogger()
    log_setup.attach([hung], tmp_path)
    logger.warning("one")
    log_setup.detach()
    hung.may_write.set()
