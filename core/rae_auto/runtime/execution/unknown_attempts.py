"""Attempts of which the store knows nothing, because it went back in time or their runs are damaged in it.

An attempt with a start or exit record beside its output has started, and its end hasn't been stored yet:
its process may be alive. A run is made of it, as far as the names of the files go. Its executor is asked for it like
for each open run after a step back: it is adopted, ends as its record says, or is lost.

An attempt of which only the output is left has ended: its end had been taken into a store that doesn't have it any
more. Its run is recorded as lost, so that the history shows that something ran.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from rae_auto.engine.lifecycle import mark_uncertain
from rae_auto.model.decision import queue_time_of
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, StoreReverted
from rae_auto.model.run import Run, RunState

RECORDS = ("start", "exit")
"""Suffixes of what an attempt leaves until its end is durable in the store."""
OUTPUTS = ("log",)
"""Suffixes of what an attempt leaves after that."""
_FILE_NAME = re.compile(r"([0-9A-Z]{26})\.(\d{1,9})\.[a-z]+")


@frozen
class AttemptTrace:
    """The latest attempt of a run that left a file, and the time at which its first file was last written."""

    job: JobId
    run: RunId
    attempt: int
    at: datetime


def find_traces(output: Path, suffixes: Sequence[str], known: Collection[str] = ()) -> dict[str, AttemptTrace]:
    """Return the traces in an output directory by run, without those of `known` runs."""
    found: dict[str, AttemptTrace] = {}
    for path in (path for suffix in suffixes for path in output.glob(f"*/*.{suffix}")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None or match[1] in known:
            continue
        try:
            at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError:
            continue
        trace = AttemptTrace(JobId(path.parent.name), RunId(match[1]), int(match[2]), at)
        other = found.get(trace.run, trace)
        if trace.attempt == other.attempt:
            found[trace.run] = evolve(trace, at=min(at, other.at))
        elif trace.attempt > other.attempt:
            found[trace.run] = trace
    return found


def reopen_run(trace: AttemptTrace, job: Job | None, damaged: Run | None) -> Run:
    """Return the open run of an attempt, to be looked for. `damaged` is what can be read of the run, if anything."""
    run = damaged or _run_of(trace)
    waiting = evolve(run, state=RunState.QUEUED, attempt=trace.attempt - 1, finished_at=None, stopping=None)
    return mark_uncertain(waiting, job, trace.attempt)


def lost_run(trace: AttemptTrace) -> Run:
    """Return the record of a run that has ended in an unknown way."""
    run = evolve(_run_of(trace), attempt=trace.attempt, finished_at=trace.at)
    return evolve(run, state=RunState.LOST, reason=StoreReverted())


def _run_of(trace: AttemptTrace) -> Run:
    try:
        begin = min(trace.at, queue_time_of(trace.run))
    except ValueError:
        begin = trace.at
    return Run(
        id=trace.run,
        job=trace.job,
        trigger="",
        key=trace.run,
        scheduled_for=begin,
        queued_at=begin,
        started_at=begin,
        cause=Due(),
    )
