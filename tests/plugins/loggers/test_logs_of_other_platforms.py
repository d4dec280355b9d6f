"""The loggers of Windows and macOS, against stand-ins of their modules, and native, which chooses among all."""

import json
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loguru import logger
from tests.support.native_logs import FakeEventLog, FakeUnifiedLog

from rae_auto.api import Logger
from rae_auto.runtime.reporting import log_setup
from rae_auto.testing.loggers import LoggerConformance
from rae_auto.toolkit.extras import install_command
from rae_plugins.loggers import journald, oslog, platform_logs
from rae_plugins.loggers.console import ConsoleLogger
from rae_plugins.loggers.eventlog import EventLogLogger
from rae_plugins.loggers.file import FileLogger
from rae_plugins.loggers.journald import JournaldLogger
from rae_plugins.loggers.native import NativeLogger
from rae_plugins.loggers.oslog import OsLogLogger
from rae_plugins.loggers.syslog import SyslogLogger


@pytest.fixture
def event_log(monkeypatch: pytest.MonkeyPatch) -> FakeEventLog:
    return FakeEventLog(monkeypatch)


@pytest.fixture
def unified_log(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    return FakeUnifiedLog(monkeypatch).lines


@pytest.fixture
def logger_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A command `logger` that writes its arguments and its input to a file."""
    folder, written = tmp_path / "bin", tmp_path / "written"
    folder.mkdir()
    program = folder / "logger"
    program.write_text(f'#!/bin/sh\nprintf "%s " "$@" >> {written}\ncat >> {written}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return written


@pytest.fixture(autouse=True)
def end_logging() -> Iterator[None]:
    yield
    log_setup.detach()


class TestNativeConforms(LoggerConformance):
    @pytest.fixture
    def plugin(self, monkeypatch: pytest.MonkeyPatch) -> Logger:
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setitem(sys.modules, "win32evtlog", None)
        return NativeLogger()

    @pytest.fixture
    def read(self, plugin: Logger, directory: Path) -> Callable[[], str]:
        path = directory / "rae-auto.log"
        return lambda: path.read_text() if path.exists() else ""


def test_eventlog_event_has_type_job_and_run(event_log: FakeEventLog, tmp_path: Path) -> None:
    log_setup.attach([EventLogLogger()], tmp_path)
    logger.bind(job="backup", run="0a1b", state="failed").error("failed")
    logger.warning("careful")
    logger.info("fine")
    log_setup.flush(5)
    assert event_log.events == [
        (1, 1, ["backup: failed", "backup", "0a1b", "failed"]),
        (2, 1, ["careful", "", "", ""]),
        (4, 1, ["fine", "", "", ""]),
    ]
    log_setup.detach()
    assert (event_log.sources, event_log.opened) == (["rae-auto"], 0)


def test_eventlog_is_opened_again_after_a_failure(event_log: FakeEventLog, tmp_path: Path) -> None:
    log_setup.attach([EventLogLogger()], tmp_path)
    event_log.fails = True
    logger.info("lost")
    log_setup.flush(5)
    assert log_setup.problems() == ['logger "eventlog" fails: the Event Log is full']
    event_log.fails = False
    logger.info("written")
    log_setup.flush(5)
    assert (log_setup.problems(), len(event_log.events), len(event_log.sources)) == ([], 1, 2)


def test_eventlog_says_why_it_is_not_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert EventLogLogger.available() == "the Event Log exists on Windows only"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delitem(sys.modules, "win32evtlog", raising=False)
    assert EventLogLogger.available() == f"needs pywin32; run '{install_command('windows')}'"


def test_eventlog_is_available_with_pywin32(event_log: FakeEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert EventLogLogger.available() is None


def test_oslog_maps_levels_to_types(unified_log: list[tuple[int, str]], tmp_path: Path) -> None:
    log_setup.attach([OsLogLogger(level="DEBUG")], tmp_path)
    for level in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"):
        logger.log(level, level)
    log_setup.flush(5)
    assert unified_log == [(17, "CRITICAL"), (16, "ERROR"), (16, "WARNING"), (0, "INFO"), (2, "DEBUG")]


def test_oslog_command_gets_the_line_on_its_standard_input(logger_command: Path, tmp_path: Path) -> None:
    log_setup.attach([OsLogLogger()], tmp_path)
    logger.bind(job="backup").error("failed")
    log_setup.flush(10)
    assert log_setup.problems() == []
    assert logger_command.read_text() == "-t rae-auto -p daemon.err backup: failed\n"


def test_oslog_is_available_on_macos_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OsLogLogger.available() == "the unified log exists on macOS only"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert OsLogLogger.available() is None


def chosen(monkeypatch: pytest.MonkeyPatch, platform: str, *, variables: tuple[str, ...] = ()) -> Logger:
    monkeypatch.setattr(sys, "platform", platform)
    for name in ("INVOCATION_ID", "JOURNAL_STREAM"):
        monkeypatch.delenv(name, raising=False)
    for name in variables:
        monkeypatch.setenv(name, "1")
    return NativeLogger(level="WARNING", output=True).choose()


@pytest.fixture
def sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A socket of journald and one of syslog."""
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log,
    ):
        journal.bind(str(tmp_path / "j"))
        log.bind(str(tmp_path / "s"))
        monkeypatch.setattr(journald, "DEFAULT_SOCKET", str(tmp_path / "j"))
        monkeypatch.setattr(platform_logs, "local_socket", lambda: str(tmp_path / "s"))
        yield


@pytest.mark.parametrize("variable", ["INVOCATION_ID", "JOURNAL_STREAM"])
def test_native_is_the_journal_under_systemd(sockets: None, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    logger = chosen(monkeypatch, "linux", variables=(variable,))
    assert isinstance(logger, JournaldLogger)
    assert (logger.level, logger.output, logger.place()) == ("WARNING", True, "'journalctl -t rae-auto'")


def test_native_is_syslog_without_systemd(sockets: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    logger = chosen(monkeypatch, "linux")
    assert isinstance(logger, SyslogLogger)
    assert NativeLogger().place() == f"syslog at {tmp_path / 's'}"


@pytest.mark.usefixtures("sockets", "event_log", "unified_log")
def test_native_is_the_only_log_of_windows_and_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(chosen(monkeypatch, "win32"), EventLogLogger)
    assert isinstance(chosen(monkeypatch, "darwin"), OsLogLogger)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_native_without_any_is_the_console_or_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_terminal: bool
) -> None:
    monkeypatch.setattr(platform_logs, "local_socket", lambda: str(tmp_path / "nothing"))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    logger = chosen(monkeypatch, "linux")
    assert isinstance(logger, ConsoleLogger if is_terminal else FileLogger)
    assert NativeLogger().log_file(tmp_path) == (None if is_terminal else tmp_path / "rae-auto.log")
    assert NativeLogger(output=True).shows_output()


def test_file_as_json_has_time_level_job_run_state_and_message(tmp_path: Path) -> None:
    log_setup.attach([FileLogger(format="json")], tmp_path)
    logger.bind(job="backup", run="0a1b", state="failed").error("failed")
    log_setup.flush(5)
    line = json.loads((tmp_path / "rae-auto.log").read_text())
    assert line.pop("time")
    assert line == {"level": "ERROR", "job": "backup", "run": "0a1b", "state": "failed", "message": "failed"}


@pytest.mark.parametrize(
    ("body", "said"), [("exit 3", "ended with code 3"), ("exec sleep 60", "took over 0.2 s")], ids=["code", "time"]
)
def test_oslog_says_that_the_command_failed(
    logger_command: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, said: str
) -> None:
    monkeypatch.setattr(oslog, "LOGGER_TIMEOUT_SECONDS", 0.2 if "sleep" in body else 30.0)
    (tmp_path / "bin" / "logger").write_text(f"#!/bin/sh\n{body}\n")
    log_setup.attach([OsLogLogger()], tmp_path)
    logger.info("lost")
    log_setup.flush(10)
    assert log_setup.problems() == [f"logger \"oslog\" fails: the command 'logger' {said}"]
