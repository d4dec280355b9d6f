"""The part that tells when an application was used, from the machine's processes and its idle time.

An application is in use between two looks that both find a process of its name. With `not_afk` only as far as there was
input: from one input to the next, where they are no farther apart than three minutes.
"""

import asyncio
from datetime import datetime, timedelta
from typing import ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.idle import read_idle
from rae_plugins.machine.programs import running
from rae_plugins.triggers.usage.sources.use import AFK_TIMEOUT, Interval, tell_use

LOOK = timedelta(seconds=10)
"""How often it looks for processes."""

TELL = timedelta(seconds=60)
"""How much use is told at once, after the first look that finds some."""

_BLIND = 3 * LOOK

_ASLEEP = 1.0
"""Seconds of sleep that are one; of two clocks that are read one after the other the difference trembles."""


@frozen
class Use:
    """What is known between two looks: from where on use is to be told, as far as it is sure, and the last input."""

    looked_at: Moment
    since: datetime
    until: datetime
    last_input: datetime
    is_reported: bool = False

    @classmethod
    def begun(cls, now: Moment, last_input: datetime, since: datetime) -> "Use":
        """None is sure yet."""
        return cls(now, since, since, last_input)

    def looked(self, runs: bool, last_input: datetime, now: Moment) -> tuple["Use | None", Interval | None]:
        """After another look; and the interval that is to be told now."""
        slept = now.slept - self.looked_at.slept >= _ASLEEP
        if not runs or slept or now.mono - self.looked_at.mono > _BLIND.total_seconds():
            return (Use.begun(now, last_input, now.wall) if runs else None), self._rest()
        if last_input - self.last_input > AFK_TIMEOUT:
            return Use.begun(now, last_input, last_input), self._rest()
        grown = evolve(self, looked_at=now, until=max(last_input, self.until), last_input=last_input)
        if (rest := grown._rest()) is None or (self.is_reported and grown.until - grown.since < TELL):
            return grown, None
        return evolve(grown, since=grown.until, is_reported=True), rest

    def _rest(self) -> Interval | None:
        return (self.since, self.until) if self.until > self.since else None


@frozen(kw_only=True)
class ApplicationSource(SourceTrigger):
    """Tells when processes of a name run, as far as somebody is there."""

    type: ClassVar[str] = "usage-application"

    application: str = field(metadata={"help": "name of the process, a glob or /regular expression/"})
    not_afk: bool = field(metadata={"help": "whether only time counts in which there is input"})

    async def watch(self, watch: TriggerContext) -> None:
        """Look every few seconds. What was not told yet when the daemon ends, less than a minute, is lost."""
        file = StateFile(watch.directory / "use.json", watch.job)
        used_until = await file.load(lambda kept: parse_instant(kept["until"]))
        use: Use | None = None
        is_known = True
        while True:
            last_input, unknown = await self._last_input(watch)
            if unknown and is_known:
                text = "trigger {}: whether somebody is there can't be told ({}), so no use counts until it can"
                logger.bind(job=watch.job).warning(text, watch.trigger, unknown)
            is_known = not unknown
            now = watch.timer.now()
            told: Interval | None = None
            if use is not None:
                use, told = use.looked(last_input is not None, last_input or now.wall, now)
            elif last_input is not None:
                use = Use.begun(now, last_input, now.wall)
            if told is not None:
                used_until = await tell_use(watch, [told], used_until, {"application": self.application}) or told[1]
                await file.save({"until": format_instant(used_until)})
            await watch.timer.sleep(LOOK.total_seconds())

    async def _last_input(self, watch: TriggerContext) -> tuple[datetime | None, str]:
        """The last input while it runs, None while it doesn't or that can't be told; and why it can't."""
        if not await asyncio.to_thread(_runs, self.application):
            return None, ""
        if not self.not_afk:
            return watch.timer.now().wall, ""
        idle = await read_idle()
        if idle.seconds is None:
            return None, idle.because
        return watch.timer.now().wall - timedelta(seconds=idle.seconds), ""


def _runs(application: str) -> bool:
    return any(True for _ in running(application))
