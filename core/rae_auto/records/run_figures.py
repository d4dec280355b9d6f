"""The figures of runs, read from their documents: a page of trends needs hundreds of them, and few whole runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen

from rae_auto.model import documents
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.reasons import CaughtUp
from rae_auto.model.run import RunState


@frozen(kw_only=True)
class RunFigures:
    """The duration of a run, and the resources that it needed, as far as they are known. Memory in bytes."""

    queued_at: datetime
    state: str
    duration: timedelta | None
    lateness: timedelta | None
    """From the due instant to the first start; None for a run that was caught up."""
    cpu_time: timedelta | None
    memory: int | None


def read_figures(body: Mapping[str, Any]) -> RunFigures | None:
    """Return the figures of the document of a run that is over and wasn't skipped after a wait.

    None for another run, and for the document of another program, which `load_entries` reports.
    """
    try:
        state = RunState(body["state"])
        if not state.final or state is RunState.SKIPPED:
            return None
        seconds, results = documents.duration_of(body), [one.get("result") or {} for one in body.get("attempts", ())]
        times = [parse_duration(found) for one in results if (found := one.get("cpu_time")) is not None]
        return RunFigures(
            queued_at=parse_instant(body["queued_at"]),
            state=state,
            duration=None if seconds is None else timedelta(seconds=seconds),
            lateness=_lateness(body),
            cpu_time=sum(times, timedelta(0)) if times else None,
            memory=max((found for one in results if (found := one.get("max_memory")) is not None), default=None),
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None


def _lateness(body: Mapping[str, Any]) -> timedelta | None:
    started = body.get("started_at")
    if started is None or documents.reason_code(body["cause"]) == CaughtUp.code:
        return None
    due = body["scheduled_for"]
    return timedelta(0) if started == due else max(parse_instant(started) - parse_instant(due), timedelta(0))
