"""Reads of screens, from an engine and from a store alike, as JSON for the control socket."""

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from attrs import evolve

from rae_auto.api.store import CountQuery, Document, LogQuery, StoreReader
from rae_auto.engine.plan import Plan
from rae_auto.explain.next_start import NextStart
from rae_auto.explain.upcoming import iterate_starts
from rae_auto.model import documents
from rae_auto.model.guard import EXECUTOR_GUARD
from rae_auto.model.job_state import JobState
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run, RunState
from rae_auto.model.schedule import describe_schedule

RAN_STATES = tuple(state for state in RunState if state.final and state is not RunState.SKIPPED)


def newest_bodies(
    store: StoreReader, log: str, queries: Sequence[LogQuery], opened: Sequence[Run] = ()
) -> list[Document]:
    """Return the documents of a log that match one of the queries, and open runs, newest first."""
    if len(queries) == 1 and not opened:
        is_empty = log == documents.RUNS and _is_for_open_runs(queries[0])
        return [] if is_empty else list(store.query(log, queries[0]))
    order = "queued_at" if log == documents.RUNS else "decided_at"
    found: dict[str, Document] = {}
    for query in queries:
        for body in () if log == documents.RUNS and _is_for_open_runs(query) else store.query(log, query):
            found[str(body.get("id", len(found))) if log == documents.RUNS else f"{len(found)}"] = body
        for run in opened:
            if run.id not in found and query.matches(run.id, run.job, run.state, run.queued_at):
                found[run.id] = documents.dump(run)

    def instant_of(body: Document) -> datetime:
        # Instants are in UTC, with and without a fraction of a second, so as texts they have another order.
        try:
            return datetime.fromisoformat(body[order])
        except (KeyError, TypeError, ValueError):
            # Of another program; its conversion to a value reports that.
            return datetime.min.replace(tzinfo=UTC)

    bodies = sorted(found.values(), key=instant_of, reverse=True)
    return bodies[: queries[0].limit]


def _is_for_open_runs(query: LogQuery) -> bool:
    """Return whether a query asks for open runs alone, of which the log has none."""
    return bool(query.states) and not any(RunState(state).final for state in query.states)


def count_entries(store: StoreReader, log: str, queries: Sequence[CountQuery]) -> list[dict[str, Any]]:
    """Return the numbers of entries of several queries together."""
    counted: Counter[tuple[datetime | None, str]] = Counter()
    if len(queries) == 1:
        numbers = [(one.start, one.state, one.count) for one in store.count(log, queries[0])]
    else:
        for query in queries:
            for found in store.count(log, query):
                counted[found.start, found.state] += found.count
        numbers = [(*key, count) for key, count in counted.items()]
    return [
        {"start": None if start is None else start.isoformat(), "outcome": outcome, "count": count}
        for start, outcome, count in numbers
    ]


def count_each(store: StoreReader, log: str, jobs: Mapping[str, Sequence[str]]) -> dict[str, list[dict[str, Any]]]:
    """Return the numbers of entries of each job, given with all ids that it had."""
    return {job: count_entries(store, log, [CountQuery(job=one) for one in ids]) for job, ids in jobs.items()}


def read_runs(store: StoreReader, runs: Sequence[str], opened: Sequence[Run]) -> list[Document]:
    """Return the documents of runs by their ids, those that are found."""
    found = (newest_bodies(store, documents.RUNS, [LogQuery(key=run, limit=1)], opened) for run in runs)
    return [body for bodies in found for body in bodies]


def read_newest(
    store: StoreReader, log: str, jobs: Mapping[str, Sequence[LogQuery]], opened: Sequence[Run] = ()
) -> dict[str, list[Document]]:
    """Return the newest documents of each job in a log, given with the queries for all ids that it had."""
    return {job: newest_bodies(store, log, queries, opened) for job, queries in jobs.items()}


def minute_queries(minutes: Sequence[datetime], limit: int) -> list[LogQuery]:
    """Return queries for the newest runs that were queued in each minute, without those that were skipped."""
    length, last = timedelta(minutes=1), timedelta(microseconds=1)
    return [LogQuery(since=at, until=at + length - last, states=RAN_STATES, limit=limit) for at in minutes]


def read_started_jobs(store: StoreReader, spans: Sequence[LogQuery]) -> list[list[str]]:
    """Return the jobs of the runs that each query finds, the newest first."""
    return [list(dict.fromkeys(str(body.get("job")) for body in store.query(documents.RUNS, span))) for span in spans]


def read_durations(
    store: StoreReader, jobs: Mapping[str, Sequence[LogQuery]] | None, span: LogQuery
) -> dict[str, list[float]]:
    """Return how many seconds successful runs took, by job, newest first: of each of these jobs, or of all together.

    Of ten thousand numbers the documents would be a hundred times as long.
    """
    found: dict[str, list[float]] = {}
    if jobs is None:
        for body in store.query(documents.RUNS, span):
            durations = found.setdefault(str(body.get("job")), [])
            if (seconds := documents.duration_of(body)) is not None:
                durations.append(seconds)
        return found
    for job, queries in jobs.items():
        each = map(documents.duration_of, newest_bodies(store, documents.RUNS, queries))
        found[job] = [seconds for seconds in each if seconds is not None]
    return found


EARLIER_RUNS = 10
"""Number of runs before a span that are read: among them are those that were still open when it began.

Where there are too many runs in the span, they are the newest of these.
"""


USUAL_RUNS = 3
"""Number of these that are passed on, to tell how long a run usually takes."""


def read_job_span(
    store: StoreReader, jobs: Sequence[str], opened: Sequence[Run], span: CountQuery, limit: int
) -> dict[str, Any]:
    """Return the records of a job, by all ids that it had, in a span: documents, or numbers if there are too many."""
    assert span.since is not None
    runs, run_count = _read_span(store, documents.RUNS, jobs, opened, span, limit)
    skips, skip_count = _read_span(store, documents.DECISIONS, jobs, (), span, limit)
    before = [LogQuery(job=job, until=span.since - _INSTANT, limit=EARLIER_RUNS) for job in jobs]
    earlier = newest_bodies(store, documents.RUNS, before, opened)
    reaching = [body for body in earlier if _ended_after(body, span.since)]
    counts: list[dict[str, Any]] = []
    wanted = [evolve(span, job=job) for job in jobs]
    if run_count > limit:
        found = count_entries(store, documents.RUNS, wanted)
        # Those that go on are in no count.
        bounds = LogQuery(since=span.since, until=span.until, limit=limit + 1, states=_OPEN_STATES)
        going_on = newest_bodies(store, documents.RUNS, [evolve(bounds, job=job) for job in jobs], opened)
        run_count = sum(one["count"] for one in found) + len(going_on)
        earlier = [body for body in runs[:EARLIER_RUNS] if not _is_open(body)]
        runs, reaching = going_on, [body for body in reaching if _is_open(body)]
        counts += found
    if skip_count > limit:
        found = [{**one, "outcome": "decided_skip"} for one in count_entries(store, documents.DECISIONS, wanted)]
        skip_count, skips = sum(one["count"] for one in found), []
        counts += found
    return {
        "runs": [*runs, *reaching],
        "skips": skips,
        "counts": counts,
        "run_count": run_count + len(reaching),
        "skip_count": skip_count,
        "earlier": [body for body in earlier if body not in reaching][:USUAL_RUNS],
    }


def _read_span(
    store: StoreReader, log: str, jobs: Sequence[str], opened: Sequence[Run], span: CountQuery, limit: int
) -> tuple[list[Document], int]:
    """Return the documents of a job in a span, newest first, and their number; if that exceeds the limit, only some.

    A job with many has its numbers shown instead, and these are in an index. So all are read only where they are few.
    """

    def read(most: int) -> list[Document]:
        bounds = LogQuery(since=span.since, until=span.until, limit=most)
        return newest_bodies(store, log, [evolve(bounds, job=job) for job in jobs], opened)

    bodies = read(min(limit, EARLIER_RUNS) + 1)
    if len(bodies) <= EARLIER_RUNS or len(bodies) > limit:
        return bodies, len(bodies)
    found = count_entries(store, log, [evolve(span, job=job, step=None) for job in jobs])
    bounds = LogQuery(since=span.since, until=span.until)
    count = sum(one["count"] for one in found)
    count += sum(bounds.matches(run.id, run.job, run.state, run.queued_at) for run in opened)
    if count > limit:
        return bodies, count
    bodies = read(limit + 1)
    return bodies, len(bodies)


_INSTANT = timedelta(microseconds=1)
_OPEN_STATES = tuple(state for state in RunState if not state.final)


def _is_open(body: Document) -> bool:
    return body.get("finished_at") is None


def _ended_after(body: Document, instant: datetime) -> bool:
    finished_at = body.get("finished_at")
    return finished_at is None or datetime.fromisoformat(finished_at) >= instant


def describe_triggers(plan: Plan) -> dict[str, str]:
    """Return when each trigger of a job fires, by id: as a sentence where it has one, else in a few words."""
    refs = plan.job.schedule
    summaries = plan.summaries or tuple(ref.type for ref in refs)
    return {ref.id: _describe_trigger(plan, ref) or summary for ref, summary in zip(refs, summaries, strict=True)}


def _describe_trigger(plan: Plan, ref: TriggerRef) -> str | None:
    schedule = plan.schedules.get(ref.id)
    sentence = None if schedule is None else describe_schedule(schedule)
    own_zone = ref.options.get("timezone")
    return f"{sentence} ({own_zone})" if sentence and own_zone else sentence


def describe_guards(plan: Plan, now: datetime) -> dict[str, str]:
    """Return the answers of the guards of a job that can be computed, by id; those that read the machine: unknown."""
    answers = {}
    for name, guard in plan.guards.items():
        if guard is None:
            what = "it is asked" if name == EXECUTOR_GUARD else "it reads the machine"
            answers[name] = f"unknown: {what} when a run is to start"
        else:
            result = guard.evaluate(now)
            answers[name] = f"{'yes' if result.allows else 'no'}: {result.reason}"
    return answers


def list_starts(
    plans: Iterable[tuple[Plan, JobState | None]],
    after: datetime,
    until: datetime | None,
    time: TimeFormat,
    max_each: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the starts of jobs after `after` and before `until`, ascending; `time` writes the instants in notes.

    Of each job they are the first `max_each`, or all.
    """
    found = heapq.merge(
        *(islice(_starts_of(plan, state, after), max_each) for plan, state in plans if not _is_paused_for_good(state)),
        key=lambda pair: pair[0].due_at,
    )
    for start, job in found:
        if until is not None and start.due_at >= until:
            return
        notes = [start.note, None if start.blocker is None else start.blocker.describe(time)]
        yield {
            "job": job,
            "due_at": start.due_at.isoformat(),
            "starts_at": None if start.starts_at is None else start.starts_at.isoformat(),
            "note": "; ".join(filter(None, notes)),
        }


def _starts_of(plan: Plan, state: JobState | None, after: datetime) -> Iterator[tuple[NextStart, str]]:
    return ((start, plan.job.id) for start in iterate_starts(plan, state, after))


def _is_paused_for_good(state: JobState | None) -> bool:
    return state is not None and state.paused and state.paused_until is None
