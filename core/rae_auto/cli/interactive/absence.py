"""The line about what happened while a person was away, shown by the first command that one types after it.

When a person typed a command last is the time of a file in the state directory, which nothing else reads. A command
without a terminal neither shows the line nor counts as a look: it may be a script's. Without an absence all this costs
the reading of that time.
"""

import contextlib
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from rae_auto.errors import SchedulerError
from rae_auto.paths import find_config, state_directory
from rae_auto.views.times import AWAY

LOOKED_NAME = "looked-last"

ANSWER_TIMEOUT_SECONDS = 10.0
"""The time to wait for what happened: a daemon that hangs must not hold up a command for long, which may be to stop it.
"""


def say_absence(arguments: Sequence[str]) -> None:
    """Print what happened since a person looked last, if that is long ago, and note that a person looks now."""
    # What is wrong with the configuration, the store or the daemon, the command itself reports.
    with contextlib.suppress(SchedulerError, OSError):
        config = _find_option("--config", arguments)
        looked_at = _note_look(state_directory(find_config(config)))
        if looked_at is not None and datetime.now(UTC) - looked_at >= AWAY:
            _say(config, looked_at)


def _say(config: str | None, looked_at: datetime) -> None:
    # lazy: start-up
    import asyncio

    from rae_auto.model.primitives.escaping import escape_line
    from rae_auto.views.tables import print_text

    print_text(escape_line(asyncio.run(_describe(config, looked_at))), err=True)


async def _describe(config: str | None, looked_at: datetime) -> str:
    # lazy: start-up
    import asyncio

    from rae_auto.reading.opening import open_records
    from rae_auto.views.screens.parts.absence import load_absence

    async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS), open_records(config) as records:
        absence = await load_absence(records, looked_at)
    since = looked_at.isoformat(timespec="minutes")
    return f"{absence.text}; 'rae-auto digest --since {since}' says more"


def _find_option(name: str, arguments: Sequence[str]) -> str | None:
    """Return the last value of an option, written in either way; None without it."""
    values = [word.removeprefix(f"{name}=") for word in arguments if word.startswith(f"{name}=")]
    values += [value for word, value in pairwise(arguments) if word == name]
    return values[-1] if values else None


def _note_look(directory: Path) -> datetime | None:
    """Set the time of the file to now, and return what it was; None if there was no file, or it can't be written.

    The directory of another user is left alone.
    """
    file, looked_at = directory / LOOKED_NAME, None
    if hasattr(os, "geteuid") and directory.stat().st_uid != os.geteuid():
        return None
    with contextlib.suppress(FileNotFoundError):
        looked_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600))
    os.utime(file, (time.time(), time.time()))
    return looked_at
