"""The commands of the control socket for screens: parts of long lists, counts, future starts.

Records travel as stores keep them, so that the daemon spends no time on values.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from heapq import nsmallest
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from rae_auto.api.store import CountQuery, LogQuery
from rae_auto.control.requests import (
    flag,
    job_names,
    limit_of,
    log_query,
    optional_instant,
    optional_seconds,
    optional_text,
    text,
)
from rae_auto.daemon.answers.status import job_record_of
from rae_auto.engine.state import JobEntry
from rae_auto.errors import BadRequest, JobNotFound
from rae_auto.explain.digest_reads import JobIds, read_digest
from rae_auto.explain.screen_reads import (
    count_each,
    count_entries,
    describe_guards,
    describe_triggers,
    list_starts,
    minute_queries,
    newest_bodies,
    read_durations,
    read_job_span,
    read_newest,
    read_runs,
    read_started_jobs,
)
from rae_auto.explain.trend_reads import KnownTrends
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import time_format
from rae_auto.model.primitives.names import JobId
from rae_auto.model.records import run_record
from rae_auto.model.run import RunState
from rae_auto.records.query_checks import check_limit
from rae_auto.records.runs import query_for_each_id, query_for_id
from rae_auto.runtime.runtime import Runtime
from rae_auto.views.jobs import has_text

MAX_JOBS_AT_ONCE = 1_000
MAX_RUNS_AT_ONCE = 1_000
MAX_STEPS = 10_000

Arguments = Mapping[str, Any]


class ScreenCommands:
    """Answers the questions of screens."""

    def __init__(self, find_runtime: Callable[[], Runtime], find_zone: Callable[[], ZoneInfo]) -> None:
        self._find_runtime = find_runtime
        self._find_zone = find_zone
        self._trends = KnownTrends()

    async def find_jobs(self, arguments: Arguments) -> Any:
        """Return the jobs whose ids or names contain a text, ordered by id: a part of them, and their number."""
        runtime, wanted = self._find_runtime(), optional_text(arguments, "text") or ""
        engine = runtime.engine
        names = list(engine.job_ids())
        matching = [name for name in names if has_text(wanted, name, engine.job(name).job.name)] if wanted else names
        offset = _offset_of(arguments)
        # Only as many as are wanted are put in order, which takes a third of the time of all ten thousand.
        first = nsmallest(offset + min(limit_of(arguments), MAX_JOBS_AT_ONCE), matching)
        shown = [runtime.engine.job(name) for name in first[offset:]]
        return {
            "jobs": [job_record_of(runtime, entry) for entry in shown],
            "matched": len(matching),
            "total": len(names),
        }

    async def job_facts(self, arguments: Arguments) -> Any:
        """Return a job, its state, and the present summaries of its triggers and guards. Raises JobNotFound.

        Guards that read the machine are asked only if that is wished: one may start a program or ask another host.
        """
        runtime = self._find_runtime()
        entry = _find_entry(runtime, JobId(text(arguments, "job")))
        guards = describe_guards(entry.plan, runtime.now())
        asked = await runtime.inputs.ask_guards(entry.plan) if flag(arguments, "asks_guards") else {}
        guards |= {id_: f"{result.verdict}: {result.reason}" for id_, result in asked.items()}
        last = entry.state.last_run and await runtime.runs(query_for_id(entry.state.last_run))
        return {
            "definition": documents.dump(entry.job),
            "info": job_record_of(runtime, entry),
            "last": run_record(last[0]) if last else None,
            "triggers": describe_triggers(entry.plan),
            "trigger_problems": dict(runtime.factory.trigger_problems(entry.plan)),
            "guards": guards,
            "asked_guards": list(asked),
            "former_invocations": [documents.dump(one) for one in entry.state.former_invocations],
        }

    async def definitions(self, arguments: Arguments) -> Any:
        """Return definitions of jobs with the facts that decide their next start: a part of them, and their number."""
        runtime = self._find_runtime()
        entries = list(runtime.engine.jobs())
        shown = entries[_offset_of(arguments) :][: min(limit_of(arguments), MAX_JOBS_AT_ONCE)]
        return {"jobs": [_definition_of(entry) for entry in shown], "total": len(entries)}

    async def stored_runs(self, arguments: Arguments) -> Any:
        """Return runs as stores keep them, open ones included, newest first."""
        return await self._read_log(documents.RUNS, log_query(arguments, self._find_zone()))

    async def runs_by_id(self, arguments: Arguments) -> Any:
        """Return runs by their ids as stores keep them, those that are found."""
        runs, runtime = job_names({"jobs": arguments.get("runs")}, ())[:MAX_RUNS_AT_ONCE], self._find_runtime()
        opened = [entry.run for entry in runtime.engine.runs()]
        return await runtime.read_store(lambda store: read_runs(store, runs, opened))

    async def newest_runs(self, arguments: Arguments) -> Any:
        """Return the newest runs of each job as stores keep them, open ones included."""
        runtime = self._find_runtime()
        queries = self._queries_of_jobs(arguments)
        opened = [entry.run for entry in runtime.engine.runs()]
        return await runtime.read_store(lambda store: read_newest(store, documents.RUNS, queries, opened))

    async def newest_skips(self, arguments: Arguments) -> Any:
        """Return the newest decisions of each job that led to no run, as stores keep them."""
        queries = self._queries_of_jobs(arguments)
        return await self._find_runtime().read_store(lambda store: read_newest(store, documents.DECISIONS, queries))

    async def durations(self, arguments: Arguments) -> Any:
        """Return the seconds that successful runs took, by job."""
        given = {**arguments, "states": [RunState.SUCCEEDED.value]}
        span = log_query({**given, "jobs": None}, self._find_zone())
        queries = None if arguments.get("jobs") is None else self._queries_of_jobs(given)
        return await self._find_runtime().read_store(lambda store: read_durations(store, queries, span))

    async def trends(self, arguments: Arguments) -> Any:
        """Return the figures of all runs of a job, grouped, and the newest durations."""
        runtime, zone, limit = self._find_runtime(), self._find_zone(), limit_of(arguments)
        ids = runtime.engine.ids_of(text(arguments, "job"))
        return await runtime.read_store(lambda store: self._trends.read(store, ids, zone, limit))

    async def started_jobs(self, arguments: Arguments) -> Any:
        """Return the jobs of runs that are over, by the minute in which they were queued."""
        given, limit = arguments.get("minutes"), limit_of(arguments)
        if not isinstance(given, list) or len(given) > MAX_JOBS_AT_ONCE:
            raise BadRequest(f'"minutes" must be a list of at most {MAX_JOBS_AT_ONCE} instants')
        zone = self._find_zone()
        minutes = [at for one in given if (at := optional_instant({"minutes": one}, "minutes", zone)) is not None]
        queries = minute_queries(minutes, limit)
        return await self._find_runtime().read_store(lambda store: read_started_jobs(store, queries))

    async def digest_records(self, arguments: Arguments) -> Any:
        """Return what a digest says of the records of a span, grouped."""
        runtime, span = self._find_runtime(), self._span_of(arguments)
        since, until, least = span.since, span.until, optional_seconds(arguments, "least_seconds")
        if since is None or until is None:
            raise BadRequest('"digest_records" needs "since" and "until"')
        rows = arguments.get("max_rows")
        max_rows = None if rows is None else check_limit(rows, "max_rows")
        ids = JobIds(runtime.engine.job_ids(), runtime.engine.ids_of)
        return await runtime.read_store(lambda store: read_digest(store, ids, since, until, least or 0, max_rows))

    def _queries_of_jobs(self, arguments: Arguments) -> dict[str, list[LogQuery]]:
        """Return the queries for all ids that each job of a request has had. Errors: BadRequest."""
        jobs, ids_of = job_names(arguments, ())[:MAX_JOBS_AT_ONCE], self._find_runtime().engine.ids_of
        query = log_query({name: value for name, value in arguments.items() if name != "jobs"}, self._find_zone())
        return {job: [evolve(query, job=one) for one in ids_of(job)] for job in jobs}

    async def stored_skips(self, arguments: Arguments) -> Any:
        """Return decisions that led to no run as stores keep them, newest first."""
        return await self._read_log(documents.DECISIONS, log_query(arguments, self._find_zone()))

    async def _read_log(self, log: str, query: LogQuery) -> Any:
        runtime = self._find_runtime()
        queries = query_for_each_id(query, runtime.engine.ids_of)
        opened = [entry.run for entry in runtime.engine.runs()] if log == documents.RUNS else []
        return await runtime.read_store(lambda store: newest_bodies(store, log, queries, opened))

    async def count(self, arguments: Arguments) -> Any:
        """Return how many runs that are over, or decisions to skip, there are in a span, by outcome and step."""
        runtime, log = self._find_runtime(), _log_of(arguments)
        span, job = self._span_of(arguments), optional_text(arguments, "job")
        jobs = [None] if job is None else runtime.engine.ids_of(job)
        queries = [evolve(span, job=one) for one in jobs]
        return await runtime.read_store(lambda store: count_entries(store, log, queries))

    async def count_steps(self, arguments: Arguments) -> Any:
        """Return how many runs that are over, or decisions to skip, there are in each step of a span, by outcome."""
        span, log = self._span_of(arguments), _log_of(arguments)
        if span.since is None or span.until is None or span.step is None:
            raise BadRequest('"count_steps" needs "since", "until" and "step"')
        if not 0 < (span.until - span.since) / span.step <= MAX_STEPS:
            raise BadRequest(f'"count_steps" counts from 1 to {MAX_STEPS:,} steps')
        return await self._find_runtime().read_store(lambda store: store.count_each_step(log, span))

    async def count_each(self, arguments: Arguments) -> Any:
        """Return how many runs that are over, or decisions to skip, each job has on record, by outcome."""
        runtime, log = self._find_runtime(), _log_of(arguments)
        jobs = {job: runtime.engine.ids_of(job) for job in job_names(arguments, ())[:MAX_JOBS_AT_ONCE]}
        return await runtime.read_store(lambda store: count_each(store, log, jobs))

    def _span_of(self, arguments: Arguments) -> CountQuery:
        """Return the span and the step of a request. Errors: BadRequest."""
        zone, minutes = self._find_zone(), arguments.get("step")
        if minutes is not None and (type(minutes) is not int or not 0 < minutes <= 1_000_000):
            raise BadRequest('"step" must be a number of minutes')
        since, until = optional_instant(arguments, "since", zone), optional_instant(arguments, "until", zone)
        if minutes is not None and since is None:
            raise BadRequest('"step" needs "since", where the first step begins')
        return CountQuery(since=since, until=until, step=None if minutes is None else timedelta(minutes=minutes))

    async def job_spans(self, arguments: Arguments) -> Any:
        """Return the records of jobs in a span, and their starts to come in it. Raises JobNotFound."""
        runtime, span, limit = self._find_runtime(), self._span_of(arguments), limit_of(arguments)
        if span.since is None or span.until is None:
            raise BadRequest('"job_spans" needs "since" and "until"')
        engine, until = runtime.engine, span.until
        entries = [engine.job(JobId(name)) for name in job_names(arguments, ())][:MAX_JOBS_AT_ONCE]
        opened = [[one.run for one in engine.runs(entry.job.id)] for entry in entries]
        ids = [engine.ids_of(entry.job.id) for entry in entries]
        answers = await runtime.read_store(
            lambda store: [read_job_span(store, *one, span, limit) for one in zip(ids, opened, strict=True)]
        )
        after, is_enabled = max(span.since, runtime.now()), engine.settings_enabled
        time = time_format(self._find_zone(), runtime.now(), local=True)
        for entry, answer in zip(entries, answers, strict=True):
            plans = [(entry.plan, entry.state)] if entry.job.enabled and is_enabled and after < until else []
            answer["starts"] = list(islice(list_starts(plans, after, until, time), limit))
        return {entry.job.id: answer for entry, answer in zip(entries, answers, strict=True)}

    async def starts(self, arguments: Arguments) -> Any:
        """Return the scheduled starts to come, of a job or of all; of each the first `max_each`. Raises JobNotFound."""
        runtime, zone = self._find_runtime(), self._find_zone()
        since, until = optional_instant(arguments, "since", zone), optional_instant(arguments, "until", zone)
        job, engine = optional_text(arguments, "job"), runtime.engine
        after, limit = since or runtime.now(), limit_of(arguments)
        # Of all jobs those that are due first have the first starts; the others need not be computed.
        names = [JobId(job)] if job is not None else [first for _, first in engine.next_starts(limit, after)]
        entries = [engine.job(name) for name in names]
        enabled = [entry for entry in entries if entry.job.enabled and engine.settings_enabled]
        plans = [(entry.plan, entry.state) for entry in enabled]
        time = time_format(zone, runtime.now(), local=True)
        each = arguments.get("max_each")
        max_each = None if each is None else check_limit(each, "max_each")
        return list(islice(list_starts(plans, after, until, time, max_each), limit))


def _definition_of(entry: JobEntry) -> dict[str, Any]:
    state = entry.state
    return {
        "definition": documents.dump(entry.job),
        "paused": state.paused,
        "paused_until": _text_of(state.paused_until),
        "skips": [_text_of(skip.at) for skip in state.skips],
    }


def _text_of(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat()


def _log_of(arguments: Arguments) -> str:
    log = text(arguments, "log")
    if log not in (documents.RUNS, documents.DECISIONS):
        raise BadRequest('"log" must be "runs" or "decisions"')
    return log


def _offset_of(arguments: Arguments) -> int:
    offset = arguments.get("offset") or 0
    if type(offset) is not int or offset < 0:
        raise BadRequest('"offset" must be a number, 0 or more')
    return offset


def _find_entry(runtime: Runtime, job: JobId) -> JobEntry:
    """Return a job by its id, or by one that it had before it was renamed. Raises JobNotFound."""
    try:
        return runtime.engine.job(job)
    except JobNotFound:
        found = next((entry for entry in runtime.engine.jobs() if job in entry.state.former_ids), None)
        if found is None:
            raise
        return found
