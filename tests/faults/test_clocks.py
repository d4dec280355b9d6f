"""A real daemon whose wall clock is set while it runs: nothing twice, nothing lost, and the log says so.

A few lines of C, compiled here and preloaded, add an offset to the clock on the wall alone: a file holds it, in
seconds. The monotonic clock stays real, so that timeouts and sleeps work as on a machine whose clock somebody sets.
"""

import struct
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.packages import need
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="preloads a library as Linux does")

SOURCE = r"""
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long offset(void) {
    static volatile long long *kept;
    if (!kept) {
        const char *path = getenv("CLOCK_OFFSET");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0) return 0;
        void *found = mmap(0, sizeof *kept, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (found == MAP_FAILED) return 0;
        kept = found;
    }
    return *kept;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where) *where = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    need({"cc": "gcc", "/usr/include/stdlib.h": "libc6-dev"})
    place = tmp_path_factory.mktemp("clock")
    (place / "clock.c").write_text(SOURCE)
    built = place / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, place / "clock.c"], check=True)
    return built


class Machine:
    """A daemon, and the clock that it sees."""

    def __init__(self, home: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._offset = home / "offset"
        self._offset.write_bytes(struct.pack("q", 0))
        self._environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._offset)}
        self._monkeypatch = monkeypatch
        self.process: subprocess.Popen[bytes] | None = None
        monkeypatch.setenv("RAE_STATE_DIR", str(home / "state"))

    def now(self) -> datetime:
        (offset,) = struct.unpack("q", self._offset.read_bytes())
        return datetime.now(UTC) + timedelta(seconds=offset)

    def set(self, to: str) -> None:
        """Set the clock; the daemon finds out by itself within its 10 seconds, or at once when something happens."""
        offset = round((datetime.fromisoformat(to) - datetime.now(UTC)).total_seconds())
        with self._offset.open("r+b") as file:
            file.write(struct.pack("q", offset))
        if self.process is not None:
            self.ask("pause", job="other")
            self.ask("resume", job="other")

    def serve(self, schedule: str) -> None:
        config = self.home / "rae.toml"
        config.write_text(
            'timezone = "Europe/Berlin"\n'
            f'[jobs.timed]\ncommand = ["true"]\noverlap = "allow"\nschedule = "{schedule}"\n'
            '[jobs.other]\ncommand = ["true"]\n'
        )
        config.chmod(0o600)
        for name, value in self._environment.items():
            self._monkeypatch.setenv(name, value)
        with (self.home / "log").open("wb") as log:
            command = [sys.executable, "-m", "rae_auto", "run", "--config", str(config)]
            self.process = subprocess.Popen(command, stderr=log)
        for name in self._environment:
            self._monkeypatch.delenv(name)
        eventually(self._answers)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log()
        try:
            return bool(self.ask("ping"))
        except DaemonUnreachable:
            return False

    def ask(self, command, **arguments):
        with Client() as client:
            return client.call(command, **arguments)

    def ran(self) -> list[str]:
        """For which instants the job has run to its end, the earliest first."""
        return sorted(run["scheduled_for"] for run in self.ask("history", job="timed", states=["succeeded"]))

    def log(self) -> str:
        return (self.home / "log").read_text()


@pytest.fixture
def machine(tmp_path, library, monkeypatch):
    machine = Machine(tmp_path, library, monkeypatch)
    yield machine
    if machine.process is not None:
        machine.process.kill()
        machine.process.wait()


@pytest.mark.requirement("R13", "R14", "R12")
def test_clock_set_forward_loses_nothing_set_back_repeats_nothing(machine):
    machine.set("2026-06-01T09:30:00+00:00")
    machine.serve("0 * * * *")
    machine.set("2026-06-01T10:30:00+00:00")
    eventually(lambda: machine.ran() == ["2026-06-01T10:00:00+00:00"])
    assert "was set forward" in machine.log()
    machine.set("2026-06-01T09:59:58+00:00")
    eventually(lambda: "was set back" in machine.log())
    eventually(lambda: machine.now() > datetime(2026, 6, 1, 10, 0, 1, tzinfo=UTC))
    # Whatever is due has been decided when the daemon answers this.
    machine.ask("trigger", job="other", request=None)
    machine.set("2026-06-01T10:59:58+00:00")
    ran = ["2026-06-01T10:00:00+00:00", "2026-06-01T11:00:00+00:00"]
    eventually(lambda: machine.ran() == ran)
    assert len(machine.ask("history", job="timed")) == 2
    why = machine.ask("why", job="timed", at="2026-06-01T10:00:00+00:00")
    assert "it is a missed run, started late by catch_up" in why["answer"]


@pytest.mark.requirement("R15")
def test_fixed_time_in_a_dst_gap_runs_once_at_its_end(machine):
    machine.set("2026-03-29T00:30:00+00:00")
    machine.serve("30 2 * * *")
    machine.set("2026-03-29T00:59:58+00:00")
    eventually(lambda: machine.ran() == ["2026-03-29T01:00:00+00:00"])
    machine.set("2026-03-29T02:00:00+00:00")
    machine.ask("trigger", job="other", request=None)
    assert len(machine.ask("history", job="timed")) == 1
    why = machine.ask("why", job="timed", at="2026-03-29T02:30")
    assert "02:30 does not exist on 2026-03-29 in Europe/Berlin; ran at 03:00" in why["answer"]


@pytest.mark.requirement("R15")
def test_a_fixed_time_in_a_fold_runs_in_its_first_pass_only(machine):
    machine.set("2026-10-25T00:00:00+00:00")
    machine.serve("30 2 * * *")
    machine.set("2026-10-25T00:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00"])
    machine.set("2026-10-25T01:29:58+00:00")
    eventually(lambda: machine.now() > datetime(2026, 10, 25, 1, 30, 1, tzinfo=UTC))
    machine.ask("trigger", job="other", request=None)
    assert len(machine.ask("history", job="timed")) == 1
    why = machine.ask("why", job="timed", at="2026-10-25T02:30")
    assert "02:30 comes twice on 2026-10-25 in Europe/Berlin; ran the first time" in why["answer"]


@pytest.mark.requirement("R15")
def test_a_wild_minute_runs_in_both_passes(machine):
    machine.set("2026-10-25T00:00:00+00:00")
    machine.serve("30 * * * *")
    machine.set("2026-10-25T00:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00"])
    machine.set("2026-10-25T01:29:58+00:00")
    eventually(lambda: machine.ran() == ["2026-10-25T00:30:00+00:00", "2026-10-25T01:30:00+00:00"])
