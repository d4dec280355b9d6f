"""The part that tells of spells without input, from what the machine says of its idle time.

A spell begins with the last input before it, is told once it is `after` long, and ends when idle time is less than 5
seconds, or less than it should have become since the last reading. A sleep of the machine of `after` or more is a spell
that only its end tells. While idle time can't be told nothing begins and nothing ends.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from attrs import evolve, field, frozen
from loguru import logger

from rae_auto.api import SourceTrigger, TriggerContext
from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile
from rae_plugins.machine.idle import read_idle

IN_USE = 5.0
"""Seconds of idle time under which somebody is there."""

PAUSE = timedelta(seconds=3)
"""How often it is looked during a spell: less than IN_USE, so that a single touch is seen."""

UNKNOWN_PAUSE = timedelta(minutes=1)
"""How often it is looked while idle time can't be told."""

_TOLERANCE = 2.0
_TOLERANCE_OVER_RESTART = timedelta(seconds=10)


@frozen
class Telling:
    """What there is to tell: that a spell has become long enough, or that it is over."""

    idle: bool
    since: datetime
    until: datetime

    @property
    def key(self) -> str:
        """By the spell, which is known by the last input before it."""
        return f"{'idle' if self.idle else 'back'}-{format_instant(self.since)}"

    def document(self, because: str) -> dict[str, Any]:
        """As an event."""
        return {
            "idle": self.idle,
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "seconds": round((self.until - self.since).total_seconds(), 3),
            "because": because,
        }


@frozen
class Spells:
    """What is known between two readings. Pure."""

    after: timedelta
    since: datetime | None = None
    read_at: Moment | None = None
    seconds: float = 0.0

    def read(self, seconds: float, now: Moment) -> tuple["Spells", Telling | None]:
        """After a reading of idle time; and what it tells."""
        following = evolve(self, read_at=now, seconds=seconds)
        last_input = now.wall - timedelta(seconds=seconds)
        slept = timedelta(seconds=now.slept - self.read_at.slept) if self.read_at is not None else timedelta(0)
        if self.since is not None:
            if seconds >= IN_USE and not self._was_touched(seconds, now, last_input):
                return following, None
            return evolve(following, since=None), Telling(False, self.since, max(last_input, self.since))
        if slept >= self.after and self.read_at is not None:
            since = self.read_at.wall - timedelta(seconds=self.seconds)
            if seconds < IN_USE:
                return following, Telling(False, since, max(last_input, since))
            return evolve(following, since=since), None
        if timedelta(seconds=seconds) >= self.after:
            return evolve(following, since=last_input), Telling(True, last_input, last_input + self.after)
        return following, None

    def pause(self) -> timedelta:
        """How long nothing can happen that would have to be told."""
        return PAUSE if self.since is not None else max(self.after - timedelta(seconds=self.seconds), PAUSE)

    def _was_touched(self, seconds: float, now: Moment, last_input: datetime) -> bool:
        if self.read_at is None:
            # Only the wall clock goes on while the daemon is down.
            return self.since is not None and last_input > self.since + _TOLERANCE_OVER_RESTART
        return seconds < self.seconds + (now.mono - self.read_at.mono) - _TOLERANCE


@frozen(kw_only=True)
class IdleSource(SourceTrigger):
    """Tells when nobody has touched the machine for `after`, and when somebody does again."""

    type: ClassVar[str] = "usage-idle"

    after: timedelta = field(metadata={"help": "how long a spell must be to be told"})

    async def watch(self, watch: TriggerContext) -> None:
        """Read idle time: before it can have become long enough never, during a spell every few seconds."""
        file = StateFile(watch.directory / "idle.json", watch.job)
        spells = Spells(self.after, await file.load(lambda kept: kept["since"] and parse_instant(kept["since"])))
        unknown = ""
        while True:
            idle = await read_idle()
            now = watch.timer.now()
            watch.trace(f"idle for {idle.seconds:.0f} s" if idle.seconds is not None else f"idle: {idle.because}")
            if idle.seconds is None:
                if not unknown:
                    text = "trigger {}: idle time can't be told ({}), so nothing fires until it can"
                    logger.bind(job=watch.job).warning(text, watch.trigger, idle.because)
                unknown = idle.because
                pause = UNKNOWN_PAUSE
            else:
                unknown = ""
                following, telling = spells.read(idle.seconds, now)
                if telling is not None:
                    await watch.emit(telling.key, telling.document(idle.because), telling.until)
                if following.since != spells.since:
                    kept_since = following.since and format_instant(following.since)
                    await file.save({"since": kept_since})
                spells = following
                pause = spells.pause()
            await watch.timer.sleep_until(now.wall + pause)
