"""Keeps the alarm of the machine set for the next start of a job with `wake = true`."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from loguru import logger

from rae_auto.toolkit.wake_alarm import WakeAlarm, open_wake_alarm

WAKE_LEAD = timedelta(seconds=10)
"""Time before a start at which the machine is woken, because it takes a few seconds until programs run again."""


class MachineWaker:
    """Sets the alarm whenever the next start has changed, in a thread, as the alarm may be a program."""

    def __init__(
        self, next_start: Callable[[], datetime | None], open_alarm: Callable[[], WakeAlarm] = open_wake_alarm
    ) -> None:
        """`next_start` returns the next start for which the machine is to be woken, or None."""
        self._next_start = next_start
        self._open_alarm = open_alarm
        self._alarm: WakeAlarm | None = None
        self._set_for: datetime | None = None
        self._is_busy = False

    @property
    def is_outdated(self) -> bool:
        """Return whether `update` has something to do."""
        return not self._is_busy and self._next_start() != self._set_for

    async def update(self) -> None:
        """Set the alarm for the next start. One that can't be set is logged, and tried again for another start."""
        self._set_for, self._is_busy = self._next_start(), True
        try:
            await asyncio.to_thread(self._set, self._set_for)
        except OSError as error:
            logger.error(
                "the machine will not be woken for the start at {}: {}; the job starts when it wakes by itself",
                self._set_for and f"{self._set_for.astimezone():%Y-%m-%d %H:%M:%S}",
                error.strerror or error,
            )
        finally:
            self._is_busy = False

    async def close(self) -> None:
        """Clear the alarm, because nothing runs without the daemon."""
        if self._alarm is not None:
            await asyncio.to_thread(self._alarm.close)

    def _set(self, start: datetime | None) -> None:
        if self._alarm is None:
            self._alarm = self._open_alarm()
        self._alarm.set(None if start is None else start - WAKE_LEAD)
