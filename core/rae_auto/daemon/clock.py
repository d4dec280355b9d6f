"""The one module that reads the clock."""

import time
from datetime import UTC, datetime
from typing import Protocol

from rae_auto.model.instants import Moment


class Clock(Protocol):
    """Tells the time; a test brings its own."""

    def now(self) -> Moment: ...


class SystemClock:
    """The clocks of the machine."""

    def now(self) -> Moment:
        return Moment(datetime.now(UTC), time.monotonic())
