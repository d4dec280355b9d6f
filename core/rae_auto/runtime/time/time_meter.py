"""Meters of the duration of repeated operations, such as commits and turns of a loop."""

from collections import deque

from attrs import define, field

PEAK_MINUTES = 5
"""Number of minutes, the current one included, over which the peak is known."""


@define(eq=False)
class TimeMeter:
    """The number of measurements, their sum, and the peak of the last minutes."""

    count: int = 0
    total_seconds: float = 0.0
    _peaks: deque[tuple[int, float]] = field(factory=lambda: deque(maxlen=PEAK_MINUTES))

    def add(self, seconds: float, now: float) -> None:
        """Add a measurement in seconds; `now` is the monotonic time in seconds."""
        self.count += 1
        self.total_seconds += seconds
        minute = int(now // 60)
        if not self._peaks or self._peaks[-1][0] != minute:
            self._peaks.append((minute, seconds))
        elif seconds > self._peaks[-1][1]:
            self._peaks[-1] = (minute, seconds)

    def peak(self, now: float) -> float:
        """Return the peak of the last `PEAK_MINUTES` minutes, in seconds; 0 without measurements."""
        first = int(now // 60) - PEAK_MINUTES + 1
        return max((seconds for minute, seconds in self._peaks if minute >= first), default=0.0)
