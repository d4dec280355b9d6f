"""An event loop for tests of time limits: what would take seconds takes none."""

import asyncio
from typing import Any


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still, and skips to the next timer where a real one would wait for it.

    Use it as `asyncio.Runner(loop_factory=SkippingLoop)`.
    """

    _ready: Any
    _scheduled: Any
    _skipped_seconds = 0.0

    def time(self) -> float:
        """Return the seconds that have been skipped."""
        return self._skipped_seconds

    def _run_once(self) -> None:
        if not self._ready:
            # Those that are cancelled stay among the others until their time.
            timers = [timer.when() for timer in self._scheduled if not timer.cancelled()]
            self._skipped_seconds += max(min(timers, default=0.0) - self.time(), 0.0)
        super()._run_once()  # type: ignore[misc]
