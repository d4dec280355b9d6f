"""Source of the use of an application, read from the machine's processes and its idle time.

An application is in use between two polls that both find a process of its name. With `not_afk` only time with input
counts: from one input to the next, if they are at most three minutes apart.
"""

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.clock_jumps import has_slept
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.idle import read_idle
from rae_plugins.machine.programs import running
from rae_plugins.triggers.usage.sources.use import AFK_TIMEOUT, Interval, report_use

POLL_INTERVAL = timedelta(seconds=10)
"""Interval at which processes are listed."""

REPORT_INTERVAL = timedelta(seconds=60)
"""Use that is reported at once, after the first poll that finds some."""

_MAX_POLL_DISTANCE = 3 * POLL_INTERVAL


@frozen
class UseTracker:
    """State between two polls: use from `since` to `until` is certain but not reported, and there was a last input."""

    polled_at: Moment
    since: datetime
    until: datetime
    last_input: datetime
    is_reported: bool = False

    @classmethod
    def start(cls, now: Moment, last_input: datetime, since: datetime) -> "UseTracker":
        """Return the state at the begin of use; none is certain yet."""
        return cls(now, since, since, last_input)

    def update(self, runs: bool, last_input: datetime, now: Moment) -> tuple["UseTracker | None", Interval | None]:
        """Return the state after another poll, and the interval to report now."""
        suspended = has_slept(self.polled_at.slept, now.slept)
        if not runs or suspended or now.mono - self.polled_at.mono > _MAX_POLL_DISTANCE.total_seconds():
            return (UseTracker.start(now, last_input, now.wall) if runs else None), self._unreported()
        if last_input - self.last_input > AFK_TIMEOUT:
            return UseTracker.start(now, last_input, last_input), self._unreported()
        grown = evolve(self, polled_at=now, until=max(last_input, self.until), last_input=last_input)
        interval = grown._unreported()
        is_early = self.is_reported and grown.until - grown.since < REPORT_INTERVAL
        if interval is None or is_early:
            return grown, None
        return evolve(grown, since=grown.until, is_reported=True), interval

    def _unreported(self) -> Interval | None:
        return (self.since, self.until) if self.until > self.since else None


@frozen(kw_only=True)
class ApplicationSource(SourceTrigger):
    """Reports when processes of a name run, by default only while there is input."""

    type: ClassVar[str] = "usage-application"

    application: str = field(metadata={"help": "name of the process, a glob or /regular expression/"})
    not_afk: bool = field(metadata={"help": "count only time with keyboard or mouse input"})

    async def watch(self, context: TriggerContext) -> None:
        """List processes every few seconds. Unreported use, less than a minute, is lost when the daemon ends."""
        file = StateFile(context.directory / "use.json", context.job)
        used_until = await file.load(lambda document: parse_instant(document["until"]))
        tracker: UseTracker | None = None
        is_known = True
        while True:
            last_input, unknown = await self._last_input(context)
            if unknown and is_known:
                text = "trigger {}: the idle time is unknown ({}); no use counts until it is known again"
                logger.bind(job=context.job).warning(text, context.trigger, unknown)
            is_known = not unknown
            now = context.timer.now()
            interval: Interval | None = None
            if tracker is not None:
                tracker, interval = tracker.update(last_input is not None, last_input or now.wall, now)
            elif last_input is not None:
                tracker = UseTracker.start(now, last_input, now.wall)
            if interval is not None:
                subject = {"application": self.application}
                used_until = await report_use(context, [interval], used_until, subject) or interval[1]
                await file.save({"until": format_instant(used_until)})
            await context.timer.sleep(POLL_INTERVAL.total_seconds())

    async def _last_input(self, context: TriggerContext) -> tuple[datetime | None, str]:
        """Return the last input if the application runs, or None; and why the idle time is unknown, if it is."""
        if not await asyncio.to_thread(_is_running, self.application):
            return None, ""
        if not self.not_afk:
            return context.timer.now().wall, ""
        idle = await read_idle()
        if idle.seconds is None:
            return None, idle.reason
        return context.timer.now().wall - timedelta(seconds=idle.seconds), ""


def _is_running(application: str) -> bool:
    return any(True for _ in running(application))
