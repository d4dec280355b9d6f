"""Attempts of which the store knows nothing, because it went back in time or their runs are damaged in it.

An attempt that has a start or exit record beside its output has begun, and its end hasn't been taken into a store yet:
its process may be alive. A run is made of it, as far as the names of the files go. Its executor is asked for it like
for each open run after a step back: it is adopted, ends as its record says, or is lost.
"""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from attrs import evolve, frozen

from rae_auto.engine.lifecycle import mark_uncertain
from rae_auto.model.job import Job
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run, RunState

_RECORD_NAME = re.compile(r"([0-9A-Z]{26})\.(\d{1,9})\.(?:start|exit)")


@frozen
class AttemptTrace:
    """The latest attempt of a run that left a record, and the time at which its first record was written."""

    job: JobId
    run: RunId
    attempt: int
    at: datetime


def find_traces(output: Path, known: Collection[str] = ()) -> dict[str, AttemptTrace]:
    """Return the traces in an output directory by run, without those of `known` runs."""
    found: dict[str, AttemptTrace] = {}
    for path in _list_records(output):
        match = _RECORD_NAME.fullmatch(path.name)
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


def _list_records(output: Path) -> Iterator[Path]:
    for suffix in ("start", "exit"):
        yield from output.glob(f"*/*.{suffix}")


def reopen_run(trace: AttemptTrace, job: Job | None, damaged: Run | None) -> Run:
    """Return the open run of an attempt, to be looked for. `damaged` is what can be read of the run, if anything."""
    run = damaged or Run(
        id=trace.run,
        job=trace.job,
        trigger="",
        key=trace.run,
        scheduled_for=trace.at,
        queued_at=trace.at,
        started_at=trace.at,
        cause=Due(),
    )
    waiting = evolve(run, state=RunState.QUEUED, attempt=trace.attempt - 1, finished_at=None, stopping=None)
    return mark_uncertain(waiting, job, trace.attempt)
