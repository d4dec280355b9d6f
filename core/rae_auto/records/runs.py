"""Runs as they are listed: open ones and those of the history together."""

from collections.abc import Sequence

from rae_auto.api.store import LogQuery
from rae_auto.model.run import Run


def merge_newest(query: LogQuery, opened: Sequence[Run], past: Sequence[Run]) -> list[Run]:
    """Return the open runs that match, together with past runs, newest first."""
    known = {run.id for run in past}
    wanted = [r for r in opened if r.id not in known and query.matches(r.id, r.job, r.state, r.queued_at)]
    return sorted([*past, *wanted], key=lambda run: (run.queued_at, run.id), reverse=True)[: query.limit]
