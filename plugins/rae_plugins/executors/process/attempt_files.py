"""Files of an attempt as the daemon reads them: its claim, its start record and its exit record.

The table in the keeper's docstring says what each combination of files means.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from rae_auto.model.run import Result
from rae_auto.toolkit.files import open_private

RECORD_INTERVAL_SECONDS = 0.1
"""Time between looks for a record of another daemon's keeper."""

MAX_START_RECORD_LOOKS = 10
"""Number of looks for the start record of an attempt that a keeper has begun."""


def claim_attempt(output: Path) -> bool:
    """Return whether no keeper has begun the attempt; from then on none can.

    The first thing a keeper does is to create the output file too, and only one can.
    """
    try:
        os.close(open_private(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


async def wait_for_start_record(output: Path) -> dict[str, Any] | None:
    """Return what the keeper recorded at the start; wait for it briefly where the output file is all there is."""
    for _ in range(MAX_START_RECORD_LOOKS):
        if (record := read_record(output.with_suffix(".start"))) is not None:
            return record
        if not _is_in_progress(output):
            break
        await asyncio.sleep(RECORD_INTERVAL_SECONDS)
    return None


def _is_in_progress(output: Path) -> bool:
    """Return whether a keeper has the attempt and has not finished it, as far as the files show."""
    return output.exists() and not output.with_suffix(".exit").exists()


def read_record(path: Path) -> dict[str, Any] | None:
    """Return a start or exit record; None where there is none, or none that can be read."""
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record


def to_result(record: Mapping[str, Any]) -> Result:
    """Return the result that an exit record describes."""
    return Result(
        exit_code=record["exit_code"],
        signal=record["signal"],
        error=record.get("error"),
        cpu_time=timedelta(seconds=record.get("cpu", 0)),
        max_memory=record.get("memory"),
    )
