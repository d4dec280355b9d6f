"""The one module that reads the clock."""

import time
from datetime import UTC, datetime
from typing import Protocol

from rae_auto.model.primitives.instants import Moment


class Clock(Protocol):
    """Tells the time; a test brings its own."""

    def now(self) -> Moment: ...


class SystemClock:
    """The clocks of the machine."""

    def now(self) -> Moment:
        mono = time.monotonic()
        return Moment(datetime.now(UTC), mono, _uptime() - mono)


# Linux alone has one clock that goes on while the machine sleeps, and one that doesn't.
if hasattr(time, "CLOCK_BOOTTIME"):

    def _uptime() -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

else:
    _uptime = time.monotonic
