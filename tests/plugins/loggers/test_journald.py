"""The journald logger, against a real systemd-journald, read back by journalctl."""

import os
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loguru import logger
from tests.support.daemons import Daemons
from tests.support.log_daemons import Journal, running_journald, wait_until

from rae_auto.api import Logger, LogLine
from rae_auto.runtime.reporting import log_setup
from rae_auto.testing.loggers import LoggerConformance
from rae_plugins.loggers import socket_sink
from rae_plugins.loggers.journald import MESSAGE_IDS, JournaldLogger, encode_log_line


@pytest.fixture(scope="module")
def running() -> Iterator[Journal]:
    with running_journald() as journal:
        yield journal


@pytest.fixture
def journal(running: Journal) -> Iterator[Journal]:
    yield running
    log_setup.detach()


@pytest.fixture
def attached(journal: Journal, tmp_path: Path) -> Journal:
    log_setup.attach([JournaldLogger(socket=str(journal.socket))], tmp_path)
    return journal


def entries_with(journal: Journal, text: str, count: int = 1) -> list[dict[str, str]]:
    found: list[dict[str, str]] = wait_until(
        lambda: [entry for entry in journal.read() if text in str(entry["MESSAGE"])], lambda found: len(found) >= count
    )
    return found


class TestJournaldConforms(LoggerConformance):
    @pytest.fixture
    def plugin(self, running: Journal) -> Logger:
        return JournaldLogger(socket=str(running.socket))

    @pytest.fixture
    def read(self, running: Journal) -> Callable[[], str]:
        before = len(running.read())

        def everything() -> str:
            # What was sent before is read before this line, which is the last.
            logger.remove()
            logger.add(**JournaldLogger(socket=str(running.socket)).handler(Path()))
            mark = f"mark {os.urandom(8).hex()}"
            logger.info(mark)
            logger.remove()
            entries_with(running, mark)
            return "\n".join(str(entry["MESSAGE"]) for entry in running.read()[before:])

        return everything


def test_journald_entry_has_job_run_priority_and_kind(attached: Journal) -> None:
    logger.bind(job="backup", run="0a1b", state="failed").error("failed (0a1b), exit code 3")
    log_setup.flush(5)
    [entry] = entries_with(attached, "exit code 3")
    expected = {
        "MESSAGE": "backup: failed (0a1b), exit code 3",
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "rae-auto",
        "RAE_JOB": "backup",
        "RAE_RUN_ID": "0a1b",
        "RAE_STATE": "failed",
        "MESSAGE_ID": MESSAGE_IDS["failed"],
        "CODE_FUNC": "test_journald_entry_has_job_run_priority_and_kind",
        "CODE_FILE": __file__,
        "_PID": str(os.getpid()),
    }
    assert {name: entry[name] for name in expected} == expected
    assert len(attached.read(f"MESSAGE_ID={MESSAGE_IDS['failed']}", "RAE_JOB=backup")) == 1


def test_journald_takes_a_record_that_no_datagram_can_hold(attached: Journal) -> None:
    logger.info("large {}", "x" * 500_000)
    log_setup.flush(5)
    [entry] = entries_with(attached, "large")
    assert len(entry["MESSAGE"]) == 500_000 + len("large ")
    assert log_setup.problems() == []


def test_journald_entry_keeps_the_lines_of_a_text(journal: Journal) -> None:
    text = "of two\nlines, RAE_JOB=other"
    entry = LogLine(time=datetime.now(UTC), message=text, job="one\njob", pid=1)
    sink = socket_sink.DatagramConnection(lambda: socket_sink.open_local_socket(str(journal.socket)))
    sink.send(encode_log_line(entry), 1)
    sink.close()
    [found] = entries_with(journal, "of two")
    assert (found["MESSAGE"], found["RAE_JOB"]) == (f"one\njob: {text}", "one\njob")


def test_journald_loses_no_line_of_a_burst(attached: Journal) -> None:
    for number in range(3000):
        logger.info("burst {}", number)
    log_setup.flush(30)
    assert len(entries_with(attached, "burst", 3000)) == 3000


def test_journald_that_stands_still_loses_lines_and_says_how_many(
    attached: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "MAX_WAIT_SECONDS", 0.01)
    os.kill(attached.pid, signal.SIGSTOP)
    try:
        for number in range(5000):
            logger.info("unread {}", number)
        log_setup.flush(30)
        [problem] = log_setup.problems()
    finally:
        os.kill(attached.pid, signal.SIGCONT)
    assert problem.startswith('logger "journald" fails: journald: it does not take lines; ')
    arrived = _until_taken("it is back")
    [report] = entries_with(attached, "log lines lost, because journald did not take them")
    lost = int(str(report["MESSAGE"]).split()[0].replace(",", ""))
    assert report["PRIORITY"] == "4"
    assert len(entries_with(attached, "unread")) + lost == 5000 + arrived - 1
    assert log_setup.problems() == []


def _until_taken(text: str) -> int:
    """Log a line until it is taken, and return how many that took."""
    for count in range(1, 1000):
        logger.info(text)
        log_setup.flush(5)
        if not log_setup.problems():
            return count
    raise AssertionError("never taken")


def test_journald_that_comes_later_gets_the_number_of_lost_lines(tmp_path: Path) -> None:
    log_setup.attach([JournaldLogger(socket=str(tmp_path / "socket"))], tmp_path)
    logger.info("to nobody")
    log_setup.flush(5)
    [problem] = log_setup.problems()
    assert problem == 'logger "journald" fails: journald: No such file or directory; 1 line lost'
    log_setup.detach()


def test_journald_logger_warns_of_a_socket_that_is_not_there() -> None:
    [warning] = JournaldLogger(socket="/nowhere/socket").warnings()
    assert warning == 'socket "/nowhere/socket" does not exist yet; start systemd-journald'


def test_journald_gets_what_a_daemon_and_its_jobs_say(journal: Journal, tmp_path: Path) -> None:
    head = f'loggers = [{{ type = "journald", socket = "{journal.socket}", output = true }}]\n'
    daemons = Daemons(tmp_path, '[jobs.backup]\ncommand = ["echo", "42 files"]\n', head=head)
    try:
        daemons.serve()
        daemons.ask("trigger", job="backup")
        [ended] = wait_until(lambda: journal.read(f"MESSAGE_ID={MESSAGE_IDS['succeeded']}", "RAE_JOB=backup"), bool)
    finally:
        daemons.end()
    of_the_run = [entry["MESSAGE"] for entry in journal.read(f"RAE_RUN_ID={ended['RAE_RUN_ID']}")]
    texts = [text.split(" (")[0] for text in of_the_run]
    assert texts == ["backup: started", "backup: | 42 files", "backup: succeeded"]
    assert [entry for entry in journal.read() if entry["MESSAGE"] == "log: 'journalctl -t rae-auto'"]
