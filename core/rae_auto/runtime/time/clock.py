"""The one module that reads the clock."""

import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from rae_auto.model.primitives.instants import Moment

_OF_PROCESS = "process-"


class Clock(Protocol):
    """A source of the current time; tests pass their own."""

    def now(self) -> Moment: ...


class SystemClock:
    """The clocks of the machine."""

    def now(self) -> Moment:
        mono = time.monotonic()
        return Moment(datetime.now(UTC), mono, _uptime() - mono, _BOOT)


def _read_boot_id() -> str:
    """Return an id of the current boot of the machine; where there is none, an id of the process."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{_OF_PROCESS}{os.urandom(16).hex()}"


def find_machine_boot(moment: Moment) -> str:
    """Return the id of the machine's boot, by which a later process can tell the same one; "" if it has none."""
    return "" if moment.boot.startswith(_OF_PROCESS) else moment.boot


_BOOT = _read_boot_id()

# Linux alone has one clock that goes on while the machine sleeps, and one that doesn't.
if hasattr(time, "CLOCK_BOOTTIME"):

    def _uptime() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    _uptime = time.monotonic
