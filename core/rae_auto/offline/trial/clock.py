"""The clock of a trial: it runs with the real one, and can be moved ahead or back.

A source that sleeps by it notices each move as time that passes; one that is moved back, as a clock that was set. What
is moved over far is played in slices, so that the pane goes on meanwhile.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from rae_auto.testing.harness.clocks import VirtualTimer

TICK_SECONDS = 0.1
SLICE_SECONDS = 0.05
"""Real time for which the clock is advanced before other tasks run."""

_MIN_STEP = timedelta(milliseconds=1)


class TrialClock:
    """A virtual clock that runs; `monotonic` returns the real seconds."""

    def __init__(self, start: datetime, *, is_running: bool = True, monotonic: Callable[[], float] = time.monotonic):
        self.timer = VirtualTimer(start)
        self.is_running = is_running
        self._monotonic = monotonic
        self._read_at = monotonic()
        self._ahead = timedelta()

    @property
    def now(self) -> datetime:
        """The instant that it shows."""
        return self.timer.now().wall

    @property
    def is_moving(self) -> bool:
        """True while a move ahead is being played."""
        return bool(self._ahead)

    def move_ahead(self, by: timedelta) -> None:
        """Have it advance by this time in the next ticks."""
        self._ahead += by

    async def set_back(self, by: timedelta) -> None:
        """Set it back at once."""
        self._ahead = timedelta()
        await self.timer.set_clock(-by)

    async def tick(self) -> None:
        """Advance it by the real time since the last tick, and by what it was moved ahead, for a slice of real time."""
        now = self._monotonic()
        elapsed, self._read_at = timedelta(seconds=now - self._read_at), now
        if self.is_running:
            self._ahead += elapsed
        end = time.monotonic() + SLICE_SECONDS
        while self._ahead and time.monotonic() < end:
            step = min(self._ahead, self._until_next())
            self._ahead -= step
            try:
                await self.timer.advance(step, step=step)
            except OverflowError:
                self.is_running, self._ahead = False, timedelta()  # the end of the calendar
        await asyncio.sleep(0)

    def _until_next(self) -> timedelta:
        """Return the time until the first sleeper of this clock wakes up."""
        due_at = self.timer.next_due
        return self._ahead if due_at is None else max(due_at - self.now, _MIN_STEP)
