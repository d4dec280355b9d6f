"""The log lines about decisions not to run, of which a paused or long-running job may have one every second.

The first decision of a job for a reason is logged; those that follow for the same reason are counted, and summed up in
one line when something else becomes of the job, when an hour has passed, and at the stop.
"""

from datetime import datetime, timedelta

from attrs import define
from loguru import logger

from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.formatting import format_count
from rae_auto.runtime.reporting.log_setup import in_log_zone
from rae_auto.runtime.reporting.run_log import log_decision

SUMMARY_INTERVAL = timedelta(hours=1)
"""The time after which a series of equal decisions is summed up."""


@define
class _Series:
    """Decisions of one job for one reason: when it was last logged, and how many there were since."""

    reason: str
    logged_at: datetime
    count: int = 0


class DecisionLog:
    """Logs decisions not to run, once for each series of equal ones."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}

    def add(self, decision: Decision) -> None:
        """Log a decision, or count it."""
        if decision.outcome is not Outcome.SKIP:
            return
        series = self._series.get(decision.job)
        if series is None or series.reason != decision.reason.code:
            self.end(decision.job)
            self._series[decision.job] = _Series(decision.reason.code, decision.decided_at)
            log_decision(decision)
            return
        series.count += decision.count
        if decision.decided_at - series.logged_at >= SUMMARY_INTERVAL:
            self._log_summary(decision.job, series)
            series.logged_at, series.count = decision.decided_at, 0

    def end(self, job: str) -> None:
        """End the series of a job, because something else became of it."""
        series = self._series.pop(job, None)
        if series is not None and series.count:
            self._log_summary(job, series)

    def close(self) -> None:
        """End all series."""
        for job in list(self._series):
            self.end(job)

    def _log_summary(self, job: str, series: _Series) -> None:
        since = in_log_zone(series.logged_at).strftime("%Y-%m-%d %H:%M:%S")
        times = format_count(series.count, "more time")
        logger.bind(job=job).info("skipped {} since {} for the same reason ({})", times, since, series.reason)
