"""Statistics of the history of a job, or of all jobs."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from math import ceil
from statistics import fmean, median
from typing import Any

import attrs
from attrs import frozen

from rae_auto.api.store import Document, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.decision import Outcome
from rae_auto.model.reasons import CaughtUp
from rae_auto.model.run import RunState

MAX_EXAMINED_RUNS = 10_000
"""Number of runs, and of decisions, that are examined."""

TREND_PARTS = 24
"""Into how many parts of equal size the runs are cut to see a trend."""


@frozen(kw_only=True)
class Percentiles:
    """In seconds: half, nine tenths, and all but a hundredth of the values are no larger."""

    p50: float
    p90: float
    p99: float


@frozen(kw_only=True)
class Trend:
    """Share of success, and median duration in seconds, from the oldest runs to the newest."""

    success: tuple[float, ...]
    duration: tuple[float, ...]


@frozen(kw_only=True)
class Statistics:
    """Numbers on runs that are over. The success rate is of those that weren't skipped, None where there are none.

    A run lasts from its first start to its end; it is late by the time from its instant to its first start, which
    isn't counted for one that makes up for a missed instant. `skipped` counts occurrences and runs by reason.
    """

    runs: int
    states: Mapping[str, int]
    success_rate: float | None
    duration: Percentiles | None
    lateness: Percentiles | None
    retries: int
    skipped: Mapping[str, int]
    trend: Trend

    def record(self) -> dict[str, Any]:
        """Return its JSON for users."""
        return attrs.asdict(self)


def statistics_of(store: StoreReader, jobs: Sequence[str] | None, since: datetime | None) -> Statistics:
    """Return numbers on the newest runs that were queued since then: of all jobs, or of one by all ids that it had."""
    wanted: Sequence[str | None] = jobs or [None]
    queries = [LogQuery(job=job, since=since, limit=MAX_EXAMINED_RUNS) for job in wanted]
    runs, decisions = (
        [found for query in queries for found in store.query(log, query)]
        for log in (documents.RUNS, documents.DECISIONS)
    )
    return statistics(runs, decisions)


def statistics(runs: Sequence[Document], decisions: Iterable[Document]) -> Statistics:
    """Numbers on finished runs and on decisions, both as stores keep them, the newest first."""
    # As documents, since to make ten thousand values of them takes longer than a person likes to wait.
    states = Counter(run["state"] for run in runs)
    started = [run for run in reversed(runs) if "started_at" in run]
    durations = [_duration(run) for run in started]
    skips = [
        documents.reason_code(run["reason"]) for run in runs if run["state"] == RunState.SKIPPED and run.get("reason")
    ]
    skips += [
        documents.reason_code(decision["reason"]) for decision in decisions if decision["outcome"] == Outcome.SKIP
    ]
    tried = len(runs) - states[RunState.SKIPPED]
    return Statistics(
        runs=len(runs),
        states=dict(states.most_common()),
        success_rate=states[RunState.SUCCEEDED] / tried if tried else None,
        duration=percentiles(durations),
        lateness=percentiles(_lateness(run) for run in started if documents.reason_code(run["cause"]) != CaughtUp.code),
        retries=sum(max(0, run.get("attempt", 0) - 1) for run in runs),
        skipped=dict(Counter(skips).most_common()),
        trend=_trend([run["state"] == RunState.SUCCEEDED for run in started], durations),
    )


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """By nearest rank: each is one of the values. None of none."""
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p90, p99 = (ordered[ceil(len(ordered) * percent / 100) - 1] for percent in (50, 90, 99))
    return Percentiles(p50=p50, p90=p90, p99=p99)


def _seconds(run: Document, start: str, end: str) -> float:
    return (datetime.fromisoformat(run[end]) - datetime.fromisoformat(run[start])).total_seconds()


def _duration(run: Document) -> float:
    set_by: float = sum(one["seconds"] for one in run.get("clock_steps", ()))
    return max(0.0, _seconds(run, "started_at", "finished_at") - set_by)


def _lateness(run: Document) -> float:
    # A clock that was set back in between would make it negative.
    return max(0.0, _seconds(run, "scheduled_for", "started_at"))


def _trend(successes: Sequence[bool], durations: Sequence[float]) -> Trend:
    """Return the trend of started runs, oldest first."""
    count = len(durations)
    parts = min(TREND_PARTS, count)
    slices = [slice(count * part // parts, count * (part + 1) // parts) for part in range(parts)]
    return Trend(
        success=tuple(fmean(successes[part]) for part in slices),
        duration=tuple(median(durations[part]) for part in slices),
    )
