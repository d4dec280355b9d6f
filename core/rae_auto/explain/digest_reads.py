"""The records of a digest, grouped where they are: failures, skips by job and reason, medians of durations.

A day can have thousands of records, and a digest has some dozen rows about them. So one question reads them together,
and what travels is a row for each group, with the newest of its records, which has the words.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from attrs import evolve, frozen

from rae_auto.api.store import CountQuery, Document, LogQuery, StoreReader
from rae_auto.explain.screen_reads import count_entries, read_durations, read_newest
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.reasons import Missed
from rae_auto.model.reasons.base import MissedCause
from rae_auto.model.run import RunState

BAD_STATES = (RunState.FAILED, RunState.TIMED_OUT, RunState.LOST)
MAX_FAILURES = 50
MAX_SKIPS = 500
"""Number of skips that are read, the newest; of more of them the numbers of each job come from the index."""

EXAMINED_RUNS = (200, 500)
"""Numbers of successful runs of the span that are read, the newest of all jobs.

The first will do if it has as many slow jobs as are compared.
"""

MAX_ASKED_JOBS = 100
"""Number of jobs up to which others are asked one by one where few have all of the newest records."""

MAX_COMPARED_JOBS = 40
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
    skips = _read_skips(store, span, has_runs=any(one["outcome"] == RunState.SKIPPED for one in counts))
    is_cut = sum(one["count"] for one in skip_counts) > MAX_SKIPS
    groups = _count_groups(store, ids.jobs, counted, skips) if is_cut else _group_skips(skips)
    shown = groups if max_rows is None else sorted(groups, key=lambda group: -group.count)[:max_rows]
    failures = evolve(span, states=BAD_STATES, limit=MAX_FAILURES if max_rows is None else min(max_rows, MAX_FAILURES))
    return {
        "counts": counts,
        "skip_counts": skip_counts,
        "failures": _read_failures(store, ids.ids_of, failures, is_compared=not _is_nothing_compared(least_seconds)),
        "skips": [group.record() for group in shown],
        "examined_skips": sum(group.count for group in groups),
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
    failed_at = {str(body.get("job")): _instant_of(body, "queued_at") for body in bad}
    success = LogQuery(states=(RunState.SUCCEEDED,), limit=1)
    queries = {job: [evolve(success, job=one, since=at) for one in ids_of(job)] for job, at in failed_at.items()}
    found = read_newest(store, documents.RUNS, queries)
    return [{"run": body, "is_over": _is_over(body, found[str(body.get("job"))])} for body in bad]


def _is_over(bad: Document, successes: Sequence[Document]) -> bool:
    queued_at = _instant_of(bad, "queued_at")
    return queued_at is not None and any(
        (at := _instant_of(good, "queued_at")) is not None and at > queued_at for good in successes
    )


@frozen
class _Skip:
    """A decision not to run, or a run that was skipped after a wait."""

    log: str
    job: str
    reason: str
    """The code of the reason, or the state of a run without one."""
    decided_at: datetime
    at: str
    starts: int
    has_more: bool
    """True if it is about more starts than were counted."""
    kind: str
    """The guard, needed job or cause of a miss that the reason names; "" if it names none."""
    body: Document


@frozen
class _SkipGroup:
    """Skips of a job for one reason, and the newest of them, which were read, newest first."""

    skips: list[_Skip]
    count: int

    def record(self) -> dict[str, Any]:
        """Return its JSON."""
        newest, unread = self.skips[0], self.count - len(self.skips)
        return {
            "job": newest.job,
            "reason": newest.reason,
            "count": self.count,
            "examined": len(self.skips),
            # One that wasn't read is about one start at least.
            "starts": sum(skip.starts for skip in self.skips) + unread,
            "has_more_starts": unread > 0 or any(skip.has_more for skip in self.skips),
            "last_at": newest.at,
            "kinds": dict(Counter(skip.kind for skip in self.skips if skip.kind)),
            "log": newest.log,
            "newest": newest.body,
        }


def _read_skips(store: StoreReader, span: LogQuery, *, has_runs: bool) -> list[_Skip]:
    """Return the newest skips of a span, the newest first; runs were skipped after a wait only if it `has_runs`.

    So many of each of both: decisions, of which there are more, must not hide runs.
    """
    decisions = store.query(documents.DECISIONS, evolve(span, limit=MAX_SKIPS))
    found = [_skip_of(documents.DECISIONS, body, "decided_at", "at") for body in decisions]
    if has_runs:
        runs = store.query(documents.RUNS, evolve(span, states=(RunState.SKIPPED,), limit=MAX_SKIPS))
        found += [_skip_of(documents.RUNS, body, "queued_at", "scheduled_for") for body in runs]
    known = [skip for skip in found if skip is not None]
    return sorted(known, key=lambda skip: skip.decided_at, reverse=True)


def _skip_of(log: str, body: Document, decided_at: str, at: str) -> _Skip | None:
    """Return a skip; None for the document of another program."""
    decided = _instant_of(body, decided_at)
    try:
        reason = body.get("reason")
        code = str(body["state"]) if reason is None else documents.reason_code(reason)
        has_more = code == Missed.code and isinstance(reason, Mapping) and bool(reason.get("has_older"))
        starts = int(body.get("count", 1))
        return (
            None
            if decided is None
            else _Skip(log, str(body["job"]), code, decided, str(body[at]), starts, has_more, _kind_of(reason), body)
        )
    except (KeyError, TypeError, ValueError):
        return None


def _kind_of(reason: object) -> str:
    """Return what the document of a reason names, in words that stand for skips of the same kind."""
    if not isinstance(reason, Mapping):
        return ""
    for name, words in (("guard", "guard"), ("job", "needed job")):
        if name in reason:
            return f"{words} {quote(str(reason[name]))}"
    return MissedCause(reason["cause"]).text if "cause" in reason else ""


def _group_skips(skips: Sequence[_Skip]) -> list[_SkipGroup]:
    """Return the skips of each job and reason."""
    groups: dict[tuple[str, str], list[_Skip]] = {}
    for skip in skips:
        groups.setdefault((skip.job, skip.reason), []).append(skip)
    return [_SkipGroup(found, len(found)) for found in groups.values()]


def _count_groups(
    store: StoreReader, jobs: Collection[str], span: CountQuery, skips: Sequence[_Skip]
) -> list[_SkipGroup]:
    """Return the skips of each job and reason where there are more than were read: these name jobs and reasons.

    How many there are is in the index, job by job. The newest ones may all be of one job, so that others are asked too.
    """
    groups = {(group.skips[0].job, group.skips[0].reason): group for group in _group_skips(skips)}
    named = Counter(skip.job for skip in skips)
    others = islice((job for job in list(jobs) if job not in named), MAX_ASKED_JOBS)
    for job in (*(job for job, _ in named.most_common(MAX_ASKED_JOBS)), *others):
        for found in store.count(documents.DECISIONS, evolve(span, job=job)):
            known = groups.get((job, found.state))
            read = known.skips if known else _read_newest_skip(store, job, found.state, span)
            if read:
                runs = sum(skip.log == documents.RUNS for skip in read)
                groups[job, found.state] = _SkipGroup(read, found.count + runs)
    return sorted(groups.values(), key=lambda group: group.skips[0].decided_at, reverse=True)


def _read_newest_skip(store: StoreReader, job: str, reason: str, span: CountQuery) -> list[_Skip]:
    assert span.until is not None
    query = LogQuery(job=job, states=(reason,), since=span.since, until=span.until - _INSTANT, limit=1)
    found = (
        _skip_of(documents.DECISIONS, body, "decided_at", "at") for body in store.query(documents.DECISIONS, query)
    )
    return [skip for skip in found if skip is not None]


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


def _instant_of(body: Document, name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(body[name])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
