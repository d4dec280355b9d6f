"""Source of idle periods, read from the idle time of the system.

An idle period begins with the last input before it, is reported once it is `after` long, and ends when idle time is
less than 5 seconds, or less than expected from the last reading. A suspend of `after` or more is an idle period that is
reported only at its end. While the idle time is unknown, no period begins or ends.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.clock_jumps import time_slept
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.idle import read_idle

IN_USE_SECONDS = 5.0
"""Idle time below which the machine is in use."""

IDLE_READ_INTERVAL = timedelta(seconds=3)
"""Interval of readings during an idle period: less than IN_USE_SECONDS, so that a single input is seen."""

UNKNOWN_READ_INTERVAL = timedelta(minutes=1)
"""Interval of readings while the idle time is unknown."""

_TOLERANCE_SECONDS = 2.0
_TOLERANCE_OVER_RESTART = timedelta(seconds=10)


@frozen
class IdleReport:
    """An idle period that has become long enough, or has ended."""

    idle: bool
    since: datetime
    until: datetime

    @property
    def key(self) -> str:
        """Key of the report: an idle period is identified by the last input before it."""
        return f"{'idle' if self.idle else 'back'}-{format_instant(self.since)}"

    def document(self, reason: str) -> dict[str, Any]:
        """Return the event document; `reason` says where the idle time was read."""
        return {
            "idle": self.idle,
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "seconds": round((self.until - self.since).total_seconds(), 3),
            "reason": reason,
        }


@frozen
class IdleTracker:
    """State between two readings of the idle time. Pure; `since` is the begin of the current idle period, if any."""

    after: timedelta
    since: datetime | None = None
    read_at: Moment | None = None
    seconds: float = 0.0

    def update(self, seconds: float, now: Moment) -> tuple["IdleTracker", IdleReport | None]:
        """Return the state after a reading of the idle time, and the report that follows from it."""
        following = evolve(self, read_at=now, seconds=seconds)
        last_input = now.wall - timedelta(seconds=seconds)
        slept = time_slept(self.read_at, now) if self.read_at is not None else timedelta(0)
        if self.since is not None:
            if seconds >= IN_USE_SECONDS and not self._had_input(seconds, now, last_input):
                return following, None
            return evolve(following, since=None), IdleReport(False, self.since, max(last_input, self.since))
        if slept >= self.after and self.read_at is not None:
            since = self.read_at.wall - timedelta(seconds=self.seconds)
            if seconds < IN_USE_SECONDS:
                return following, IdleReport(False, since, max(last_input, since))
            return evolve(following, since=since), None
        if timedelta(seconds=seconds) >= self.after:
            return evolve(following, since=last_input), IdleReport(True, last_input, last_input + self.after)
        return following, None

    def read_interval(self) -> timedelta:
        """Return how long no report can become due."""
        remaining = self.after - timedelta(seconds=self.seconds)
        return IDLE_READ_INTERVAL if self.since is not None else max(remaining, IDLE_READ_INTERVAL)

    def _had_input(self, seconds: float, now: Moment, last_input: datetime) -> bool:
        if self.read_at is None:
            # Only the wall clock goes on while the daemon is down.
            return self.since is not None and last_input > self.since + _TOLERANCE_OVER_RESTART
        return seconds < self.seconds + (now.mono - self.read_at.mono) - _TOLERANCE_SECONDS


@frozen(kw_only=True)
class IdleSource(SourceTrigger):
    """Reports idle periods of at least `after`: when they have become so long, and when they end."""

    type: ClassVar[str] = "usage-idle"

    after: timedelta = field(metadata={"help": "minimum length of an idle period"})

    async def watch(self, context: TriggerContext) -> None:
        """Read the idle time as rarely as reports allow, and every few seconds during an idle period."""
        file = StateFile(context.directory / "idle.json", context.job)
        since = await file.load(lambda document: document["since"] and parse_instant(document["since"]))
        tracker = IdleTracker(self.after, since)
        unknown = ""
        while True:
            idle = await read_idle()
            now = context.timer.now()
            context.trace(f"idle for {idle.seconds:.0f} s" if idle.seconds is not None else f"idle: {idle.reason}")
            if idle.seconds is None:
                if not unknown:
                    text = "trigger {}: the idle time is unknown ({}); nothing fires until it is known again"
                    logger.bind(job=context.job).warning(text, context.trigger, idle.reason)
                unknown = idle.reason
                pause = UNKNOWN_READ_INTERVAL
            else:
                unknown = ""
                following, report = tracker.update(idle.seconds, now)
                if report is not None:
                    await context.emit(report.key, report.document(idle.reason), report.until)
                if following.since != tracker.since:
                    await file.save({"since": following.since and format_instant(following.since)})
                tracker = following
                pause = tracker.read_interval()
            await context.timer.sleep_until(now.wall + pause)
