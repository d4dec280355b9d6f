"""Statistics of the history of a job, or of all jobs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import fmean, median
from typing import Any

import attrs
from attrs import evolve, frozen

from rae_auto.api.store import CountQuery, Document, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.figures.durations import EXAMINED_RUNS, percentile, summarize_durations
from rae_auto.model.reasons import CaughtUp
from rae_auto.model.run import RunState

MAX_EXAMINED_RUNS = 5_000
"""Number of runs that are examined: enough for the 99th percentile, and read in a twentieth of a second."""

_RUN_FIELDS = frozenset({"state", "cause", "scheduled_for"})
"""Fields without which an entry isn't counted, because it is not of rae-auto; `load_entries` skips it too."""

_LONG_AGO = datetime.min.replace(tzinfo=UTC)

TREND_PARTS = 24
"""Number of parts of equal size into which the runs are cut for a trend."""


@frozen(kw_only=True)
class Percentiles:
    """In seconds: half, nine tenths, and all but a hundredth of the values are no larger."""

    p50: float
    p90: float
    p99: float


@frozen(kw_only=True)
class Usual:
    """The duration of the newest successful runs of a job, in seconds: `UsualDuration`, as the pages show it."""

    p50: float
    p95: float
    runs: int


@frozen(kw_only=True)
class Trend:
    """Share of success, and median duration in seconds, from the oldest runs to the newest."""

    success: tuple[float, ...]
    duration: tuple[float, ...]


@frozen(kw_only=True)
class Statistics:
    """Statistics of finished runs. The success rate is of those that weren't skipped; None without any.

    A run lasts from its first start to its end; for how long one lasted isn't known if an attempt of it was lost. It is
    late by the time from its instant to its first start, which isn't counted for runs that were started late by
    `catch_up`. `skipped` counts occurrences and runs by reason.
    """

    runs: int
    total: int
    """The number of runs on record, of which the newest `runs` are counted here."""
    states: Mapping[str, int]
    success_rate: float | None
    duration: Percentiles | None
    lateness: Percentiles | None
    retries: int
    skipped: Mapping[str, int]
    trend: Trend
    usual: Usual | None = None
    """The usual duration; None for all jobs together, and for a job of which no run has succeeded."""

    def record(self) -> dict[str, Any]:
        """Return its JSON for users."""
        return attrs.asdict(self)


def statistics_of(store: StoreReader, jobs: Sequence[str] | None, since: datetime | None) -> Statistics:
    """Return statistics of the newest runs queued since then: of all jobs, or of one by all ids that it had."""
    runs: list[Document] = []
    skips: Counter[str] = Counter()
    total = 0
    every_job: Sequence[str | None] = [None]
    for job in jobs or every_job:
        found = store.query(documents.RUNS, LogQuery(job=job, since=since, limit=MAX_EXAMINED_RUNS))
        runs += [run for run in found if run.keys() >= _RUN_FIELDS]
        total += sum(one.count for one in store.count(documents.RUNS, CountQuery(job=job, since=since)))
        # Counted, not read: the log has only skips, and the state of an entry is the reason. For the same time.
        begin = _queued_at(found[-1], since) if len(found) >= MAX_EXAMINED_RUNS else since
        for one in store.count(documents.DECISIONS, CountQuery(job=job, since=begin)):
            skips[one.state] += one.count
    if jobs and len(jobs) > 1:
        runs.sort(key=lambda run: _queued_at(run, None) or _LONG_AGO, reverse=True)
    return evolve(statistics(runs, skips, total), usual=_usual(runs) if jobs else None)


def _usual(runs: Sequence[Document]) -> Usual | None:
    """Return how long the newest successful ones of these runs took, newest first."""
    durations = (documents.duration_of(run) for run in runs if run["state"] == RunState.SUCCEEDED)
    known = (timedelta(seconds=seconds) for seconds in durations if seconds is not None)
    found = summarize_durations(list(islice(known, EXAMINED_RUNS)))
    return (
        None if found is None else Usual(p50=found.p50.total_seconds(), p95=found.p95.total_seconds(), runs=found.runs)
    )


def _queued_at(run: Document, otherwise: datetime | None) -> datetime | None:
    return datetime.fromisoformat(run["queued_at"]) if "queued_at" in run else otherwise


def statistics(runs: Sequence[Document], skips: Mapping[str, int], total: int = 0) -> Statistics:
    """Return statistics of finished runs' documents, newest first, of `total` runs in all, and of skips by reason."""
    # As documents, because converting ten thousand of them to values takes too long for a person who waits.
    states = Counter(run["state"] for run in runs)
    started = [run for run in reversed(runs) if "started_at" in run]
    began = [datetime.fromisoformat(run["started_at"]) for run in started]
    durations = [seconds for run in started if (seconds := documents.duration_of(run)) is not None]
    in_time = [pair for pair in zip(started, began, strict=True) if not _is_caught_up(pair[0])]
    skipped = Counter(
        documents.reason_code(run["reason"]) for run in runs if run["state"] == RunState.SKIPPED and run.get("reason")
    )
    skipped.update(skips)
    tried = len(runs) - states[RunState.SKIPPED]
    return Statistics(
        runs=len(runs),
        total=max(total, len(runs)),
        states=dict(states.most_common()),
        success_rate=states[RunState.SUCCEEDED] / tried if tried else None,
        duration=percentiles(durations),
        lateness=percentiles(_lateness(run, at) for run, at in in_time),
        retries=sum(max(0, run.get("attempt", 0) - 1) for run in runs),
        skipped=dict(skipped.most_common()),
        trend=_trend([run["state"] == RunState.SUCCEEDED for run in started], durations),
    )


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """Return the percentiles by nearest rank, so that each is one of the values; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p90, p99 = (percentile(ordered, percent) for percent in (50, 90, 99))
    return Percentiles(p50=p50, p90=p90, p99=p99)


def _is_caught_up(run: Document) -> bool:
    return documents.reason_code(run["cause"]) == CaughtUp.code


def _lateness(run: Document, started_at: datetime) -> float:
    # A clock that was set back in between would make it negative.
    return max(0.0, (started_at - datetime.fromisoformat(run["scheduled_for"])).total_seconds())


def _trend(successes: Sequence[bool], durations: Sequence[float]) -> Trend:
    """Return the trend of started runs, oldest first; `durations` are those that are known."""
    return Trend(success=_means(successes, fmean), duration=_means(durations, median))


def _means(values: Sequence[float], mean: Callable[[Sequence[float]], float]) -> tuple[float, ...]:
    """Return the mean of each of the parts of equal size into which these values are cut."""
    count = len(values)
    parts = min(TREND_PARTS, count)
    return tuple(mean(values[count * part // parts : count * (part + 1) // parts]) for part in range(parts))
