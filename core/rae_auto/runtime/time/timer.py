"""The clocks of sources. A wait for an instant also ends when the machine has slept or its clock was set."""

import asyncio
from datetime import datetime
from weakref import WeakSet

from rae_auto.model.primitives.instants import Moment
from rae_auto.runtime.time.clock import Clock

MAX_SLEEP_SECONDS = 86400.0
"""Seconds after which a wait looks at the clock again, so that no timer of a loop need reach farther."""


class RuntimeTimer:
    """A `Timer` of the real world. Belongs to one event loop; the runtime reports jumps to it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: WeakSet[asyncio.Event] = WeakSet()

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return self._clock.now()

    async def sleep(self, seconds: float) -> None:
        """Return after this time, not counting the time that the machine sleeps."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        """Return at the instant, or when the clocks have jumped."""
        left = (instant - self._clock.now().wall).total_seconds()
        if left <= 0:
            await asyncio.sleep(0)
            return
        jumped = asyncio.Event()
        self._waiting.add(jumped)
        timer = asyncio.get_running_loop().call_later(min(left, MAX_SLEEP_SECONDS), jumped.set)
        try:
            await jumped.wait()
        finally:
            timer.cancel()
            self._waiting.discard(jumped)

    def jumped(self) -> None:
        """Wake all sleepers: the machine was suspended, or its clock was set."""
        for waiting in self._waiting:
            waiting.set()
