"""A logger that hangs or fails blocks no caller, and both are reported."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import field, frozen
from loguru import logger

from rae_auto.api import Logger
from rae_auto.model.primitives.formatting import format_count
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


@frozen
class CountingLogger(Logger):
    """Refuses each line, and says how many it has refused."""

    type = "counting"

    refused: list[str] = field(factory=list)

    def handler(self, directory: Path) -> dict[str, Any]:
        def write(message: Any) -> None:
            self.refused.append(str(message))
            raise OSError(5, f"refused; {format_count(len(self.refused), 'line')} lost")

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


def of_rae_odd(_: str) -> str:
    return "rae-odd 1.0"


def test_sink_that_raises_is_named_and_logged_once(tmp_path: Path) -> None:
    failing, other = SlowLogger(error=KeyError("x")), SlowLogger()
    failing.may_write.set()
    other.may_write.set()
    log_setup.attach([failing, other], tmp_path, origin_of=of_rae_odd)
    for number in range(3):
        logger.warning("line {}", number)
        log_setup.flush(60)
    log_setup.flush(60)
    (problem,) = log_setup.problems()
    assert re.match(
        r"logger \"slow\" of rae-odd 1.0 fails: its sink raised KeyError\('x'\) \(.*\.py:\d+\); for its", problem
    )
    assert other.written.count(problem) == 1
    assert [line for line in other.written if line != problem] == ["line 0", "line 1", "line 2"]


def test_report_of_a_failure_does_not_go_to_the_sink_that_failed(tmp_path: Path) -> None:
    failing, other = CountingLogger(), SlowLogger()
    other.may_write.set()
    log_setup.attach([failing, other], tmp_path)
    for number in range(3):
        logger.warning("line {}", number)
        log_setup.flush(60)
    log_setup.flush(60)
    assert log_setup.problems() == ['logger "counting" fails: refused; 3 lines lost']
    said = 'logger "counting" fails: refused; 1 line lost'
    assert sorted(other.written) == sorted(["line 0", "line 1", "line 2", said])


def test_sink_that_exits_is_asked_for_the_next_line(tmp_path: Path) -> None:
    failing = SlowLogger(error=SystemExit(1))  # type: ignore[arg-type]
    failing.may_write.set()
    log_setup.attach([failing], tmp_path)
    logger.warning("one")
    log_setup.flush(60)
    assert "its sink raised SystemExit(1)" in log_setup.problems()[0]
    object.__setattr__(failing, "error", None)
    logger.warning("two")
    log_setup.flush(60)
    assert failing.written[-1] == "two"
    assert log_setup.problems() == []


def test_slow_sink_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_threads, "SLOW_SECONDS", 0.0)
    slow, other = SlowLogger(), SlowLogger()
    slow.may_write.set()
    other.may_write.set()
    log_setup.attach([slow], tmp_path, origin_of=of_rae_odd)
    for number in range(log_threads.MIN_SLOW_LINES):
        assert log_setup.problems() == []
        logger.warning("line {}", number)
        log_setup.flush(60)
    (problem,) = log_setup.problems()
    assert problem.startswith('logger "slow" of rae-odd 1.0 is slow: its sink took ')
    assert re.search(r"for a line \(.*test_log_threads.py:\d+\); for its author: return from the sink", problem)
    assert [line for line in slow.written if "is slow" in line]


@frozen
class Greedy(SlowLogger):
    """Removes the loggers of others, and adds one of its own."""

    def handler(self, directory: Path) -> dict[str, Any]:
        logger.remove()
        logger.add(self.written.append)
        return super().handler(directory)


def test_handler_that_changes_the_log_harms_no_other(tmp_path: Path) -> None:
    first, greedy, last = SlowLogger(), Greedy(), SlowLogger()
    for one in (first, greedy, last):
        one.may_write.set()
    log_setup.attach([first, greedy, last], tmp_path, origin_of=of_rae_odd)
    logger.warning("one")
    log_setup.flush(60)
    (problem,) = log_setup.problems()
    assert re.match(
        r"logger \"slow\" of rae-odd 1.0 is not used, .* handlers of the log'\) \(.*\.py:\d+\); fix it; for", problem
    )
    assert first.written == last.written == [problem, "one"]
    assert greedy.written == []
