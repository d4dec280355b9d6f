"""The contract of the native logs of Windows and macOS: their stand-ins here, and the real ones on their platforms."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loguru import logger
from tests.support.native_logs import FakeEventLog, FakeUnifiedLog, RealEventLog, RealUnifiedLog, is_wine

from rae_auto.api import Logger
from rae_auto.testing.loggers import LoggerConformance
from rae_plugins.loggers.eventlog import EventLogLogger
from rae_plugins.loggers.oslog import OsLogLogger

ERROR, WARNING, INFORMATION = 1, 2, 4
FAULT, OS_ERROR, DEFAULT = 17, 16, 0


def add(plugin: Logger, directory: Path) -> None:
    logger.add(**{**plugin.handler(directory), "catch": False})  # type: ignore[arg-type]


class TestEventLogContract(LoggerConformance):
    @pytest.fixture
    def event_log(self, monkeypatch: pytest.MonkeyPatch) -> FakeEventLog | RealEventLog:
        if is_wine():
            pytest.skip("Wine keeps no Event Log that could be read")
        return RealEventLog() if sys.platform == "win32" else FakeEventLog(monkeypatch)

    @pytest.fixture
    def plugin(self, event_log: object) -> Logger:
        return EventLogLogger()

    @pytest.fixture
    def read(self, event_log: FakeEventLog | RealEventLog) -> Callable[[], str]:
        return lambda: "\n".join(texts[0] for _, texts in event_log.read())

    def test_each_level_has_its_type(self, plugin, event_log, directory) -> None:
        add(plugin, directory)
        for level in ("CRITICAL", "ERROR", "WARNING", "INFO"):
            logger.log(level, level)
        logger.remove()
        assert [kind for kind, _ in event_log.read()] == [ERROR, ERROR, WARNING, INFORMATION]

    def test_event_has_job_run_and_state_as_texts_of_their_own(self, plugin, event_log, directory) -> None:
        add(plugin, directory)
        logger.bind(job="backup", run="0a1b", state="failed").error("it failed")
        logger.remove()
        assert [texts for _, texts in event_log.read()] == [["backup: it failed", "backup", "0a1b", "failed"]]

    def test_long_line_is_cut_and_not_lost(self, plugin, event_log, directory) -> None:
        add(plugin, directory)
        logger.info("begin " + "x" * 100_000)
        logger.info("next")
        logger.remove()
        first, second = (texts[0] for _, texts in event_log.read())
        assert first.startswith("begin xxx")
        assert second == "next"


class UnifiedLogContract(LoggerConformance):
    @pytest.fixture
    def read(self, unified_log: FakeUnifiedLog | RealUnifiedLog) -> Callable[[], str]:
        return lambda: "\n".join(text for _, text in unified_log.read())

    def test_long_line_is_cut_and_not_lost(self, plugin, read, directory) -> None:
        add(plugin, directory)
        logger.info("begin " + "x" * 100_000)
        logger.info("next")
        logger.remove()
        text = read()
        assert "begin xxx" in text
        assert text.endswith("next")

    def test_line_begins_with_its_job(self, plugin, read, directory) -> None:
        add(plugin, directory)
        logger.bind(job="backup").error("it failed")
        logger.remove()
        assert "backup: it failed" in read()


class TestOsLogContract(UnifiedLogContract):
    @pytest.fixture
    def unified_log(self, monkeypatch: pytest.MonkeyPatch) -> FakeUnifiedLog | RealUnifiedLog:
        if sys.platform != "darwin":
            return FakeUnifiedLog(monkeypatch)
        pytest.importorskip("pyoslog", reason="pyoslog isn't installed")
        return RealUnifiedLog()

    @pytest.fixture
    def plugin(self, unified_log: object) -> Logger:
        return OsLogLogger()

    def test_each_level_has_its_type(self, plugin, unified_log, directory) -> None:
        add(plugin, directory)
        for level in ("CRITICAL", "ERROR", "WARNING", "INFO"):
            logger.log(level, level)
        logger.remove()
        assert [kind for kind, _ in unified_log.read()] == [FAULT, OS_ERROR, OS_ERROR, DEFAULT]


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in of the command is a script with a first line")
class TestOsLogByCommandContract(UnifiedLogContract):
    @pytest.fixture
    def unified_log(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "FakeLoggerCommand | RealUnifiedLog":
        monkeypatch.setattr("rae_plugins.loggers.oslog._has_pyoslog", lambda: False)
        return RealUnifiedLog() if sys.platform == "darwin" else FakeLoggerCommand(tmp_path, monkeypatch)

    @pytest.fixture
    def plugin(self, unified_log: object) -> Logger:
        return OsLogLogger()


class FakeLoggerCommand:
    """A command `logger` that keeps the lines of its input."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._kept = folder / "kept"
        (folder / "bin").mkdir()
        program = folder / "bin" / "logger"
        program.write_text(f"#!/bin/sh\ncat >> {self._kept}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder / "bin"), prepend=":")

    def read(self) -> list[tuple[int, str]]:
        lines = self._kept.read_text().splitlines() if self._kept.exists() else []
        return [(0, line) for line in lines]
