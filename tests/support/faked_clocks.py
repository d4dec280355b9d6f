"""A real daemon on a machine whose clocks are faked.

A few lines of C, compiled here and preloaded, add an offset to the wall clock, and another to the boot clock, which
shows how long the machine slept: a file holds both, in seconds. The monotonic clock stays real, so that timeouts and
sleeps work as on a machine whose clock is set.
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

SOURCE = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long long offset(int which) {
    static volatile long long *kept;
    if (!kept) {
        const char *path = getenv("CLOCK_OFFSET");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file < 0) return 0;
        void *found = mmap(0, 2 * sizeof *kept, PROT_READ, MAP_SHARED, file, 0);
        close(file);
        if (found == MAP_FAILED) return 0;
        kept = found;
    }
    return kept[which];
}

/* The kernel reports no change of a clock that is set here. */
int timerfd_create(int clock, int flags) {
    (void)clock, (void)flags;
    errno = ENOSYS;
    return -1;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int failed = syscall(SYS_clock_gettime, clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += offset(0);
    if (!failed && clock == CLOCK_BOOTTIME) now->tv_sec += offset(1);
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


def build_library(place: Path) -> Path:
    """Compile the library that is preloaded, and return its path."""
    need({"cc": "gcc", "/usr/include/stdlib.h": "libc6-dev"})
    (place / "clock.c").write_text(SOURCE)
    built = place / "clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, place / "clock.c"], check=True)
    return built


def write_offsets(path: Path, wall_seconds: int, slept_seconds: int) -> None:
    """Write the file that the library reads: by how much the wall clock is set, and how long the machine slept."""
    path.write_bytes(struct.pack("qq", wall_seconds, slept_seconds))


class Machine:
    """A machine with a daemon, whose wall clock can be set, and which can sleep."""

    def __init__(self, home: Path, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._offset = home / "offset"
        write_offsets(self._offset, 0, 0)
        self._environment = {"LD_PRELOAD": str(library), "CLOCK_OFFSET": str(self._offset)}
        self._monkeypatch = monkeypatch
        self.process: subprocess.Popen[bytes] | None = None
        monkeypatch.setenv("RAE_STATE_DIR", str(home / "state"))

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._offsets()[0])

    def _offsets(self) -> tuple[int, int]:
        """Return by how many seconds the wall clock is set, and how many the machine has slept."""
        set_by, slept = struct.unpack("qq", self._offset.read_bytes())
        return set_by, slept

    def set(self, to: str) -> None:
        """Set the clock; the daemon finds out by itself within its 10 seconds, or at once when something happens."""
        self._change(round((datetime.fromisoformat(to) - datetime.now(UTC)).total_seconds()), self._offsets()[1])

    def set_by(self, by: timedelta) -> None:
        """Set the clock forward or back."""
        set_by, slept = self._offsets()
        self._change(set_by + round(by.total_seconds()), slept)

    def sleep(self, length: timedelta) -> None:
        """Suspend the machine, and wake it up."""
        set_by, slept = self._offsets()
        seconds = round(length.total_seconds())
        self._change(set_by + seconds, slept + seconds)

    def _change(self, set_by: int, slept: int) -> None:
        with self._offset.open("r+b") as file:
            file.write(struct.pack("qq", set_by, slept))
        if self.process is not None:
            self.ask("pause", job="other")
            self.ask("resume", job="other")

    def serve(self, schedule: str, jobs: str = "") -> None:
        """Start a daemon with the jobs `timed` and `other`, and more."""
        config = self.home / "rae.toml"
        config.write_text(
            'timezone = "Europe/Berlin"\n'
            f'[jobs.timed]\ncommand = ["true"]\noverlap = "allow"\nschedule = "{schedule}"\n'
            f'[jobs.other]\ncommand = ["true"]\n{jobs}'
        )
        config.chmod(0o600)
        for name, value in self._environment.items():
            self._monkeypatch.setenv(name, value)
        with (self.home / "log").open("ab") as log:
            command = [sys.executable, "-m", "rae_auto", "run", "--config", str(config)]
            self.process = subprocess.Popen(command, stderr=log)
        for name in self._environment:
            self._monkeypatch.delenv(name)
        eventually(self._answers)

    def kill(self) -> None:
        """Kill the daemon with SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

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
