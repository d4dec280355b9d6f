"""Records from a running daemon, through its control socket."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from rae_auto.control.asking import QuestionBatch, ask
from rae_auto.errors import RunNotFound
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.zones import LOCAL, zone
from rae_auto.model.run import Run
from rae_auto.paths import output_path
from rae_auto.reading.expected_starts import ExpectedStarts
from rae_auto.reading.parsing import parse_counts, parse_durations, parse_facts, parse_jobs, parse_span, parse_starts
from rae_auto.reading.places import find_place
from rae_auto.records.entries import load_entries
from rae_auto.records.presence_log import read_presence
from rae_auto.records.runs import choose_run, query_for_id
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

DEFINITIONS_AT_ONCE = 1_000


class DaemonRecords:
    """A `RecordSource` that asks a daemon. `DaemonRecords.connect` makes one."""

    has_daemon = True

    def __init__(self, directory: Path, config: Path | None, zone_shown: ZoneInfo) -> None:
        """Ask the daemon of a state directory, which has a configuration, and whose times are shown in a zone."""
        self.directory = directory
        self.config = config
        self._zone = zone_shown
        self._questions = QuestionBatch(directory)
        self._expected = ExpectedStarts(zone_shown.key, self.now, self._read_definitions)

    @classmethod
    async def connect(cls, directory: Path) -> "DaemonRecords":
        """Ask the daemon for its configuration and its zone. Errors: DaemonUnreachable."""
        daemon = await ask(directory, "ping")
        config = daemon.get("config")
        return cls(directory, config and Path(config), zone(daemon.get("timezone") or LOCAL))

    @property
    def zone(self) -> ZoneInfo:
        return self._zone

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._expected.close()

    def note_change(self) -> None:
        """Compute the starts to come again, because jobs were added, changed, removed, paused or resumed."""
        self._expected.forget()

    async def _ask(self, command: str, **arguments: Any) -> Any:
        return await self._questions.ask(command, **arguments)

    async def _read_definitions(self) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        while True:
            answer = await self._ask("definitions", offset=len(found), limit=DEFINITIONS_AT_ONCE)
            found += answer["jobs"]
            if not answer["jobs"] or len(found) >= answer["total"]:
                return found

    async def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = await self._ask("status", local_times=True)
        return status

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        return parse_jobs(await self._ask("find_jobs", text=text or None, offset=offset, limit=limit))

    async def job(self, job: str) -> JobFacts:
        answer, place = await asyncio.gather(
            self._ask("job_facts", job=job), asyncio.to_thread(find_place, self.config, job)
        )
        return evolve(parse_facts(answer), defined_at=place)

    async def runs(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[Run]:
        bodies = await self._ask(
            "stored_runs", job=job, since=since, until=until, states=list(states) or None, limit=limit
        )
        return load_entries(Run, bodies)

    async def run(self, run: str) -> Run:
        query = query_for_id(run)
        if query.key is not None:
            bodies = await self._ask("stored_runs", run=query.key, limit=1)
            if not bodies:
                raise RunNotFound(f"no run {quote(run)}; 'rae-auto history' lists them")
            return documents.load(Run, bodies[0])
        return choose_run(run, await self.runs(since=query.since, until=query.until, limit=query.limit))

    async def runs_by_id(self, runs: Sequence[str]) -> Mapping[str, Run]:
        if not runs:
            return {}
        return {run.id: run for run in load_entries(Run, await self._ask("runs_by_id", runs=list(runs)))}

    async def newest_runs(
        self, jobs: Sequence[str], *, states: Sequence[str] = (), limit: int = 1
    ) -> Mapping[str, Sequence[Run]]:
        if not jobs:
            return {}
        found = await self._ask("newest_runs", jobs=list(jobs), states=list(states) or None, limit=limit)
        return {job: load_entries(Run, bodies) for job, bodies in found.items()}

    async def newest_skips(self, jobs: Sequence[str], *, limit: int = 1) -> Mapping[str, Sequence[Decision]]:
        if not jobs:
            return {}
        found = await self._ask("newest_skips", jobs=list(jobs), limit=limit)
        return {job: load_entries(Decision, bodies) for job, bodies in found.items()}

    async def durations(
        self,
        jobs: Sequence[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Mapping[str, Sequence[timedelta]]:
        if jobs is not None and not jobs:
            return {}
        names = None if jobs is None else list(jobs)
        return parse_durations(await self._ask("durations", jobs=names, since=since, until=until, limit=limit))

    async def skips(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Decision]:
        bodies = await self._ask("stored_skips", job=job, since=since, until=until, limit=limit)
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
        minutes = None if step is None else int(step.total_seconds()) // 60
        return parse_counts(await self._ask("count", log=log, job=job, since=since, until=until, step=minutes))

    async def job_spans(
        self, jobs: Sequence[str], since: datetime, until: datetime, step: timedelta, limit: int
    ) -> Mapping[str, JobSpan]:
        if not jobs:
            return {}
        minutes = int(step.total_seconds()) // 60
        found = await self._ask("job_spans", jobs=list(jobs), since=since, until=until, step=minutes, limit=limit)
        return {job: parse_span(answer, until, limit) for job, answer in found.items()}

    async def max_parallel(self) -> int:
        return int((await self._ask("ping"))["max_parallel"])

    async def day_notes(self, since: datetime, until: datetime) -> Mapping[date, Sequence[str]]:
        return self._expected.day_notes(since, until)

    async def starts(self, job: str | None, since: datetime, until: datetime, limit: int = 100) -> StartsFound:
        answer = await self._ask("starts", job=job, since=since, until=until, limit=limit)
        return parse_starts(answer, until, limit)

    async def expected(self, since: datetime, until: datetime, step: timedelta) -> ExpectedCounts:
        return await self._expected.count(since, until, step)

    async def why(self, job: str, at: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._ask("why", job=job, at=at, run=run, local_times=True)
        return answer

    def output(self, run: Run, attempt: int | None = None) -> OutputPlace:
        number = attempt or run.attempt
        return OutputPlace(output_path(self.directory, run.job, run.id, number), run.state.value, number)

    async def health(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = await self._ask("health")
        return facts

    async def findings(self) -> Sequence[Mapping[str, Any]]:
        from rae_auto.reading.findings import read_findings  # lazy: memory, asked for rarely

        return await asyncio.to_thread(read_findings, self.config, await self.status())

    async def outbox(self) -> Sequence[Mapping[str, Any]]:
        notices: Sequence[Mapping[str, Any]] = await self._ask("list_notices")
        return notices

    async def world(self, since: datetime, until: datetime) -> Sequence[WorldSpan]:
        found = await asyncio.to_thread(read_presence, self.directory, since, until)
        return [WorldSpan(span.kind, span.since, span.until, span.text) for span in found]
