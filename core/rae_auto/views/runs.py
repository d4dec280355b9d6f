"""Runs, as `rae-auto history` shows them, and their states, as all views show them.

The store has an active run as the last daemon left it, until the next one finds out what became of it. While no daemon
looks after it, every view says that it "was running", and goes no further than `seen_until`, the instant at which a
daemon saw it last. That is None where a daemon looks after runs, so that they are as on record. Records in JSON have
the state on record, and `seen_until` beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.views.tables import instant, on_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

OPTIONAL_RUN_HEADERS = ("attempt", "exit", "took")
"""Columns that give way in a narrow terminal: the reason says most of it."""

MIN_ID_CHARACTERS = 12
"""The characters of a run's id that encode the time of queueing; more are shown where that isn't unique."""

SHOWN_STATES = {"starting": "was_starting", "running": "was_running"}
"""The states to show, by the state on record; runs that wait are in the store alone, so that they wait still."""

RUN_HEADERS = ("run", "job", "state", "queued", "took", "attempt", "exit", "reason")


def run_rows(runs: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> list[tuple[Any, ...]]:
    """Return a row for each run, on a terminal with the part of its id that is unique among them.

    A decision that led to no run is a row without an id.
    """
    runs = list(runs)
    ids = short_ids([run["run_id"] for run in runs if run["run_id"]])
    return [
        _decision_row(run, zone)
        if run["run_id"] is None
        else (
            ids[run["run_id"]],
            run["job"],
            state_of_record(run),
            instant(run["queued_at"], zone),
            None if run["duration"] is None else format_elapsed(run["duration"]),
            run["attempt"],
            run["exit_code"],
            "; ".join(filter(None, (run["reason_text"], run["remark"]))) or None,
        )
        for run in runs
    ]


def merge_history(runs: Iterable[Mapping[str, Any]], decisions: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return runs and decisions against one, newest first."""
    return sorted([*runs, *decisions], key=_time_of, reverse=True)


def _time_of(record: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(record["queued_at"] if record["run_id"] else record["decided_at"])


def _decision_row(decision: Mapping[str, Any], zone: tzinfo | None) -> tuple[Any, ...]:
    count = f" ({decision['count']} times)" if decision["count"] > 1 else ""
    reason = f"{decision['reason_text']}{count}"
    return ("", decision["job"], decision["state"], instant(decision["decided_at"], zone), None, None, None, reason)


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Return the id of each run as it is shown: on a terminal, a prefix that no other of them has."""
    if not on_terminal():
        return {one: one for one in ids}
    length = MIN_ID_CHARACTERS
    while len({one[:length] for one in ids}) < len(set(ids)):
        length += 1
    return {one: one[:length] for one in ids}


def shown_state(state: str, seen_until: object) -> str:
    """Return the state to show of a run that a daemon saw last at an instant; None if one sees it now."""
    return state if seen_until is None else SHOWN_STATES.get(state, state)


def state_of_record(run: Mapping[str, Any]) -> str:
    """Return the state of a run's record for a table: as options of commands take it, or "was running"."""
    shown = shown_state(run["state"], run.get("seen_until"))
    return shown if shown == run["state"] else shown.replace("_", " ")
