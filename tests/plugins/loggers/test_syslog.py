"""The syslog logger, against a real rsyslogd with sockets and ports of its own."""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import trustme
from attrs import evolve
from loguru import logger
from tests.support.log_daemons import Rsyslog, listens, wait_until
from tests.support.packages import need

from rae_auto.api import Logger, LogLine
from rae_auto.runtime.reporting import log_setup
from rae_auto.testing.harness.ports import free_port
from rae_auto.testing.loggers import LoggerConformance
from rae_plugins.loggers import socket_sink
from rae_plugins.loggers.syslog import SyslogLogger
from rae_plugins.loggers.syslog_format import MAX_TEXT_BYTES, encode_local, encode_rfc5424

TLS_DRIVER = "/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so"

ENTRY = LogLine(
    time=datetime(2026, 11, 8, 6, 5, 4, 12, timezone(timedelta(hours=1))),
    message="started",
    job="backup",
    run="0a1b",
    state="starting",
    pid=12,
)


@pytest.fixture(autouse=True)
def end_logging() -> Iterator[None]:
    yield
    log_setup.detach()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str, Callable[[], bool]], Rsyslog]]:
    need({"/usr/sbin/rsyslogd": "rsyslog"})
    started: list[Rsyslog] = []

    def run(inputs: str, is_ready: Callable[[], bool]) -> Rsyslog:
        daemon = Rsyslog(tmp_path, inputs)
        started.append(daemon)
        daemon.start(is_ready)
        return daemon

    yield run
    for daemon in started:
        daemon.stop()


@pytest.fixture
def local(start: Callable[[str, Callable[[], bool]], Rsyslog], tmp_path: Path) -> Rsyslog:
    path = tmp_path / "log"
    return start(_local_input(path), path.is_socket)


def _local_input(path: Path) -> str:
    limits = 'RateLimit.Interval="0"'
    return f'module(load="imuxsock" SysSock.Use="off")\ninput(type="imuxsock" Socket="{path}" {limits})'


def attach(tmp_path: Path, **options: object) -> None:
    log_setup.attach([SyslogLogger(**options)], tmp_path)  # type: ignore[arg-type]  # as each test has them


class TestSyslogConforms(LoggerConformance):
    @pytest.fixture
    def plugin(self, local: Rsyslog, tmp_path: Path) -> Logger:
        return SyslogLogger(socket=str(tmp_path / "log"))

    @pytest.fixture
    def read(self, local: Rsyslog, plugin: Logger, tmp_path: Path) -> Callable[[], str]:
        def everything() -> str:
            # What was sent before is written before this line, which is the last.
            mark = f"mark {time.monotonic_ns()}"
            logger.add(**plugin.handler(tmp_path))
            logger.info(mark)
            logger.remove()
            lines = wait_until(local.read, lambda lines: any(mark in line["text"] for line in lines))
            return "\n".join(line["text"] for line in lines)

        return everything


def test_syslog_line_on_the_local_socket_has_tag_and_priority(local: Rsyslog, tmp_path: Path) -> None:
    attach(tmp_path, socket=str(tmp_path / "log"))
    logger.bind(job="backup", run="0a1b", state="failed").error("failed grüße ☂")
    log_setup.flush(5)
    [line] = local.wait_for(1)
    assert (line["pri"], line["app"], line["text"]) == ("27", "rae-auto", " backup: failed grüße ☂")
    assert line["tag"].startswith("rae-auto[")


def test_syslog_loses_no_line_of_a_burst(local: Rsyslog, tmp_path: Path) -> None:
    attach(tmp_path, socket=str(tmp_path / "log"))
    for number in range(3000):
        logger.info("burst {}", number)
    log_setup.flush(30)
    # Threads that other tests have left may write lines of their own.
    texts = [line["text"].strip() for line in local.wait_for(3000)]
    assert [text for text in texts if text.startswith("burst ")] == [f"burst {number}" for number in range(3000)]


def test_syslog_by_udp_has_structured_data(start: Callable[[str, Callable[[], bool]], Rsyslog], tmp_path: Path) -> None:
    port = free_port(socket.SOCK_DGRAM)
    pid = tmp_path / "pid"
    daemon = start(f'module(load="imudp")\ninput(type="imudp" address="127.0.0.1" port="{port}")', pid.exists)
    attach(tmp_path, host="127.0.0.1", port=port, facility="local3")
    logger.bind(job='the "one"]', run="0a1b", state="failed").error("failed")

    def sent_again() -> list[dict[str, str]]:
        # A datagram that came before the daemon listened is lost.
        logger.info("once more")
        log_setup.flush(5)
        return daemon.read()

    wait_until(sent_again, bool)
    logger.bind(job='the "one"]', run="0a1b", state="failed").error("then failed")
    line = wait_until(lambda: [line for line in daemon.read() if "then failed" in line["text"]], bool)[0]
    assert line["data"] == r'[rae@32473 job="the \"one\"\]" run="0a1b" state="failed"]'
    assert (line["pri"], line["app"], line["msgid"]) == (str(8 * 19 + 3), "rae-auto", "failed")
    assert line["text"] == 'the "one"]: then failed'


def test_syslog_by_tcp_counts_octets_and_reconnects(
    start: Callable[[str, Callable[[], bool]], Rsyslog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "MIN_RETRY_SECONDS", 0.0)
    port = free_port()
    inputs = f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{port}")'
    daemon = start(inputs, lambda: listens(port))
    attach(tmp_path, host="127.0.0.1", port=port, protocol="tcp")
    for number in range(500):
        logger.info("number {} ☂", number)
    log_setup.flush(10)
    assert [line["text"] for line in daemon.wait_for(500)] == [f"number {number} ☂" for number in range(500)]
    daemon.stop()
    logger.info("to nobody")
    log_setup.flush(10)
    [problem] = log_setup.problems()
    assert "Connection refused; 1 line lost" in problem
    daemon.start(lambda: listens(port))
    logger.info("back again")
    log_setup.flush(10)
    assert [line["text"] for line in daemon.wait_for(502)[500:]] == [
        f"1 log line lost, because syslog at 127.0.0.1:{port} did not take them",
        "back again",
    ]
    assert log_setup.problems() == []


def test_syslog_by_tls_trusts_only_the_given_certificates(
    start: Callable[[str, Callable[[], bool]], Rsyslog], tmp_path: Path
) -> None:
    need({TLS_DRIVER: "rsyslog-gnutls"})
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    port = free_port()
    files = "".join(
        f' DefaultNetstreamDriver{name}="{tmp_path / file}"'
        for name, file in (("CAFile", "ca.pem"), ("CertFile", "cert.pem"), ("KeyFile", "key.pem"))
    )
    daemon = start(
        f'global(DefaultNetstreamDriver="gtls"{files})\n'
        'module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")\n'
        f'input(type="imtcp" address="127.0.0.1" port="{port}")',
        lambda: listens(port),
    )
    attach(tmp_path, host="localhost", port=port, protocol="tls")
    logger.info("to a stranger")
    log_setup.flush(10)
    [problem] = log_setup.problems()
    assert "certificate verify failed" in problem
    log_setup.detach()
    attach(tmp_path, host="localhost", port=port, protocol="tls", ca_file=str(tmp_path / "ca.pem"))
    for number in range(100):
        logger.info("number {}", number)
    log_setup.flush(10)
    assert log_setup.problems() == []
    assert [line["text"] for line in daemon.wait_for(100)] == [f"number {number}" for number in range(100)]


def test_syslog_that_stands_still_blocks_no_caller(
    local: Rsyslog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_sink, "MAX_WAIT_SECONDS", 0.01)
    attach(tmp_path, socket=str(tmp_path / "log"))
    local.signal(signal.SIGSTOP)
    try:
        for number in range(5000):
            logger.info("unread {}", number)
        log_setup.flush(30)
        [problem] = log_setup.problems()
    finally:
        local.signal(signal.SIGCONT)
    assert "it does not take lines" in problem
    taken = wait_until(lambda: logger.info("again") or log_setup.flush(5) or not log_setup.problems(), bool)
    assert taken
    reports = wait_until(lambda: [line for line in local.read() if "log lines lost" in line["text"]], bool)
    assert len(reports) == 1


def test_syslog_that_was_restarted_gets_the_next_line(local: Rsyslog, tmp_path: Path) -> None:
    attach(tmp_path, socket=str(tmp_path / "log"))
    logger.info("before")
    log_setup.flush(5)
    local.wait_for(1)
    local.stop()
    (tmp_path / "log").unlink()
    local.start((tmp_path / "log").is_socket)
    logger.info("after")
    log_setup.flush(5)
    assert [line["text"] for line in local.wait_for(2)] == [" before", " after"]


def test_local_form_is_that_of_rfc_3164_in_local_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "CET-1")
    time.tzset()
    assert encode_local(ENTRY, 3) == b"<30>Nov  8 06:05:04 rae-auto[12]: backup: started"
    monkeypatch.undo()
    time.tzset()


def test_network_form_is_that_of_rfc_5424() -> None:
    assert encode_rfc5424(ENTRY, 3, "my host") == (
        b'<30>1 2026-11-08T05:05:04.000012Z myhost rae-auto 12 starting [rae@32473 job="backup" run="0a1b"'
        b' state="starting"] backup: started'
    )


def test_network_form_of_a_line_without_facts_has_none() -> None:
    bare = evolve(ENTRY, job="", run="", state="", message="stopped")
    assert encode_rfc5424(bare, 3, "").endswith(b"Z - rae-auto 12 - - stopped")


def test_syslog_text_is_cut_between_characters() -> None:
    cut = encode_local(evolve(ENTRY, job="", message="x" + "☂" * 5000), 3).partition(b": ")[2]
    assert len(cut) <= MAX_TEXT_BYTES
    assert cut.decode() == "x" + "☂" * ((MAX_TEXT_BYTES - 1) // 3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"port": 514}, "add host"),
        ({"protocol": "tls"}, "add host"),
        ({"host": "h", "socket": "/dev/log"}, "exclude each other"),
        ({"host": "h", "ca_file": "ca.pem"}, 'add protocol = "tls"'),
    ],
)
def test_syslog_options_that_contradict_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SyslogLogger(**options)  # type: ignore[arg-type]  # as above


def test_syslog_warns_of_what_is_not_there() -> None:
    assert "does not exist yet" in SyslogLogger(socket="/nowhere/log").warnings()[0]
    assert "does not exist yet" in SyslogLogger(host="h", protocol="tls", ca_file="/nowhere/ca.pem").warnings()[0]
    assert SyslogLogger(host="h").warnings() == ()
