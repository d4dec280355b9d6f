"""The daemon's record of the times at which it was running: see `records.presence_log`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

from loguru import logger

from rae_auto.records.presence_log import find_changes, note_end, note_presence, note_start
from rae_auto.runtime.time.clock import Clock, SystemClock, find_machine_boot
from rae_auto.toolkit.threads.duties import keep_going

NOTE_PERIOD_SECONDS = 60.0
"""Time between two notes, which is how exactly the end of a killed daemon is known."""


@contextlib.asynccontextmanager
async def note_while_running(
    directory: Path,
    clock: Clock | None = None,
    period: float = NOTE_PERIOD_SECONDS,
    find_end: Callable[[], str] = lambda: "command",
) -> AsyncIterator[None]:
    """Record that the daemon is running, from now until the end of the `with` block.

    `find_end` then returns what ends it, a "command" or a "signal".
    """
    used = clock or SystemClock()
    task = asyncio.create_task(keep_going("note the presence", partial(_note_on, directory, used, period)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        with contextlib.suppress(OSError):
            now = used.now()
            await asyncio.to_thread(note_end, directory, now.wall, find_machine_boot(now), by=find_end())


async def _note_on(directory: Path, clock: Clock, period: float) -> None:
    """Note the start, and then every `period` seconds; what can't be written is tried again the next time."""
    last, is_started, is_reported = clock.now(), False, False
    while True:
        try:
            if not is_started:
                await asyncio.to_thread(note_start, directory, last.wall, find_machine_boot(last))
                is_started = True
            else:
                now = clock.now()
                await asyncio.to_thread(note_presence, directory, now.wall, list(find_changes(last, now)))
                last = now
            is_reported = False
        except OSError as error:
            if not is_reported:
                logger.warning("the presence log in {} can't be written ({})", directory, error.strerror)
            is_reported = True
        await asyncio.sleep(period)
