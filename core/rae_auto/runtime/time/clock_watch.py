"""Notice of clock changes by the kernel, where it gives any: then nothing has to look at the clocks every few seconds.

On Linux a timer of the wall clock can be asked to become readable when that clock is set (TFD_TIMER_CANCEL_ON_SET in
timerfd_create(2)). The kernel compares the distance of the wall clock to the monotonic clock, which stands still while
the machine sleeps: so the timer becomes readable when the machine wakes, too. A comparison of the clocks then finds out
what has changed, as without such notice.
"""

import asyncio
import time
from collections.abc import Callable

from rae_auto.platforms.timerfd import ABSOLUTE, CANCEL_ON_SET, Timerfd

CLOCK_CHECK_SECONDS = 10.0
"""The interval in which the clocks are compared where the kernel gives no notice."""

NEVER_MICROSECONDS = (2**31 - 1) * 10**6
"""An instant for which a timer is set that is not about an instant: the last one that each Linux can express."""


class ClockWatch:
    """Calls a function in the event loop after each change of the machine's clocks, until it is closed."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Watch the clocks. Errors: OSError where the kernel can't; NotImplementedError of an event loop that can't."""
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._timer = Timerfd(time.CLOCK_REALTIME)
        self.is_open = True
        try:
            self._timer.set(NEVER_MICROSECONDS, ABSOLUTE | CANCEL_ON_SET)
            self._loop.add_reader(self._timer.descriptor, self._note)
        except BaseException:
            self._timer.close()
            raise

    def close(self) -> None:
        """End the watch. A second call does nothing."""
        if self.is_open:
            self.is_open = False
            self._loop.remove_reader(self._timer.descriptor)
            self._timer.close()

    def _note(self) -> None:
        if (was_set := self._timer.read()) is None:
            return
        if not was_set:
            # The clock shows a later time than any for which a timer can be set, so it would be readable for ever.
            self.close()
        self._on_change()


def watch_clocks(on_change: Callable[[], None]) -> ClockWatch | None:
    """Return a watch that calls a function after each change of the clocks; None where the kernel says nothing."""
    try:
        return ClockWatch(on_change)
    except (OSError, NotImplementedError, AttributeError, ImportError):
        return None
