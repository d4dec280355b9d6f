"""The records of a digest, grouped where they are: failures, skips by job and reason, medians of durations.

A day can have thousands of records, and a digest has some dozen rows about them. So one question reads them together,
and what travels is a row for each group, with the newest of its records, which has the words.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import evolve, frozen

from rae_auto.api.store import CountQuery, Document, LogQuery, StoreReader
from rae_auto.explain.screen_reads import count_entries, read_durations, read_newest
from rae_auto.explain.skip_groups import MAX_ASKED_JOBS, SkipSpan, instant_of, read_skip_groups
from rae_auto.model import documents
from rae_auto.model.run import RunState

BAD_STATES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
MAX_FAILURES = 50
EXAMINED_RUNS = (150, 500)
"""Numbers of successful runs of the span that are read, the newest of all jobs.

The first will do if it has as many slow jobs as are compared.
"""

MAX_COMPARED_JOBS = 30
COMPARED_RUNS, MIN_COMPARED_RUNS = 20, 3

NOTHING_COMPARED = timedelta(days=365)
"""The least duration from which on no run is read to be compared; screens have the same value."""

_INSTANT = timedelta(microseconds=1)

NO_DIGEST: Mapping[str, Any] = {
    "counts": [], "skip_counts": [], "failures": [], "skips": [], "examined_skips": 0,
    "durations": [], "examined_jobs": 0, "all_jobs": 0,
}  # fmt: skip
"""The answer without a store: no runs, no skips."""

IdsOf = Callable[[str], Sequence[str]]
"""Returns all ids that a job has had."""


@frozen
class JobIds:
    """The ids of all jobs, and all ids that each of them has had."""

    jobs: Collection[str]
    """The ids of present jobs. An engine changes its own meanwhile: they are looked up or copied, never iterated."""
    ids_of: IdsOf


def read_digest(
    store: StoreReader,
    ids: JobIds,
    since: datetime,
    until: datetime,
    least_seconds: float,
    max_rows: int | None = None,
) -> dict[str, Any]:
    """Return what a digest says of the records from `since` to before `until`, as JSON for the control socket.

    Jobs whose runs take less than `least_seconds` are not compared with earlier ones. From `NOTHING_COMPARED` on no
    failure is compared with later runs either: none "is_over". At most `max_rows` failures are returned, the newest,
    and as many groups of skips, the most frequent.
    """
    counted, span = CountQuery(since=since, until=until), LogQuery(since=since, until=until - _INSTANT)
    counts = count_entries(store, documents.RUNS, [counted])
    skip_counts = count_entries(store, documents.DECISIONS, [counted])
    skips = SkipSpan(
        span=counted,
        decisions=sum(one["count"] for one in skip_counts),
        has_runs=any(one["outcome"] == RunState.SKIPPED for one in counts),
    )
    groups, examined = read_skip_groups(store, ids.jobs, skips, max_rows)
    failures = evolve(span, states=BAD_STATES, limit=MAX_FAILURES if max_rows is None else min(max_rows, MAX_FAILURES))
    return {
        "counts": counts,
        "skip_counts": skip_counts,
        "failures": _read_failures(store, ids.ids_of, failures, is_compared=not _is_nothing_compared(least_seconds)),
        "skips": [group.record() for group in groups],
        "examined_skips": examined,
        **_compare_durations(store, ids, span, since, least_seconds),
    }


def _is_nothing_compared(least_seconds: float) -> bool:
    return least_seconds >= NOTHING_COMPARED.total_seconds()


def _read_failures(store: StoreReader, ids_of: IdsOf, query: LogQuery, *, is_compared: bool) -> list[dict[str, Any]]:
    """Return the runs of a query, which failed, each with whether a later one of its job succeeded if `is_compared`."""
    bad = store.query(documents.RUNS, query)
    if not is_compared:
        return [{"run": body, "is_over": False} for body in bad]
    # The last one that stays is the oldest. Before it no success counts, and a job may have failed for years.
    failed_at = {str(body.get("job")): instant_of(body, "queued_at") for body in bad}
    success = LogQuery(states=(RunState.SUCCEEDED,), limit=1)
    queries = {job: [evolve(success, job=one, since=at) for one in ids_of(job)] for job, at in failed_at.items()}
    found = read_newest(store, documents.RUNS, queries)
    return [{"run": body, "is_over": _is_over(body, found[str(body.get("job"))])} for body in bad]


def _is_over(bad: Document, successes: Sequence[Document]) -> bool:
    queued_at = instant_of(bad, "queued_at")
    return queued_at is not None and any(
        (at := instant_of(good, "queued_at")) is not None and at > queued_at for good in successes
    )


def _compare_durations(
    store: StoreReader, ids: JobIds, span: LogQuery, since: datetime, least_seconds: float
) -> dict[str, Any]:
    """Return the median durations of jobs in the span and before it, of those that had enough runs before it."""
    from statistics import median  # lazy: memory, asked for rarely

    if _is_nothing_compared(least_seconds):
        return {name: NO_DIGEST[name] for name in ("durations", "examined_jobs", "all_jobs")}
    successes = LogQuery(states=(RunState.SUCCEEDED,))
    newest = evolve(successes, since=span.since, until=span.until)
    for limit in EXAMINED_RUNS:
        by_job = read_durations(store, None, evolve(newest, limit=limit))
        slow = _find_slow(by_job, least_seconds)
        is_full, is_cut = len(slow) >= MAX_COMPARED_JOBS, sum(map(len, by_job.values())) >= limit
        if is_full or not is_cut:
            break
    unasked = 0
    if is_cut:
        # One job that runs each minute has all of the newest, so a nightly one is asked by itself.
        room = 0 if is_full else max(MAX_ASKED_JOBS - len(by_job), 0)
        others = [job for job in list(ids.jobs) if job not in by_job][:room] if room else []
        asked = {job: [evolve(newest, job=job, limit=COMPARED_RUNS)] for job in others}
        unasked = len(ids.jobs) - sum(job in ids.jobs for job in by_job) - len(asked)
        found = {job: durations for job, durations in read_durations(store, asked, newest).items() if durations}
        by_job |= found
        slow |= _find_slow(found, least_seconds)
    before = evolve(successes, until=since, limit=COMPARED_RUNS)
    wanted = list(slow)[:MAX_COMPARED_JOBS]
    queries = {job: [evolve(before, job=one) for one in ids.ids_of(job)] for job in wanted}
    earlier = read_durations(store, queries, before)
    compared = [
        {"job": job, "before": median(found), "now": slow[job], "runs": len(by_job[job])}
        for job, found in earlier.items()
        if len(found) >= MIN_COMPARED_RUNS
    ]
    return {
        "durations": compared,
        "examined_jobs": len(by_job) - len(slow) + len(wanted),
        "all_jobs": len(by_job) + unasked,
    }


def _find_slow(by_job: Mapping[str, Sequence[float]], least_seconds: float) -> dict[str, float]:
    """Return the median durations of jobs, of those where it is not less than so many seconds."""
    from statistics import median  # lazy: memory, asked for rarely

    return {
        job: now
        for job, found in by_job.items()
        # Most medians are those of quick jobs, and need not be found.
        if found and max(found) >= least_seconds and (now := median(found)) >= least_seconds
    }
