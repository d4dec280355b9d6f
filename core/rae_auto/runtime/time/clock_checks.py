"""Limits of the engine loop's sleep, and the times of its checks.

Where the kernel announces that the wall clock was set or that the machine has slept (see `clock_watch`), the loop
sleeps for `IDLE_CHECK_SECONDS` at most, elsewhere for `CLOCK_CHECK_SECONDS`. It also does so after a turn in which
something happened, which may concern a check, and it wakes `CHECK_AHEAD_SECONDS` before an instant, so that what it
needs is ready.
"""

from collections.abc import Callable
from datetime import timedelta

from rae_auto.model.primitives.clock_jumps import clock_step
from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.time.clock import Clock, SystemClock
from rae_auto.runtime.time.clock_watch import CLOCK_CHECK_SECONDS, ClockWatch, watch_clocks

IDLE_CHECK_SECONDS = 60.0
"""Longest sleep where the kernel does, as long as the wall clock isn't slewed."""

SLEWED = timedelta(milliseconds=50)
"""Difference between the clocks over a sleep that shows that the wall clock is corrected little by little: chrony may
do it by 8 %, which would be more than the threshold of a jump within `IDLE_CHECK_SECONDS`."""

CHECK_AHEAD_SECONDS = 15.0
"""Time before an instant at which checks are made, too."""


class ClockChecks:
    """The periodic checks of a loop. They belong to one event loop."""

    def __init__(self) -> None:
        self.on_check: list[Callable[[], None]] = []
        """Called at a turn once `CLOCK_CHECK_SECONDS` have passed, or soon before an instant."""
        self._made_at = float("-inf")
        self._make_at = float("inf")
        """The monotonic seconds of the checks before the next instant."""
        self._is_active = True
        """Something has happened since the last checks, or the wall clock is being corrected."""
        self._idle_at: Moment | None = None
        self._watch: ClockWatch | None = None

    def open(self, clock: Clock, on_change: Callable[[], None]) -> None:
        """Have the kernel announce what happens to its clocks, if this is the machine's clock."""
        # One that isn't is set without the kernel.
        self._watch = watch_clocks(on_change) if type(clock) is SystemClock else None

    def close(self) -> None:
        """Have nothing announced any more."""
        if self._watch is not None:
            self._watch.close()

    def limit_sleep(self, wake: float | None, now: Moment) -> float:
        """Return after how many seconds the loop wakes if nothing happens; the engine wants to be called in `wake`."""
        if self._watch is None or not self._watch.is_open or self._is_active:
            return CLOCK_CHECK_SECONDS if wake is None else min(wake, CLOCK_CHECK_SECONDS)
        if wake is None:
            return IDLE_CHECK_SECONDS
        if wake > CHECK_AHEAD_SECONDS:
            self._make_at = now.mono + wake - CHECK_AHEAD_SECONDS
            wake -= CHECK_AHEAD_SECONDS
        return min(wake, IDLE_CHECK_SECONDS)

    def make_due(self, now: Moment) -> None:
        """Make the checks if their time has come."""
        if now.mono - self._made_at >= CLOCK_CHECK_SECONDS or now.mono >= self._make_at:
            self.make(now)

    def make(self, now: Moment) -> None:
        """Make the checks."""
        self._made_at, self._make_at, self._is_active = now.mono, float("inf"), False
        for check in self.on_check:
            check()

    def note_turn(self, now: Moment, *, is_idle: bool) -> None:
        """Note a turn, and whether nothing happened in it."""
        before, self._idle_at = self._idle_at, now
        is_slewed = before is not None and abs(clock_step(before, now)) > SLEWED
        self._is_active |= is_slewed or not is_idle
