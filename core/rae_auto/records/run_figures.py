"""The figures of runs, read from their documents: trends are made of thousands of them, and need no whole runs."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from rae_auto.model import documents
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.run import RunState

MEASURED_STATES = tuple(state for state in RunState if state.final and state is not RunState.SKIPPED)
"""The states of runs that have figures: they are over, and weren't skipped after a wait."""

_STATES = frozenset(MEASURED_STATES)


class RunFigures(NamedTuple):
    """The seconds and bytes that a run took, as far as they are known."""

    # No attrs class, which takes three times as long to make.
    queued_at: datetime
    state: str
    duration: float | None
    lateness: float | None
    """From the due instant to the first start; None for a run that was caught up."""
    cpu_time: float | None
    memory: float | None
    """In bytes."""


def read_figures(body: Mapping[str, Any]) -> RunFigures | None:
    """Return the figures of the document of a run that is over and wasn't skipped after a wait.

    None for another run, and for the document of another program, which `load_entries` reports.
    """
    try:
        state = body["state"]
        if state not in _STATES:
            return None
        cpu_time = memory = None
        for attempt in body.get("attempts", ()):
            result = attempt.get("result")
            if result:
                if (found := result.get("cpu_time")) is not None:
                    cpu_time = (cpu_time or timedelta(0)) + parse_duration(found)
                if (found := result.get("max_memory")) is not None:
                    memory = max(memory or 0.0, float(found))
        return RunFigures(
            parse_instant(body["queued_at"]),
            state,
            *documents.times_of(body),
            None if cpu_time is None else cpu_time.total_seconds(),
            memory,
        )
    except (TypeError, KeyError, ValueError, AttributeError):
        return None
