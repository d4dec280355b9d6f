"""The newest record of a store: a daemon was still there when it was made."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from rae_auto.api.store import CorruptDocument, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.run import Run
from rae_auto.records.entries import load_entries


def find_newest_record(store: StoreReader, opened: Sequence[Run]) -> datetime | None:
    """Return the instant of the newest record of a store, of open runs and of the ends of jobs; None without any."""
    ends = (_end_of(body) for _, body in store.load(documents.STATE))
    return newest_of([*(end for end in ends if end is not None), *instants_of_logs(store), *instants_of_runs(opened)])


def newest_of(instants: Iterable[datetime]) -> datetime | None:
    """Return the latest of some instants; None of none."""
    return max(instants, default=None)


def instants_of_logs(store: StoreReader) -> Iterator[datetime]:
    """Yield when the newest run that is over was queued and ended, and when a start was skipped last."""
    newest = LogQuery(limit=1)
    yield from instants_of_runs(load_entries(Run, store.query(documents.RUNS, newest)))
    for decision in load_entries(Decision, store.query(documents.DECISIONS, newest)):
        yield decision.decided_at


def instants_of_runs(runs: Iterable[Run]) -> Iterator[datetime]:
    """Yield when something was recorded of runs."""
    for run in runs:
        yield run.queued_at
        for instant in (run.started_at, run.attempt_started_at, run.finished_at):
            if instant is not None:
                yield instant


def instants_of_states(states: Iterable[JobState]) -> Iterator[datetime]:
    """Yield when the latest run of each job ended."""
    for state in states:
        if state.last_finished_at is not None:
            yield state.last_finished_at


def _end_of(body: object) -> datetime | None:
    if isinstance(body, CorruptDocument) or not isinstance(body, dict):
        return None
    try:
        return parse_instant(body["last_finished_at"])
    except (KeyError, TypeError, ValueError):
        return None
