"""Keeps the history as large as it may be: at start and then once an hour, in small steps."""

import asyncio
import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path

from attrs import field, frozen
from loguru import logger

from rae_auto.api.store import Append, Change, Put
from rae_auto.model import documents
from rae_auto.model.policies import Retention
from rae_auto.records.retention_rules import expired_output, rules
from rae_auto.runtime.repository import Repository

RETENTION_PERIOD_SECONDS = 3600.0
"""Time from one round to the next."""

# The last are what a write that was cut off leaves.
_OF_A_RUN = re.compile(r"([0-9A-Z]{26})\.(?:\d+\.\w+|event\.json)|\.([0-9A-Z]{26})\.event\.json\.\d+\.tmp")


async def keep_history_bounded(
    archive: Repository, directory: Path, retention: Callable[[], Retention], now: Callable[[], datetime]
) -> None:
    """Apply the retention at once and then once an hour, until cancelled."""
    is_first = True
    while True:
        try:
            await apply_retention(archive, directory / "output", retention(), now(), for_orphans=is_first)
            is_first = False
        except Exception as error:  # what is too much for an hour more harms nobody
            logger.warning("old history could not be removed: {}", error)
        await asyncio.sleep(RETENTION_PERIOD_SECONDS)


async def apply_retention(
    archive: Repository, outputs: Path, retention: Retention, now: datetime, *, for_orphans: bool
) -> None:
    """Remove runs and decisions that need not stay, and output that has no run or is too much."""
    # Before the store is asked: what is there now belongs to runs that it knows.
    files = await asyncio.to_thread(_files_in, outputs)
    for log, keep in rules(retention, now):
        while keys := await archive.prune(log, keep):
            logger.debug("removed {} old entries of the log {}", len(keys), log)
            if log == documents.RUNS:
                await asyncio.to_thread(_remove, files, keys)
    if files and (for_orphans or sum(output.size for output in files.values()) > retention.output):
        known = await archive.dump()
        await asyncio.to_thread(_remove_surplus, files, known, retention.output)


@frozen
class _Output:
    """The files of a run."""

    paths: list[Path] = field(factory=list)
    sizes: list[int] = field(factory=list)

    @property
    def size(self) -> int:
        return sum(self.sizes)


def _files_in(directory: Path) -> dict[str, _Output]:
    """Return the output files by run."""
    found: dict[str, _Output] = {}
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            if of_run := _OF_A_RUN.fullmatch(entry.name):
                output = found.setdefault(of_run[1] or of_run[2], _Output())
                output.paths.append(Path(entry))
                output.sizes.append(entry.stat(follow_symlinks=False).st_size)
    return found


def _remove(files: dict[str, _Output], runs: Iterable[str]) -> None:
    for run in runs:
        for path in files.pop(run, _Output()).paths:
            path.unlink(missing_ok=True)


def _remove_surplus(files: dict[str, _Output], known: Iterable[Change], most: int) -> None:
    job_of, open_runs = _runs_in(known, files)
    sizes = {run: output.size for run, output in files.items()}
    _remove(files, expired_output(sizes, job_of, open_runs, most))


def _runs_in(known: Iterable[Change], wanted: Collection[str]) -> tuple[Mapping[str, str], set[str]]:
    """Return the jobs of these runs, and which of the runs are open."""
    job_of, open_runs = {}, set()
    for change in known:
        match change:
            case Put(documents.RUN, key, body) if key in wanted:
                job_of[key] = body["job"]
                open_runs.add(key)
            case Append(documents.RUNS, key, job) if key in wanted:
                job_of[key] = job
    return job_of, open_runs
