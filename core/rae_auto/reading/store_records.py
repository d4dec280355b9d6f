"""Records from a store and its configuration, while no daemon answers. Each question opens the store for reading.

Either none runs, so that active runs are as the last one left them, or one leads elsewhere, so that they are running.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from attrs import evolve

from rae_auto._version import __version__
from rae_auto.api.store import CountQuery, LogQuery, Store
from rae_auto.engine.plan import Plan
from rae_auto.errors import DaemonUnreachable, JobNotFound, PluginError, StoreError
from rae_auto.explain.digest_reads import NO_DIGEST, JobIds, read_digest
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
from rae_auto.explain.trend_reads import NO_TRENDS, read_trends
from rae_auto.model import documents
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.primitives.formatting import time_format
from rae_auto.model.records import run_record, waiting_record
from rae_auto.model.run import Run
from rae_auto.offline import job_queries, queries
from rae_auto.offline.leadership import Lead, find_absence, find_last_sight
from rae_auto.offline.project import Project
from rae_auto.reading.places import find_place
from rae_auto.reading.record_source_base import RecordSourceBase
from rae_auto.reading.standby_status import ask_standby, describe_role
from rae_auto.records.presence_log import PresenceSpan, is_compared
from rae_auto.records.runs import find_pid, query_for_each_id
from rae_auto.registry.describe import summarize_plugin
from rae_auto.runtime.sharing.nodes import read_name
from rae_auto.runtime.time.clock import SystemClock
from rae_auto.views.jobs import has_text
from rae_auto.views.screens.parts.record_source import JobFacts, JobsFound, WorldSpan
from rae_auto.views.status import NOT_RUNNING, names_in

T = TypeVar("T")

_NOTHING: dict[str, Any] = {"runs": [], "skips": [], "counts": [], "run_count": 0, "skip_count": 0, "earlier": []}
"""The records of a job without a store: none."""

_NO_DAEMON = "no daemon is running"

MAX_NEXT_JOBS = 10
"""The number of jobs in the list of next starts."""

_FAILURES = ("failed", "timed_out", "lost")


class StoreRecords(RecordSourceBase):
    """A `RecordSource` that reads the store of a configuration."""

    has_daemon = False

    def __init__(self, project: Project) -> None:
        # The time of the file is part of the place: after a change starts to come are others.
        place = {"config": str(project.path), "changed": _change_of(project.path)}
        super().__init__(project.directory, project.zone, place)
        self._project = project

    @classmethod
    def load(cls, config: Path) -> "StoreRecords":
        """Read the store of a configuration, which may have errors. Errors: ConfigError."""
        return cls(Project.load_for_reading(config))

    async def lead_text(self) -> str:
        lead = await self._find_lead()
        return "" if lead is None else lead.text

    async def _find_lead(self) -> Lead | None:
        if not self._project.has_read:
            await self._read(lambda *_: None, None)
        return self._project.lead

    async def status(self) -> Mapping[str, Any]:
        return {**await asyncio.to_thread(self._status), **await describe_role(self._project)}

    def _status(self) -> dict[str, Any]:
        """Return a status as a daemon would answer it, in the state "not running"."""
        infos = job_queries.list_jobs(self._project)
        pauses = {
            job["id"]: {"since": job["paused_at"], "until": job["paused_until"], "note": job["pause_note"]}
            for job in infos
            if job["paused"]
        }
        due = sorted((job["next_at"], job["id"], job["next_blocked"]) for job in infos if job["next_at"])[
            :MAX_NEXT_JOBS
        ]
        opened, lead = job_queries.list_open_runs(self._project), self._project.lead
        waits_for = _NO_DAEMON if lead is None else f"{lead.leader.describe()}, which leads"
        names, node = {job["id"]: job["name"] for job in infos}, read_name(self.directory)
        status = {
            "pid": 0,
            "version": __version__,
            "started_at": None,
            "state_directory": str(self._project.directory),
            "config": str(self._project.path),
            "state": NOT_RUNNING,
            "enabled": self._project.config.enabled,
            "disabled_by": None if self._project.config.enabled else "enabled = false in the configuration",
            "jobs": len(infos),
            "paused": list(pauses),
            "pauses": pauses,
            "skips": [{"job": job["id"], "at": skip["at"]} for job in infos for skip in job["skips"]],
            "disabled": [job["id"] for job in infos if not job["enabled"]],
            "failed": [
                {
                    "job": job["id"],
                    "run_id": job["last_run"],
                    "state": job["last_state"],
                    "at": job["last_finished_at"],
                    "failures": job["failures"],
                }
                for job in infos
                if job["enabled"] and job["last_state"] in _FAILURES
            ],
            "overdue": job_queries.list_overdue(self._project),
            "running": [{**run_record(run), "pid": find_pid(run, node)} for run in opened if not run.is_waiting],
            "waiting": [waiting_record(run, waits_for) for run in opened if run.is_waiting],
            "next": [{"job": job, "at": at, "blocked": blocked} for at, job, blocked in due[:MAX_NEXT_JOBS]],
            "notifiers": self._summarize_notifiers(),
            "problems": list(self._project.notices),
            # They were found while the configuration was read, for this status.
            "problem_times": dict.fromkeys(self._project.notices, SystemClock().now().wall.isoformat()),
            "down_since": self._find_down_since(),
        }
        return {**status, "names": names_in(status, lambda job: names.get(job, job))}

    def _find_down_since(self) -> str | None:
        """Return since when no daemon runs; None if none ever has, or that isn't known."""
        gone = self._find_downtime()
        return None if gone is None else gone.since.isoformat()

    def _find_downtime(self) -> Downtime | None:
        if not self.directory.is_dir():
            return None

        def read(store: Store, opened: Sequence[Run]) -> Downtime | None:
            # One that leads elsewhere does what this one would.
            return None if self._project.lead else find_absence(store, self.directory, opened)

        return self._read_store(read)

    async def seen_until(self) -> datetime | None:
        def read(store: Store, opened: Sequence[Run]) -> datetime | None:
            return find_last_sight(store, self.directory, self._project.lead, opened)

        return await self._read(read, None)

    def _summarize_notifiers(self) -> dict[str, str]:
        """Return a few words for each notifier that can be made, by name."""
        found = {}
        for name, ref in self._project.config.notifiers.items():
            with suppress(PluginError):
                found[name] = summarize_plugin(self._project.plugins.notifier(ref))
        return found

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        infos = await asyncio.to_thread(job_queries.list_jobs, self._project)
        matching = [info for info in infos if has_text(text, info["id"], info["name"])]
        return JobsFound(matching[offset:][:limit], len(matching), len(infos))

    async def job(self, job: str, *, asks_guards: bool = False) -> JobFacts:
        """Return a job and what is known of it. Only a daemon can ask guards, with the answers that runs get."""
        return await asyncio.to_thread(self._facts, job)

    def _facts(self, name: str) -> JobFacts:
        plan, state = self._find_plan(name)
        name = plan.job.id
        shown, place = job_queries.show_job(self._project, name), find_place(self._project.path, name)
        return JobFacts(
            definition=plan.job,
            info=shown["info"],
            last=shown["last"],
            triggers=describe_triggers(plan),
            trigger_problems=dict(self._project.plugins.trigger_problems(plan)),
            guards=describe_guards(plan, self.now()),
            defined_at=None if place is None else place.text,
            edited_at=None if place is None else place.edited_at,
            is_edit_compared=place is not None and is_compared(self.directory, place.edited_at),
            former_invocations=state.former_invocations,
        )

    def _find_plan(self, name: str) -> tuple[Plan, JobState]:
        """Return a job by its id, or by one that it had before it was renamed. Errors: JobNotFound."""
        try:
            return job_queries.plan_job(self._project, name)
        except JobNotFound:
            planned = job_queries.plan_jobs(self._project)
            found = next(((plan, state) for plan, state in planned if name in state.former_ids), None)
            if found is None:
                raise
            return found

    async def _read_entries(self, log: str, query: LogQuery) -> list[Any]:
        def read(store: Store, opened: Sequence[Run]) -> list[Any]:
            wanted = query_for_each_id(query, lambda job: queries.ids_of(self._project, store, job))
            return newest_bodies(store, log, wanted, opened if log == documents.RUNS else ())

        return await self._read(read, [])

    async def _read_runs(self, runs: Sequence[str]) -> list[Any]:
        return await self._read(lambda store, opened: read_runs(store, runs, opened), [])

    async def _read_newest(self, log: str, jobs: Sequence[str], query: LogQuery) -> Mapping[str, Any]:
        def read(store: Store, opened: Sequence[Run]) -> Mapping[str, Any]:
            wanted = self._queries(store, jobs, query)
            return read_newest(store, log, wanted, opened if log == documents.RUNS else ())

        return await self._read(read, {})

    async def _read_durations(self, jobs: Sequence[str] | None, span: LogQuery) -> Mapping[str, Any]:
        def read(store: Store, _: Sequence[Run]) -> Mapping[str, Any]:
            return read_durations(store, None if jobs is None else self._queries(store, jobs, span), span)

        return await self._read(read, {})

    async def _read_trends(self, job: str, max_durations: int) -> Mapping[str, Any]:
        def read(store: Store, _: Sequence[Run]) -> Mapping[str, Any]:
            return read_trends(store, queries.ids_of(self._project, store, job), self.zone, max_durations)

        return await self._read(read, NO_TRENDS)

    async def _read_started_jobs(self, minutes: Sequence[datetime], limit: int) -> Sequence[Sequence[str]]:
        def read(store: Store, _: Sequence[Run]) -> Sequence[Sequence[str]]:
            return read_started_jobs(store, minute_queries(minutes, limit))

        return await self._read(read, [[] for _ in minutes])

    async def _read_digest(
        self, since: datetime, until: datetime, least: timedelta, max_rows: int | None
    ) -> Mapping[str, Any]:
        def read(store: Store, _: Sequence[Run]) -> Mapping[str, Any]:
            def ids_of(job: str) -> Sequence[str]:
                return queries.ids_of(self._project, store, job)

            stored = (job.id for job in queries.load_values(store, documents.JOB, Job))
            ids = JobIds(dict.fromkeys([*self._project.job_names, *stored]), ids_of)
            return read_digest(store, ids, since, until, least.total_seconds(), max_rows)

        return await self._read(read, NO_DIGEST)

    async def _read_counts(self, log: str, query: CountQuery) -> list[dict[str, Any]]:
        def read(store: Store, _: Sequence[Run]) -> list[dict[str, Any]]:
            jobs: Sequence[str | None] = [None]
            if query.job is not None:
                jobs = queries.ids_of(self._project, store, query.job)
            return count_entries(store, log, [evolve(query, job=job) for job in jobs])

        return await self._read(read, [])

    async def _read_steps(self, log: str, span: CountQuery) -> Mapping[str, Sequence[int]]:
        return await self._read(lambda store, _: store.count_each_step(log, span), {})

    async def _read_counts_of(self, log: str, jobs: Sequence[str]) -> Mapping[str, Any]:
        def read(store: Store, _: Sequence[Run]) -> Mapping[str, Any]:
            return count_each(store, log, {job: queries.ids_of(self._project, store, job) for job in jobs})

        return await self._read(read, {})

    async def _read_job_spans(self, jobs: Sequence[str], span: CountQuery, limit: int) -> Mapping[str, Any]:
        def read(store: Store, opened: Sequence[Run]) -> dict[str, Any]:
            return {
                job: read_job_span(
                    store,
                    queries.ids_of(self._project, store, job),
                    [run for run in opened if run.job == job],
                    span,
                    limit,
                )
                for job in jobs
            }

        assert span.since is not None
        assert span.until is not None
        found = await self._read(read, dict.fromkeys(jobs, _NOTHING))
        after, until = max(span.since, self.now()), span.until
        return {
            job: {**answer, "starts": await self._read_starts(job, after, until, limit, None) if after < until else []}
            for job, answer in found.items()
        }

    async def _read_starts(
        self, job: str | None, since: datetime, until: datetime, limit: int, max_each: int | None
    ) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._starts, job, since, until, limit, max_each)

    async def _read(self, read: Callable[[Store, Sequence[Run]], T], default: T) -> T:
        """Return what a function reads from the store and its open runs; the default if there is no store yet."""
        if not self.directory.is_dir():
            return default
        return await asyncio.to_thread(self._read_store, read)

    def _read_store(self, read: Callable[[Store, Sequence[Run]], T]) -> T:
        with self._project.read_store() as store:
            return read(store, queries.load_values(store, documents.RUN, Run))

    def _queries(self, store: Store, jobs: Sequence[str], query: LogQuery) -> dict[str, list[LogQuery]]:
        """Return the queries for all ids that each job has had."""
        return {job: [evolve(query, job=one) for one in queries.ids_of(self._project, store, job)] for job in jobs}

    async def max_parallel(self) -> int:
        return self._project.config.settings.max_parallel

    def _starts(
        self, job: str | None, since: datetime, until: datetime, limit: int, max_each: int | None
    ) -> list[dict[str, Any]]:
        if not self._project.config.enabled:
            return []
        planned = [job_queries.plan_job(self._project, job)] if job else job_queries.plan_jobs(self._project)
        plans = [(plan, state) for plan, state in planned if plan.job.enabled]
        time = time_format(self.zone, self.now(), local=True)
        return list(islice(list_starts(plans, since, until, time, max_each), limit))

    def read_definitions(self) -> list[Mapping[str, Any]]:
        """Return the definitions of all jobs. Errors: StoreError."""
        found = job_queries.list_definitions(self._project)
        return [_definition_of(documents.dump(definition), state) for definition, state in found]

    async def why(self, job: str, at: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        if not self._project.directory.is_dir():
            definition, _ = await asyncio.to_thread(job_queries.find_job, self._project, job)
            answer = f"{definition.id} has not run yet: no daemon has used {self._project.directory}"
            return {"answer": answer, "reason": None, "run_id": None, "facts": []}
        query = {"job": job, "at": at, "run": run, "local_times": True}
        return await asyncio.to_thread(queries.why, self._project, query)

    def _config_path(self) -> Path | None:
        return self._project.path

    async def health(self) -> Mapping[str, Any]:
        await self._find_lead()
        return await ask_standby(self._project, "health")

    async def findings(self) -> Sequence[Mapping[str, Any]]:
        from rae_auto.reading.findings import read_findings  # lazy: memory, asked for rarely

        await self._find_lead()
        answer: Mapping[str, Any] | DaemonUnreachable
        try:
            answer = await ask_standby(self._project, "status")
        except DaemonUnreachable as problem:
            answer = problem
        return await asyncio.to_thread(read_findings, self._project.path, answer)

    async def outbox(self) -> Sequence[Mapping[str, Any]]:
        try:
            return await asyncio.to_thread(queries.list_notices, self._project, {})
        except StoreError:
            return []

    async def world(self, since: datetime, until: datetime) -> Sequence[WorldSpan]:
        """Return the spans on record, and the present downtime if no daemon runs."""
        found, gone = await asyncio.gather(super().world(since, until), asyncio.to_thread(self._find_downtime))
        if gone is None or gone.since >= until or gone.until < since:
            return found
        span = PresenceSpan("down", gone.since, gone.until, gone.cause, goes_on=True)
        return [*found, WorldSpan(span.kind, span.since, span.until, span.text)]


def _change_of(path: Path) -> str:
    """Return when a file was last changed, "" if that can't be read."""
    try:
        return str(path.stat().st_mtime_ns)
    except OSError:
        return ""


def _definition_of(document: Mapping[str, Any], state: JobState) -> Mapping[str, Any]:
    until = state.paused_until
    return {
        "definition": document,
        "paused": state.paused,
        "paused_until": until and until.isoformat(),
        "skips": [skip.at.isoformat() for skip in state.skips],
    }
