"""The world's recorded history, in the form that a simulation reads."""

from datetime import datetime
from typing import Any

from rae_auto.api.store import CorruptDocument, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.decision import MANUAL, Decision
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.reasons import Fired
from rae_auto.model.run import Run
from rae_auto.records.entries import load_entries
from rae_auto.records.events import read_events
from rae_auto.records.runs import merge_newest

MAX_EVENTS_READ = 100_000
"""Number of each kind that are read: the newest."""


def read_world_log(store: StoreReader, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    """Return recorded events, ends of runs and firings of sources, as far as they are on record, oldest first."""
    query = LogQuery(since=since, until=until, limit=MAX_EVENTS_READ)
    runs = load_entries(Run, store.query(documents.RUNS, query))
    bodies = [body for _, body in store.load(documents.RUN) if not isinstance(body, CorruptDocument)]
    runs = merge_newest(query, load_entries(Run, bodies), runs)
    skips = load_entries(Decision, store.query(documents.DECISIONS, query))
    found = [
        {"at": format_instant(event.at), "name": event.name, "id": event.id, "data": event.data}
        for event in read_events(store, ("*",), since=since, until=until, limit=MAX_EVENTS_READ)
    ]
    found += [_emission(run, run.scheduled_for, run.event) for run in runs if isinstance(run.cause, Fired)]
    found += [_emission(skip, skip.at, None) for skip in skips if _is_of_a_source(skip)]
    return sorted(found, key=lambda one: str(one["at"]))


def _is_of_a_source(skip: Decision) -> bool:
    # The key of a schedule's occurrence is its instant.
    return skip.trigger != MANUAL and skip.key != format_instant(skip.at)


def _emission(record: Run | Decision, at: datetime, event: Any) -> dict[str, Any]:
    return {
        "at": format_instant(at),
        "job": record.job,
        "trigger": record.trigger,
        "key": record.key,
        "event": event or {},
    }
