"""The line about what happened while a person was away, shown once by the first command that shows a status.

When a person looked last is the time of a file in the state directory, which nothing else reads.
"""

import contextlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rae_auto.cli.queries import zone_of
from rae_auto.control.client import Client
from rae_auto.views.times import AWAY

LOOKED_NAME = "looked-last"


def describe_absence(client: Client, directory: Path) -> str | None:
    """Return what happened since a person looked last, if that is long ago, and note that a person looks now."""
    file = directory / LOOKED_NAME
    looked_at = _note_look(file)
    if looked_at is None or datetime.now(UTC) - looked_at < AWAY:
        return None
    # lazy: start-up
    from rae_auto.reading.parsing import parse_counts
    from rae_auto.views.screens.parts.absence import BAD_STATES, MAX_FAILED_RUNS, build_absence

    span = {"since": looked_at.isoformat(), "until": datetime.now(UTC).isoformat()}
    runs, skips = (parse_counts(client.call("count", log=log, **span)) for log in ("runs", "decisions"))
    failed = client.call("history", states=list(BAD_STATES), limit=MAX_FAILED_RUNS, **span)
    jobs = [run["job"] for run in failed]
    absence = build_absence(looked_at, datetime.now(UTC), runs, skips, jobs, zone_of(client))
    since = looked_at.isoformat(timespec="minutes")
    return f"{absence.text}; 'rae-auto digest --since {since}' says more"


def _note_look(file: Path) -> datetime | None:
    """Set the time of the file to now, and return what it was; None if there was no file, or it can't be written."""
    looked_at = None
    with contextlib.suppress(FileNotFoundError):
        looked_at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    with contextlib.suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        os.utime(file, (time.time(), time.time()))
        return looked_at
    return None
