"""Files of an attempt as the daemon reads them: its claim, its start record and its exit record.

The table in the keeper's docstring says what each combination of files means.
"""

import asyncio
import json
import os
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import evolve

from rae_auto.model.run import Result, TreeEnd
from rae_auto.toolkit.files import make_private_folder

RECORD_INTERVAL_SECONDS = 0.1
"""Time between looks for a record of another daemon's keeper."""

MAX_RECORD_INTERVAL_SECONDS = 2.0
"""The longest time between looks for a start record."""

_CLAIM_MODE = 0o400

CLAIM = b"[rae-auto: this attempt was never started]\n"
"""Content of a claim on Windows, where a file that can't be written can't be removed either."""


def _claim_by_content(output: Path) -> None:
    """Create the file with its content in one step: there, a file takes no name that another one has."""
    claim = output.with_name(f"{output.name}.{os.getpid()}.claim")
    claim.write_bytes(CLAIM)
    try:
        os.rename(claim, output)  # noqa: PTH104 - Path.rename is the same, but this one's rule is what counts
    finally:
        claim.unlink(missing_ok=True)


def claim_attempt(output: Path) -> bool:
    """Return whether no keeper has started the attempt; from then on none can. Errors: OSError, if that is unknown.

    The first thing a keeper does is to create the output file too, and only one can. The mode of a claim distinguishes
    it from the file of a keeper, from the moment of its creation.
    """
    try:
        make_private_folder(output.parent)
        if os.name == "nt":
            _claim_by_content(output)
        else:
            os.close(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _CLAIM_MODE))
    except OSError:
        if not os.path.lexists(output):
            raise
        return is_claimed(output)
    return True


def has_record(output: Path) -> bool:
    """Return whether a keeper has recorded the start or the end of the attempt."""
    return output.with_suffix(".start").exists() or output.with_suffix(".exit").exists()


def is_claimed(output: Path) -> bool:
    """Return whether a daemon has claimed the attempt, so that no keeper has started it or ever will."""
    try:
        if os.name == "nt":
            return output.stat().st_size == len(CLAIM) and output.read_bytes() == CLAIM
        status = output.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == _CLAIM_MODE


async def wait_for_start_record(output: Path, is_keeper_alive: Callable[[], bool]) -> dict[str, Any] | None:
    """Return what the keeper recorded at the start.

    Where the output file is all there is, a keeper may be about to spawn the job, however long that takes: this waits
    for as long as a keeper is alive.
    """
    interval_seconds = RECORD_INTERVAL_SECONDS
    while True:
        # This look comes first: what a keeper wrote before it exited is then seen.
        may_come = is_keeper_alive()
        if (record := read_record(output.with_suffix(".start"))) is not None:
            return record
        if not may_come or not _is_in_progress(output):
            return None
        await asyncio.sleep(interval_seconds)
        interval_seconds = min(2 * interval_seconds, MAX_RECORD_INTERVAL_SECONDS)


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
        exit_code=record.get("exit_code"),
        signal=record.get("signal"),
        error=record.get("error"),
        remark=record.get("remark"),
        stderr=record.get("stderr"),
        cpu_time=timedelta(seconds=record.get("cpu") or 0),
        max_memory=record.get("memory"),
        tree=to_tree_end(record.get("tree")),
        started_at=_to_instant(record.get("started_at")),
    )


def _to_instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def to_tree_end(record: Mapping[str, Any] | None) -> TreeEnd | None:
    """Return the end of a tree that an exit record describes under "tree"; None for the usual end."""
    if record is None:
        return None
    exited, requested, killed = (
        None if (seconds := record.get(name)) is None else timedelta(seconds=seconds)
        for name in ("exited", "requested", "killed")
    )
    return TreeEnd(exited, requested, killed, is_gone=not record.get("left"))


def to_past_result(record: Mapping[str, Any]) -> Result:
    """Return the result that an exit record describes, with the time of the end, which no daemon observed."""
    return evolve(to_result(record), ended_at=_to_instant(record.get("ended_at")))
