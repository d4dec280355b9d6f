"""The record by which a logger learns what a line is about."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import field, frozen
from loguru import logger

from rae_auto.api import Logger, LogLine
from rae_auto.runtime.reporting import log_setup

BERLIN = ZoneInfo("Europe/Berlin")


@frozen
class Kept(Logger):
    """Keeps what it gets."""

    type = "kept"

    lines: list[LogLine] = field(factory=list)
    wants_output: bool = True

    def handler(self, directory: Path) -> Mapping[str, Any]:
        return {"sink": lambda message: self.lines.append(LogLine.from_record(message.record)), "level": "DEBUG"}

    def shows_output(self) -> bool:
        return self.wants_output


@pytest.fixture
def log_lines(tmp_path: Path) -> Iterator[list[LogLine]]:
    plugin = Kept()
    log_setup.attach([plugin], tmp_path, BERLIN)
    yield plugin.lines
    log_setup.detach()


def test_line_about_a_run_has_its_job_run_and_state(log_lines: list[LogLine]) -> None:
    logger.bind(job="backup", run="01H", state="succeeded").info("succeeded after {}", "4 s")
    logger.bind(job="backup", run="01H", output=True).info("| 12 files")
    logger.warning("two\nlines")
    log_setup.flush(10)
    end, printed, alone = log_lines
    assert (end.job, end.run, end.state, end.is_output) == ("backup", "01H", "succeeded", False)
    assert (end.message, end.text) == ("succeeded after 4 s", "backup: succeeded after 4 s")
    assert (printed.is_output, printed.state) == (True, "")
    assert (alone.job, alone.run, alone.text) == ("", "", "two\\nlines")
    assert end.time.utcoffset() == datetime.now(BERLIN).utcoffset()
    assert Path(end.file).name == Path(__file__).name and end.function.startswith("test_") and end.pid > 0


@pytest.mark.parametrize(
    ("level", "priority"),
    [("CRITICAL", 2), ("ERROR", 3), ("WARNING", 4), ("SUCCESS", 5), ("INFO", 6), ("DEBUG", 7)],
)
def test_level_has_a_priority_of_syslog(log_lines: list[LogLine], level: str, priority: int) -> None:
    logger.log(level, "x")
    log_setup.flush(10)
    (line,) = log_lines
    assert (line.level, line.priority) == (level, priority)
