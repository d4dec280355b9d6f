"""Real log daemons that a test starts and ends: systemd-journald with a machine's folders of its own, and rsyslogd."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

JOURNALD = "/lib/systemd/systemd-journald"

START_SECONDS = 60.0

# Mounts before anything runs, so that journald sees neither the folders nor the sockets of this machine. It leaves the
# kernel's audit as it is and reads no messages of the kernel.
_IN_A_NAMESPACE = f"""
set -e
for folder in /run /tmp /var/log; do mount -t tmpfs tmpfs $folder; done
mkdir -p /run/systemd/journal /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nStorage=volatile\\nAudit=\\nReadKMsg=no\\nRateLimitIntervalSec=0\\nForwardToWall=no\\n' \
    > /run/systemd/journald.conf.d/test.conf
exec {JOURNALD}
"""


class Journal:
    """A journald that runs; its folders are reached through those of its process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.root = Path(f"/proc/{pid}/root")
        self.socket = self.root / "run/systemd/journal/socket"

    def read(self, *matches: str) -> list[dict[str, Any]]:
        """Return the entries of rae-auto, with what the daemon had been sent before."""
        read = subprocess.run(
            ["journalctl", "-D", str(self._folder()), "-o", "json", "--all", "-t", "rae-auto", *matches],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return [json.loads(line) for line in read.stdout.splitlines()]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Return the entries once there are so many."""
        return wait_until(self.read, lambda entries: len(entries) >= count)

    def _folder(self) -> Path:
        [folder] = (self.root / "run/log/journal").iterdir()
        return folder


@contextmanager
def running_journald() -> Iterator[Journal]:
    """Run journald in a mount namespace, or skip the test and say why not."""
    for program in (JOURNALD, "/usr/bin/journalctl", "/usr/bin/unshare"):
        if not Path(program).exists():
            pytest.skip(f"needs {program}, of systemd and util-linux")
    if os.geteuid():
        pytest.skip("needs root, to start a journald with folders of its own")
    process = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _IN_A_NAMESPACE], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    try:
        journal, deadline = Journal(process.pid), time.monotonic() + START_SECONDS
        while not _has_started(journal, process.pid):
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                said = process.communicate()[1].decode(errors="replace").strip()
                pytest.skip(f"journald can't be started here: {said or 'it did not open its socket'}")
            time.sleep(0.05)
        yield journal
    finally:
        process.kill()
        process.communicate()


def _has_started(journal: Journal, pid: int) -> bool:
    with open(f"/proc/{pid}/comm") as file:
        is_journald = file.read().startswith("systemd-journal")
    return is_journald and journal.socket.exists() and any((journal.root / "run/log/journal").iterdir())


class Rsyslog:
    """An rsyslogd with a configuration of its own, that can be stopped, started and made to stand still."""

    def __init__(self, folder: Path, inputs: str) -> None:
        self.written = folder / "lines"
        self._folder = folder
        self._config = folder / "rsyslog.conf"
        self._config.write_text(
            f'global(workDirectory="{folder}")\n'
            'template(name="all" type="list") { constant(value="{") '
            + ' constant(value=",") '.join(
                f'property(name="{name}" outname="{out}" format="jsonf")'
                for name, out in (
                    ("pri", "pri"), ("syslogtag", "tag"), ("structured-data", "data"), ("msg", "text"),
                    ("app-name", "app"), ("msgid", "msgid"), ("hostname", "host"), ("procid", "pid"),
                )
            )
            + ' constant(value="}\\n") }\n'
            f"{inputs}\n"
            f'action(type="omfile" file="{self.written}" template="all" asyncWriting="off")\n'
        )  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, is_ready: Callable[[], bool]) -> None:
        program = shutil.which("rsyslogd", path=f"{os.environ['PATH']}:/usr/sbin") or "rsyslogd"
        log = (self._folder / "errors").open("ab")
        with log:
            self.process = subprocess.Popen(
                [program, "-n", "-f", str(self._config), "-i", str(self._folder / "pid")], stdout=log, stderr=log
            )
        wait_until(is_ready, bool, lambda: (self._folder / "errors").read_text())

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def read(self) -> list[dict[str, Any]]:
        """Return the lines that were written, as JSON objects."""
        text = self.written.read_text() if self.written.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def wait_for(self, count: int) -> list[dict[str, Any]]:
        """Return the lines once there are so many."""
        return wait_until(self.read, lambda lines: len(lines) >= count)


def wait_until(read: Callable[[], Any], is_done: Callable[[Any], bool], explain: Callable[[], str] = str) -> Any:
    """Return what is read as soon as it will do; fail after `START_SECONDS`."""
    deadline = time.monotonic() + START_SECONDS
    while not is_done(value := read()):
        assert time.monotonic() < deadline, f"not in time: {str(value)[-2000:]} {explain()}"
        time.sleep(0.05)
    return value


def listens(port: int) -> bool:
    """Return whether something accepts connections at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
