"""The skips of a span by job and reason, each group with the newest of them, which has the words."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from attrs import evolve, frozen

from rae_auto.api.store import CountQuery, Document, EntryCount, LogQuery, StoreReader
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.reasons import Missed
from rae_auto.model.reasons.base import MissedCause
from rae_auto.model.run import RunState

MAX_SKIPS = 500
"""Number of skips that are read, the newest; of more of them the numbers of each job come from the index."""

MAX_ASKED_JOBS = 100
"""Number of jobs up to which others are asked one by one where few have all of the newest records."""


@frozen(kw_only=True)
class SkipSpan:
    """Which skips are grouped."""

    span: CountQuery
    decisions: int
    """Number of decisions in the span that led to no run."""
    has_runs: bool
    """True if runs of the span were skipped after a wait."""

    @property
    def bounds(self) -> LogQuery:
        """The query for the newest of them, the newest first."""
        assert self.span.until is not None
        return LogQuery(since=self.span.since, until=self.span.until - _INSTANT, limit=MAX_SKIPS)


_INSTANT = timedelta(microseconds=1)


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
class SkipGroupRead:
    """Skips of a job for one reason, and the newest of them, which were read, newest first."""

    skips: list[_Skip]
    count: int

    @property
    def job(self) -> str:
        """The job that did not start."""
        return self.skips[0].job

    @property
    def reason(self) -> str:
        """The code of the reason."""
        return self.skips[0].reason

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


def read_skip_groups(
    store: StoreReader, jobs: Collection[str], skips: SkipSpan, max_groups: int | None = None
) -> tuple[list[SkipGroupRead], int]:
    """Return the skips of each job and reason, and how many they are together; `jobs` are all that are present.

    With `max_groups` only the most frequent groups are returned, the most frequent first. Then each is counted without
    its documents, and all that is read of it is the newest.
    """
    if max_groups is not None:
        return _read_frequent_groups(store, jobs, skips, max_groups)
    found = [*_read_decisions(store, skips.bounds), *_read_skipped_runs(store, skips)]
    # Of decisions there are more, which must not hide runs: so many of each are read.
    found.sort(key=_decided_at, reverse=True)
    groups = _group_skips(found)
    if skips.decisions > MAX_SKIPS:
        groups = _count_groups(store, jobs, skips.span, groups)
    return groups, sum(group.count for group in groups)


def _read_frequent_groups(
    store: StoreReader, jobs: Collection[str], skips: SkipSpan, max_groups: int
) -> tuple[list[SkipGroupRead], int]:
    heads = store.read_heads(documents.DECISIONS, skips.bounds)
    decided = Counter((head.job, head.state) for head in heads)
    if skips.decisions > MAX_SKIPS:
        for job, found in _count_by_job(store, jobs, Counter(head.job for head in heads), skips.span):
            decided[job, found.state] = found.count
    runs = {(group.job, group.reason): group.skips for group in _group_skips(_read_skipped_runs(store, skips))}
    counts = decided + Counter({key: len(skipped) for key, skipped in runs.items()})
    newest = {(head.job, head.state): head.at for head in reversed(heads)}
    for key, skipped in runs.items():
        newest[key] = max(skipped[0].decided_at, newest.get(key, _OLDEST))
    # Those that are not among the newest are older.
    ordered = sorted(counts, key=lambda key: (counts[key], newest.get(key, _OLDEST)), reverse=True)
    groups = []
    for key in islice(ordered, max_groups):
        read = [*(_read_newest_decision(store, *key, skips.span) if decided[key] else ()), *runs.get(key, ())]
        if read:
            groups.append(SkipGroupRead(sorted(read, key=_decided_at, reverse=True), counts[key]))
    return groups, counts.total()


_OLDEST = datetime.min.replace(tzinfo=UTC)


def _decided_at(skip: _Skip) -> datetime:
    return skip.decided_at


def _read_decisions(store: StoreReader, query: LogQuery) -> list[_Skip]:
    found = store.query(documents.DECISIONS, query)
    return _drop_foreign(_skip_of(documents.DECISIONS, body, "decided_at", "at") for body in found)


def _read_skipped_runs(store: StoreReader, skips: SkipSpan) -> list[_Skip]:
    """Return the newest runs of the span that were skipped after a wait; what their states are says no reason."""
    if not skips.has_runs:
        return []
    found = store.query(documents.RUNS, evolve(skips.bounds, states=(RunState.SKIPPED,)))
    return _drop_foreign(_skip_of(documents.RUNS, body, "queued_at", "scheduled_for") for body in found)


def _drop_foreign(skips: Iterable[_Skip | None]) -> list[_Skip]:
    return [skip for skip in skips if skip is not None]


def _skip_of(log: str, body: Document, decided_at: str, at: str) -> _Skip | None:
    """Return a skip; None for the document of another program."""
    decided = instant_of(body, decided_at)
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


def _group_skips(skips: Sequence[_Skip]) -> list[SkipGroupRead]:
    """Return the skips of each job and reason."""
    groups: dict[tuple[str, str], list[_Skip]] = {}
    for skip in skips:
        groups.setdefault((skip.job, skip.reason), []).append(skip)
    return [SkipGroupRead(found, len(found)) for found in groups.values()]


def _count_groups(
    store: StoreReader, jobs: Collection[str], span: CountQuery, groups: Sequence[SkipGroupRead]
) -> list[SkipGroupRead]:
    """Return the skips of each job and reason where there are more than were read, which are in `groups`."""
    counted = {(group.job, group.reason): group for group in groups}
    named = Counter(skip.job for group in groups for skip in group.skips)
    for job, found in _count_by_job(store, jobs, named, span):
        known = counted.get((job, found.state))
        read = known.skips if known else _read_newest_decision(store, job, found.state, span)
        if read:
            runs = sum(skip.log == documents.RUNS for skip in read)
            counted[job, found.state] = SkipGroupRead(read, found.count + runs)
    return sorted(counted.values(), key=lambda group: group.skips[0].decided_at, reverse=True)


def _count_by_job(
    store: StoreReader, jobs: Collection[str], named: Counter[str], span: CountQuery
) -> Iterator[tuple[str, EntryCount]]:
    """Yield the numbers of decisions of jobs, by job and reason: those that the newest decisions name, and others.

    How many there are is in the index, job by job. The newest ones may all be of one job, so that others are asked too.
    """
    others = islice((job for job in list(jobs) if job not in named), MAX_ASKED_JOBS)
    for job in (*(job for job, _ in named.most_common(MAX_ASKED_JOBS)), *others):
        for found in store.count(documents.DECISIONS, evolve(span, job=job)):
            yield job, found


def _read_newest_decision(store: StoreReader, job: str, reason: str, span: CountQuery) -> list[_Skip]:
    assert span.until is not None
    query = LogQuery(job=job, states=(reason,), since=span.since, until=span.until - _INSTANT, limit=1)
    return _read_decisions(store, query)


def instant_of(body: Document, name: str) -> datetime | None:
    """Return an instant in a document; None if it isn't there, or is none of ours."""
    try:
        found = datetime.fromisoformat(body[name])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None
