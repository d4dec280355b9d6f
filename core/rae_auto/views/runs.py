"""Runs, as `rae-auto history` shows them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.views.tables import instant

RUN_HEADERS = ("run", "job", "state", "queued", "took", "attempt", "exit", "reason")


def run_rows(runs: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
    """Return a row for each run."""
    return [
        (
            run["run_id"],
            run["job"],
            run["state"],
            instant(run["queued_at"]),
            _elapsed(run["started_at"], run["finished_at"]),
            run["attempt"],
            run["exit_code"],
            run["reason_text"],
        )
        for run in runs
    ]


def _elapsed(started_at: str | None, finished_at: str | None) -> str | None:
    if started_at is None or finished_at is None:
        return None
    return format_elapsed(datetime.fromisoformat(finished_at) - datetime.fromisoformat(started_at))
