"""Records from a store and its configuration, while no daemon runs. Each question opens the store for reading."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from attrs import evolve

from rae_auto._version import __version__
from rae_auto.api.store import CountQuery, LogQuery, Store
from rae_auto.engine.plan import JobOrigin
from rae_auto.errors import DaemonUnreachable, PluginError, StoreError
from rae_auto.explain.screen_reads import (
    count_entries,
    describe_guards,
    describe_triggers,
    list_starts,
    newest_bodies,
    read_durations,
    read_job_span,
    read_newest,
    read_runs,
)
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.job_state import JobState
from rae_auto.model.run import Run, RunState
from rae_auto.offline import job_queries, queries
from rae_auto.offline.project import Project
from rae_auto.paths import output_path
from rae_auto.reading.expected_starts import ExpectedStarts
from rae_auto.reading.parsing import parse_counts, parse_durations, parse_span, parse_starts
from rae_auto.reading.places import find_place
from rae_auto.records.entries import load_entries
from rae_auto.records.presence_log import read_presence
from rae_auto.records.runs import choose_run, query_for_each_id, query_for_id
from rae_auto.registry.describe import summarize_plugin
from rae_auto.views.screens.parts.record_source import (
    SKIPS,
    ExpectedCounts,
    JobFacts,
    JobsFound,
    JobSpan,
    OutputPlace,
    RecordCount,
    StartsFound,
    WorldSpan,
)
from rae_auto.views.status import NOT_RUNNING

T = TypeVar("T")

_NOTHING: dict[str, Any] = {"runs": [], "skips": [], "counts": [], "run_count": 0, "skip_count": 0, "earlier": []}
"""The records of a job while there is no store."""

_FAILURES = ("failed", "timed_out", "lost")


class StoreRecords:
    """A `RecordSource` that reads the store of a configuration."""

    has_daemon = False

    def __init__(self, project: Project) -> None:
        self._project = project
        self._expected = ExpectedStarts(project.zone.key, self.now, self._read_definitions)

    @classmethod
    def load(cls, config: Path) -> "StoreRecords":
        """Read the store of a configuration, which may have errors. Errors: ConfigError."""
        return cls(Project.load_for_reading(config))

    @property
    def zone(self) -> ZoneInfo:
        return self._project.zone

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._expected.close()

    async def status(self) -> Mapping[str, Any]:
        return await asyncio.to_thread(self._status)

    def _status(self) -> dict[str, Any]:
        """Return a status as a daemon would answer it, in the state "not running"."""
        infos = job_queries.list_jobs(self._project)
        pauses = {
            job["id"]: {"until": job["paused_until"], "note": job["pause_note"]} for job in infos if job["paused"]
        }
        due = sorted((job["next_at"], job["id"]) for job in infos if job["next_at"])
        return {
            "pid": 0,
            "version": __version__,
            "started_at": self.now().isoformat(),
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
            "overdue": [
                {"job": job["id"], "expected_by": job["expected_by"], "since": job["overdue_at"]}
                for job in infos
                if job["overdue_at"]
            ],
            "running": [],
            "waiting": [],
            "next": [{"job": job, "at": at, "blocked": None} for at, job in due[:10]],
            "notifiers": self._summarize_notifiers(),
            "problems": ["no daemon is running; 'rae-auto run' starts one", *self._project.notices],
        }

    def _summarize_notifiers(self) -> dict[str, str]:
        """Return a few words for each notifier that can be made, by name."""
        found = {}
        for name, ref in self._project.config.notifiers.items():
            with suppress(PluginError):
                found[name] = summarize_plugin(self._project.plugins.notifier(ref))
        return found

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        infos = await asyncio.to_thread(job_queries.list_jobs, self._project)
        matching = [info for info in infos if text in info["id"]]
        return JobsFound(matching[offset:][:limit], len(matching), len(infos))

    async def job(self, job: str) -> JobFacts:
        return await asyncio.to_thread(self._facts, job)

    def _facts(self, name: str) -> JobFacts:
        definition, _ = job_queries.find_job(self._project, name)
        shown = job_queries.show_job(self._project, name)
        plan = self._project.plugins.plan(definition, JobOrigin.CONFIG).plan
        return JobFacts(
            definition=definition,
            info=shown["info"],
            last=shown["last"],
            triggers=describe_triggers(plan),
            trigger_problems=dict(self._project.plugins.trigger_problems(plan)),
            guards=describe_guards(plan, self.now()),
            defined_at=find_place(self._project.path, name),
        )

    async def runs(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[Run]:
        query = LogQuery(job=job, since=since, until=until, states=tuple(states), limit=limit)
        return await asyncio.to_thread(self._runs, query)

    def _runs(self, query: LogQuery) -> list[Run]:
        return load_entries(Run, self._read_log(documents.RUNS, query))

    def _read_log(self, log: str, query: LogQuery) -> list[Any]:
        if not self._project.directory.is_dir():
            return []
        with self._project.read_store() as store:
            opened = queries.load_values(store, documents.RUN, Run) if log == documents.RUNS else []
            wanted = query_for_each_id(query, lambda job: queries.ids_of(self._project, store, job))
            return newest_bodies(store, log, wanted, opened)

    async def run(self, run: str) -> Run:
        return choose_run(run, await asyncio.to_thread(self._runs, query_for_id(run)))

    async def runs_by_id(self, runs: Sequence[str]) -> Mapping[str, Run]:
        found = await asyncio.to_thread(self._read, lambda store, opened: read_runs(store, runs, opened), [])
        return {run.id: run for run in load_entries(Run, found)}

    async def newest_runs(
        self, jobs: Sequence[str], *, states: Sequence[str] = (), limit: int = 1
    ) -> Mapping[str, Sequence[Run]]:
        found = await self._newest(documents.RUNS, jobs, LogQuery(states=tuple(states), limit=limit))
        return {job: load_entries(Run, bodies) for job, bodies in found.items()}

    async def newest_skips(self, jobs: Sequence[str], *, limit: int = 1) -> Mapping[str, Sequence[Decision]]:
        found = await self._newest(documents.DECISIONS, jobs, LogQuery(limit=limit))
        return {job: load_entries(Decision, bodies) for job, bodies in found.items()}

    async def _newest(self, log: str, jobs: Sequence[str], query: LogQuery) -> dict[str, Any]:
        def read(store: Store, opened: Sequence[Run]) -> dict[str, Any]:
            wanted = self._queries(store, jobs, query)
            return dict(read_newest(store, log, wanted, opened if log == documents.RUNS else ()))

        return await asyncio.to_thread(self._read, read, {})

    async def durations(
        self,
        jobs: Sequence[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Mapping[str, Sequence[timedelta]]:
        span = LogQuery(states=(RunState.SUCCEEDED,), since=since, until=until, limit=limit)

        def read(store: Store, _: Sequence[Run]) -> dict[str, Any]:
            return dict(read_durations(store, None if jobs is None else self._queries(store, jobs, span), span))

        return parse_durations(await asyncio.to_thread(self._read, read, {}))

    def _read(self, read: Callable[[Store, Sequence[Run]], T], default: T) -> T:
        """Return what a function reads from the store and its open runs; the default if there is no store yet."""
        if not self._project.directory.is_dir():
            return default
        with self._project.read_store() as store:
            return read(store, queries.load_values(store, documents.RUN, Run))

    def _queries(self, store: Store, jobs: Sequence[str], query: LogQuery) -> dict[str, list[LogQuery]]:
        """Return the queries for all ids that each job has had."""
        return {job: [evolve(query, job=one) for one in queries.ids_of(self._project, store, job)] for job in jobs}

    async def skips(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Decision]:
        query = LogQuery(job=job, since=since, until=until, limit=limit)
        bodies = await asyncio.to_thread(self._read_log, documents.DECISIONS, query)
        return load_entries(Decision, bodies)

    async def count(
        self,
        kind: str,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[RecordCount]:
        log = documents.DECISIONS if kind == SKIPS else documents.RUNS
        return parse_counts(await asyncio.to_thread(self._count, log, job, since, until, step))

    def _count(self, log: str, job: str | None, *bounds: Any) -> list[dict[str, Any]]:
        since, until, step = bounds
        if not self._project.directory.is_dir():
            return []
        with self._project.read_store() as store:
            jobs: Sequence[str | None] = [None] if job is None else queries.ids_of(self._project, store, job)
            wanted = [CountQuery(job=one, since=since, until=until, step=step) for one in jobs]
            return count_entries(store, log, wanted)

    async def job_spans(
        self, jobs: Sequence[str], since: datetime, until: datetime, step: timedelta, limit: int
    ) -> Mapping[str, JobSpan]:
        span = CountQuery(since=since, until=until, step=step)
        return {job: await asyncio.to_thread(self._job_span, job, span, until, limit) for job in jobs}

    def _job_span(self, job: str, span: CountQuery, until: datetime, limit: int) -> JobSpan:
        assert span.since is not None
        answer: dict[str, Any] = _NOTHING
        if self._project.directory.is_dir():
            with self._project.read_store() as store:
                opened = [run for run in queries.load_values(store, documents.RUN, Run) if run.job == job]
                answer = read_job_span(store, queries.ids_of(self._project, store, job), opened, span, limit)
        after = max(span.since, self.now())
        starts = self._starts(job, after, until, limit) if after < until else []
        return parse_span({**answer, "starts": starts}, until, limit)

    async def max_parallel(self) -> int:
        return self._project.config.settings.max_parallel

    async def day_notes(self, since: datetime, until: datetime) -> Mapping[date, Sequence[str]]:
        return self._expected.day_notes(since, until)

    async def starts(self, job: str | None, since: datetime, until: datetime, limit: int = 100) -> StartsFound:
        return parse_starts(await asyncio.to_thread(self._starts, job, since, until, limit), until, limit)

    def _starts(self, job: str | None, since: datetime, until: datetime, limit: int) -> list[dict[str, Any]]:
        names = [job] if job is not None else [info["id"] for info in job_queries.list_jobs(self._project)]
        found = [job_queries.find_job(self._project, name) for name in names]
        plans = [
            (self._project.plugins.plan(definition, JobOrigin.CONFIG).plan, state)
            for definition, state in found
            if definition.enabled and self._project.config.enabled
        ]
        return list(islice(list_starts(plans, since, until), limit))

    async def _read_definitions(self) -> list[Mapping[str, Any]]:
        return await asyncio.to_thread(self._definitions)

    def _definitions(self) -> list[Mapping[str, Any]]:
        found = (job_queries.find_job(self._project, name) for name in self._project.job_names)
        return [_definition_of(documents.dump(definition), state) for definition, state in found]

    async def expected(self, since: datetime, until: datetime, step: timedelta) -> ExpectedCounts:
        return await self._expected.count(since, until, step)

    async def why(self, job: str, at: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        if not self._project.directory.is_dir():
            definition, _ = await asyncio.to_thread(job_queries.find_job, self._project, job)
            answer = f"{definition.id} has not run yet: no daemon has used {self._project.directory}"
            return {"answer": answer, "reason": None, "run_id": None, "facts": []}
        query = {"job": job, "at": at, "run": run, "local_times": True}
        return await asyncio.to_thread(queries.why, self._project, query)

    def output(self, run: Run, attempt: int | None = None) -> OutputPlace:
        number = attempt or run.attempt
        path = output_path(self._project.directory, run.job, run.id, number)
        return OutputPlace(path, run.state.value, number)

    async def health(self) -> Mapping[str, Any]:
        raise DaemonUnreachable("no daemon is running; 'rae-auto run' starts one")

    async def findings(self) -> Sequence[Mapping[str, Any]]:
        from rae_auto.reading.findings import read_findings  # lazy: memory, asked for rarely

        problem = DaemonUnreachable("no daemon is running; 'rae-auto run' starts one")
        return await asyncio.to_thread(read_findings, self._project.path, problem)

    async def outbox(self) -> Sequence[Mapping[str, Any]]:
        try:
            return await asyncio.to_thread(queries.list_notices, self._project, {})
        except StoreError:
            return []

    async def world(self, since: datetime, until: datetime) -> Sequence[WorldSpan]:
        found = await asyncio.to_thread(read_presence, self._project.directory, since, until)
        return [WorldSpan(span.kind, span.since, span.until, span.text) for span in found]


def _definition_of(document: Mapping[str, Any], state: JobState) -> Mapping[str, Any]:
    until = state.paused_until
    return {
        "definition": document,
        "paused": state.paused,
        "paused_until": until and until.isoformat(),
        "skips": [skip.at.isoformat() for skip in state.skips],
    }
