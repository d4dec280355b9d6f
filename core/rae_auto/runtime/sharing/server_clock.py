"""A clock that goes by the server of a shared store, so that it doesn't matter what the machine's clock shows."""

from collections.abc import Callable
from datetime import UTC, datetime

from attrs import evolve

from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.time.clock import Clock


class ServerClock:
    """The clocks of the machine, but for the wall clock, which is the server's."""

    def __init__(self, clock: Clock, read_offset: Callable[[], float]) -> None:
        """`read_offset` returns the seconds by which the server's clock is ahead of the monotonic one."""
        self._clock = clock
        self._read_offset = read_offset

    def now(self) -> Moment:
        """Return the moment."""
        moment = self._clock.now()
        return evolve(moment, wall=datetime.fromtimestamp(moment.mono + self._read_offset(), UTC))
