"""Statistics of the history of a job, or of all jobs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from statistics import fmean, median
from typing import Any, NamedTuple

import attrs
from attrs import evolve, frozen

from rae_auto.api.store import CountQuery, Document, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.figures.durations import EXAMINED_RUNS, percentile, summarize_durations
from rae_auto.model.figures.usual_runs import split_usual_runs
from rae_auto.model.run import RunState

MAX_EXAMINED_RUNS = 5_000
"""Number of runs that are examined: enough for the 99th percentile, and read in a twentieth of a second."""

_SKIPPED = RunState.SKIPPED.value

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


class Facts(NamedTuple):
    """Facts of a finished run that count: read from its document, so that thousands of those are not held at once."""

    # No attrs class, which takes three times as long to make.
    state: str
    queued_at: str | None
    is_started: bool
    duration: float | None
    """In seconds; None where it is not known."""
    lateness: float | None
    """None also for a run that was caught up."""
    retries: int
    skipped: str | None
    """The code of the reason of a run that was skipped after a wait."""


def read_facts(run: Document) -> Facts | None:
    """Return the facts of the document of a finished run; None for the document of another program."""
    # Not made a value first, because that of ten thousand takes too long for a person who waits.
    # Such an entry isn't counted; `load_entries` skips it too.
    if not ("state" in run and "cause" in run and "scheduled_for" in run):
        return None
    state = run["state"]
    duration, lateness = documents.times_of(run)
    reason = run.get("reason") if state == _SKIPPED else None
    skipped = documents.reason_code(reason) if reason else None
    retries = max(0, run.get("attempt", 0) - 1)
    return Facts(state, run.get("queued_at"), "started_at" in run, duration, lateness, retries, skipped)


def read_packed_facts(some: Sequence[Document | bytes]) -> Sequence[Facts | None]:
    """Return what `read_facts` does of each of some documents, which may be JSON; of usual ones without parsing it."""
    packed = [one for one in some if isinstance(one, bytes)]
    found: list[Facts | None] = [None] * len(some)
    if len(packed) == len(some):
        found = _read_usual_facts(packed)
    rest = [place for place, facts in enumerate(found) if facts is None]
    for place, document in zip(rest, documents.parse_all([some[place] for place in rest]), strict=True):
        found[place] = read_facts(document)
    return found


def _read_usual_facts(packed: Sequence[bytes]) -> list[Facts | None]:
    found: list[Facts | None] = []
    for due, queued_at, cause, code, state, began, ended, attempt in split_usual_runs(packed):
        if not attempt:
            found.append(None)
            continue
        try:
            duration, lateness = documents.times_between(due, cause or code, began, ended)
        except (TypeError, ValueError):
            # An instant that can't be read isn't usual.
            found.append(None)
        else:
            found.append(Facts(state, queued_at, True, duration, lateness, int(attempt) - 1, None))
    return found


def statistics_of(store: StoreReader, jobs: Sequence[str] | None, since: datetime | None) -> Statistics:
    """Return statistics of the newest runs queued since then: of all jobs, or of one by all ids that it had."""
    runs: list[Facts] = []
    skips: Counter[str] = Counter()
    total = 0
    every_job: Sequence[str | None] = [None]
    for job in jobs or every_job:
        query = LogQuery(job=job, since=since, limit=MAX_EXAMINED_RUNS)
        found = store.collect_packed(documents.RUNS, query, read_packed_facts)
        known = [run for run in found if run is not None]
        runs += known
        total += sum(one.count for one in store.count(documents.RUNS, CountQuery(job=job, since=since)))
        # Counted, not read: the log has only skips, and the state of an entry is the reason. For the same time.
        oldest = _queued_at(known[-1]) if known and len(found) >= MAX_EXAMINED_RUNS else None
        for one in store.count(documents.DECISIONS, CountQuery(job=job, since=oldest or since)):
            skips[one.state] += one.count
    if jobs and len(jobs) > 1:
        runs.sort(key=lambda run: _queued_at(run) or _LONG_AGO, reverse=True)
    return evolve(summarize(runs, skips, total), usual=_usual(runs) if jobs else None)


def _usual(runs: Sequence[Facts]) -> Usual | None:
    """Return how long the newest successful ones of these runs took, newest first."""
    known = (run.duration for run in runs if run.state == RunState.SUCCEEDED and run.duration is not None)
    found = summarize_durations([timedelta(seconds=seconds) for seconds in islice(known, EXAMINED_RUNS)])
    return (
        None if found is None else Usual(p50=found.p50.total_seconds(), p95=found.p95.total_seconds(), runs=found.runs)
    )


def _queued_at(run: Facts) -> datetime | None:
    return None if run.queued_at is None else datetime.fromisoformat(run.queued_at)


def summarize(runs: Sequence[Facts], skips: Mapping[str, int], total: int = 0) -> Statistics:
    """Return statistics of finished runs, newest first, of `total` runs in all, and of skips by reason."""
    states = Counter(run.state for run in runs)
    started = [run for run in reversed(runs) if run.is_started]
    durations = [run.duration for run in started if run.duration is not None]
    skipped = Counter(run.skipped for run in runs if run.skipped is not None)
    skipped.update(skips)
    tried = len(runs) - states[RunState.SKIPPED]
    return Statistics(
        runs=len(runs),
        total=max(total, len(runs)),
        states=dict(states.most_common()),
        success_rate=states[RunState.SUCCEEDED] / tried if tried else None,
        duration=percentiles(durations),
        lateness=percentiles(run.lateness for run in started if run.lateness is not None),
        retries=sum(run.retries for run in runs),
        skipped=dict(skipped.most_common()),
        trend=_trend([run.state == RunState.SUCCEEDED for run in started], durations),
    )


def percentiles(values: Iterable[float]) -> Percentiles | None:
    """Return the percentiles by nearest rank, so that each is one of the values; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    p50, p90, p99 = (percentile(ordered, percent) for percent in (50, 90, 99))
    return Percentiles(p50=p50, p90=p90, p99=p99)


def _trend(successes: Sequence[bool], durations: Sequence[float]) -> Trend:
    """Return the trend of started runs, oldest first; `durations` are those that are known."""
    return Trend(success=_means(successes, fmean), duration=_means(durations, median))


def _means(values: Sequence[float], mean: Callable[[Sequence[float]], float]) -> tuple[float, ...]:
    """Return the mean of each of the parts of equal size into which these values are cut."""
    count = len(values)
    parts = min(TREND_PARTS, count)
    return tuple(mean(values[count * part // parts : count * (part + 1) // parts]) for part in range(parts))
