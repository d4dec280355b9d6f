"""Pauses and skipped starts of jobs, from the running daemon or from the store."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.model import documents
from rae_auto.model.job_state import JobState, SkippedStart
from rae_auto.model.primitives.names import JobId
from rae_auto.offline.project import Project
from rae_auto.offline.queries import load_values


def read_states(project: Project, connect: Callable[[], Client]) -> tuple[JobState, ...]:
    """Return the pauses and skipped starts of all jobs, without the rest of their states. Errors: StoreError."""
    try:
        with connect() as client:
            return tuple(state_of(info) for info in client.call("list"))
    except DaemonUnreachable:
        if not project.directory.is_dir():
            return ()
        with project.read_store() as store:
            return tuple(
                JobState(
                    state.job,
                    paused=state.paused,
                    paused_until=state.paused_until,
                    pause_note=state.pause_note,
                    paused_at=state.paused_at,
                    skips=state.skips,
                )
                for state in load_values(store, documents.STATE, JobState)
            )


def state_of(info: Mapping[str, Any]) -> JobState:
    """Return the part of a job's state that decides when it starts next, from its record."""
    until = info["paused_until"]
    return JobState(
        JobId(info["id"]),
        paused=info["paused"],
        paused_until=until and datetime.fromisoformat(until),
        pause_note=info["pause_note"],
        skips=tuple(
            SkippedStart(datetime.fromisoformat(skip["at"]), datetime.fromisoformat(skip["requested_at"]))
            for skip in info["skips"]
        ),
    )
