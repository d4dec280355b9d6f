"""Trends of a job's runs: duration, lateness, processor time and memory, by the hour, day by day or in weeks."""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.model.primitives.formatting import format_count
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.views.screens.parts.base import Extent

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@frozen(kw_only=True)
class TrendPoint:
    """The values of the runs that were queued in a step of time: half are at most `p50`, all but a twentieth `p95`."""

    start: datetime
    runs: int
    p50: float
    p95: float


@frozen(kw_only=True)
class Trends:
    """Trends over the same steps of time. Durations, lateness and processor time in seconds, memory in bytes."""

    step: timedelta
    """An hour, a day, or whole weeks; days begin at midnight by the configured zone, and weeks on Mondays."""
    duration: tuple[TrendPoint, ...]
    lateness: tuple[TrendPoint, ...]
    cpu_time: tuple[TrendPoint, ...]
    memory: tuple[TrendPoint, ...]
    extent: Extent
    """The part of the job's runs that the trends are made of, and the first of them."""

    def describe(self, time: TimeFormat) -> str:
        """Return "1,000 runs since 2026-08-01 03:00, by day"; "" without runs."""
        extent = self.extent
        if extent.since is None:
            return ""
        since = f"{format_count(extent.total, 'run')} since {time(extent.since)}"
        return f"{since if extent.is_complete else extent.describe('run', time)}, {self._describe_step()}"

    def _describe_step(self) -> str:
        if self.step < DAY:
            return "by hour"
        weeks = self.step // WEEK
        return ("by day", "by week")[weeks] if weeks < 2 else f"in {format_count(weeks, 'week')} each"
