"""The clock that decides the age of records: the wall clock, unless that has jumped far ahead.

What is removed because of its age is gone for good, so a clock that was set a year ahead by mistake must not decide
that. A time is believed as follows:

- It goes on with the time that has passed, awake or asleep, and follows the wall clock as long as that is at most
  `MAX_LEAD` ahead of it, or behind it.
- A wall clock that is further ahead is believed after it has kept its lead for `TRIAL_SECONDS` awake. If it is set
  again by more than `MAX_DRIFT` meanwhile, that time starts again. Until then nothing grows older than it was by the
  time that has really passed.

The believed time is kept in a file, so that neither a restart nor records with wrong times change any of this. The
time that the daemon was down is unknown: after more than `MAX_LEAD` of it, the wall clock is on trial as well.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.instants import Moment, format_instant, parse_instant
from rae_auto.toolkit.state_file import StateFile

MAX_LEAD = timedelta(days=2)
"""The time by which the wall clock may be ahead and is believed at once."""

MAX_DRIFT = timedelta(hours=1)
"""The time by which a lead may change while it is on trial."""

TRIAL_SECONDS = 86_400.0
"""Time awake after which a wall clock that is far ahead is believed."""

FILE_NAME = "age-clock.json"


@frozen
class BelievedTime:
    """The believed time, and the lead of a wall clock on trial with the seconds for which it has lasted."""

    time: datetime
    lead: timedelta = timedelta(0)
    trial_seconds: float = 0.0

    def after(self, elapsed: timedelta, awake_seconds: float, wall: datetime) -> "BelievedTime":
        """Return the believed time after this elapsed time, when the wall clock shows `wall`."""
        time = self.time + elapsed
        lead = wall - time
        if lead <= MAX_LEAD:
            return BelievedTime(wall)
        is_steady = abs(lead - self.lead) <= MAX_DRIFT
        trial_seconds = self.trial_seconds + awake_seconds if is_steady else 0.0
        return BelievedTime(wall) if trial_seconds >= TRIAL_SECONDS else BelievedTime(time, lead, trial_seconds)


class AgeClock:
    """Follows the believed time over restarts; call `read` regularly."""

    def __init__(self, directory: Path) -> None:
        """`directory` is the state directory."""
        self._file = StateFile(directory / FILE_NAME)
        self._believed: BelievedTime | None = None
        self._last: Moment | None = None

    async def read(self, now: Moment) -> datetime:
        """Return the time from which the age of records counts."""
        if self._believed is None:
            self._believed = await self._file.load(_parse) or BelievedTime(now.wall)
        last, self._last = self._last or now, now
        awake_seconds = now.mono - last.mono
        elapsed = timedelta(seconds=awake_seconds + now.slept - last.slept)
        self._believed = self._believed.after(elapsed, awake_seconds, now.wall)
        return self._believed.time

    async def save(self) -> None:
        """Keep the believed time for the next start."""
        if self._believed is not None:
            believed = self._believed
            lead, trial = believed.lead.total_seconds(), believed.trial_seconds
            await self._file.save({"time": format_instant(believed.time), "lead": lead, "trial": trial})


def _parse(document: dict[str, Any]) -> BelievedTime:
    return BelievedTime(parse_instant(document["time"]), timedelta(seconds=document["lead"]), float(document["trial"]))
