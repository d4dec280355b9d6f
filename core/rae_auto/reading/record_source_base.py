"""The common part of both sources of records: answers in the form of stored documents become the values of screens.

A source implements the methods `_read_…`. Each returns the answer of a command of
`rae_auto.daemon.answers.screen_commands`, from a daemon or from a store.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.api.store import CountQuery, LogQuery
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.run import Run, RunState
from rae_auto.paths import output_path
from rae_auto.platforms.process_presence import is_process_there
from rae_auto.reading.expected_starts import ExpectedStarts
from rae_auto.reading.outputs.output_files import read_part
from rae_auto.reading.parsing import parse_counts, parse_digest, parse_durations, parse_span, parse_starts, parse_trends
from rae_auto.records.entries import KnownEntries, load_entries
from rae_auto.records.presence_log import read_presence
from rae_auto.records.runs import choose_run, query_for_id
from rae_auto.views.screens.parts.base import Fact
from rae_auto.views.screens.parts.output_part import MergedMatches, OutputMatches, OutputPart
from rae_auto.views.screens.parts.record_source import (
    SKIPS,
    DigestRecords,
    ExpectedCounts,
    JobSpan,
    JobTrends,
    RecordCount,
    StartsFound,
    WorldSpan,
)

EXPECTED_POLLING = timedelta(seconds=0.1)
"""The interval at which a question that waits for starts to come looks for them."""

KNOWN_RUNS = 300
"""Number of runs whose values are retained: more than any page shows."""


def _log_of(kind: str) -> str:
    return documents.DECISIONS if kind == SKIPS else documents.RUNS


def _load_run(body: Mapping[str, Any]) -> Run | None:
    return next(iter(load_entries(Run, [body])), None)


class RecordSourceBase(ABC):
    """The methods of a `RecordSource` that are the same with and without a daemon."""

    def __init__(self, directory: Path, zone_shown: ZoneInfo, place: Mapping[str, str]) -> None:
        """Read what belongs to a state directory, and show times in a zone. `place` is as for `ExpectedStarts`."""
        self.directory = directory
        self._zone = zone_shown
        self._expected = ExpectedStarts(zone_shown.key, self.now, place)
        self._known_runs = KnownEntries(_load_run, KNOWN_RUNS)

    def continue_from(self, other: "RecordSourceBase") -> None:
        """Take over the starts to come that another source of the same place has computed, or is computing."""
        if (self._expected.zone, self._expected.place) == (other._expected.zone, other._expected.place):
            self._expected, other._expected = other._expected, self._expected

    def watch_expected(self, note_found: Callable[[], None]) -> None:
        """Call a function when starts to come that were "pending" in an answer have been computed."""
        self._expected.watch(note_found)

    @property
    def zone(self) -> ZoneInfo:
        """The configured time zone."""
        return self._zone

    def now(self) -> datetime:
        """Return the present instant."""
        return datetime.now(UTC)

    async def seen_until(self) -> datetime | None:
        """Return None: a daemon looks after runs."""
        return None

    async def lead_text(self) -> str:
        """Return nothing: the daemon answers itself."""
        return ""

    async def close(self) -> None:
        """End what goes on in the background."""
        await self._expected.close()

    async def runs(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        states: Sequence[str] = (),
        limit: int = 100,
    ) -> Sequence[Run]:
        """Return the runs that were queued in a span, open ones included, newest first."""
        return await self._find_runs(LogQuery(job=job, since=since, until=until, states=tuple(states), limit=limit))

    async def trends(self, job: str, *, max_durations: int) -> JobTrends:
        """Return the trends of all runs of a job, and the newest durations."""
        return parse_trends(await self._read_trends(job, max_durations))

    async def run(self, run: str) -> Run:
        """Return a run by its id, or the begin of it. Errors: RunNotFound."""
        return choose_run(run, await self._find_runs(query_for_id(run)))

    async def _find_runs(self, query: LogQuery) -> list[Run]:
        return self._known_runs.read(await self._read_entries(documents.RUNS, query))

    async def runs_by_id(self, runs: Sequence[str]) -> Mapping[str, Run]:
        """Return runs by their whole ids, those that are found."""
        found = await self._read_runs(runs) if runs else []
        return {run.id: run for run in self._known_runs.read(found)}

    async def newest_runs(
        self, jobs: Sequence[str], *, states: Sequence[str] = (), limit: int = 1
    ) -> Mapping[str, Sequence[Run]]:
        """Return the newest runs of each of these jobs, newest first."""
        query = LogQuery(states=tuple(states), limit=limit)
        found = await self._read_newest(documents.RUNS, jobs, query) if jobs else {}
        return {job: self._known_runs.read(bodies) for job, bodies in found.items()}

    async def newest_skips(self, jobs: Sequence[str], *, limit: int = 1) -> Mapping[str, Sequence[Decision]]:
        """Return the newest decisions that led to no run of each of these jobs, newest first."""
        found = await self._read_newest(documents.DECISIONS, jobs, LogQuery(limit=limit)) if jobs else {}
        return {job: load_entries(Decision, bodies) for job, bodies in found.items()}

    async def durations(
        self,
        jobs: Sequence[str] | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Mapping[str, Sequence[timedelta]]:
        """Return how long the newest successful runs of a span took, by job, newest first."""
        if jobs is not None and not jobs:
            return {}
        span = LogQuery(states=(RunState.SUCCEEDED,), since=since, until=until, limit=limit)
        return parse_durations(await self._read_durations(jobs, span))

    async def digest_records(
        self, since: datetime, until: datetime, least: timedelta, *, max_rows: int | None = None
    ) -> DigestRecords:
        """Return what a digest says of the records of a span, grouped, in one question."""
        return parse_digest(await self._read_digest(since, until, least, max_rows))

    async def skips(
        self,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
    ) -> Sequence[Decision]:
        """Return the decisions that led to no run, of a span of decision times, newest first."""
        query = LogQuery(job=job, since=since, until=until, limit=limit)
        return load_entries(Decision, await self._read_entries(documents.DECISIONS, query))

    async def count(
        self,
        kind: str,
        job: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        step: timedelta | None = None,
    ) -> Sequence[RecordCount]:
        """Return how many records of a kind there are in a span, by outcome and step of time."""
        return parse_counts(
            await self._read_counts(_log_of(kind), CountQuery(job=job, since=since, until=until, step=step)),
        )

    async def count_steps(
        self, kind: str, since: datetime, until: datetime, step: timedelta
    ) -> Mapping[str, Sequence[int]]:
        """Return how many records of a kind there are in each step of a span, by outcome."""
        span = CountQuery(since=since, until=until, step=step)
        return await self._read_steps(_log_of(kind), span) if since < until else {}

    async def count_each(self, kind: str, jobs: Sequence[str]) -> Mapping[str, Sequence[RecordCount]]:
        """Return how many records of a kind each of these jobs has, by outcome."""
        found = await self._read_counts_of(_log_of(kind), jobs) if jobs else {}
        return {job: parse_counts(counts) for job, counts in found.items()}

    async def job_spans(
        self, jobs: Sequence[str], since: datetime, until: datetime, step: timedelta, limit: int
    ) -> Mapping[str, JobSpan]:
        """Return the records of jobs in a span, of each at most `limit` runs and as many skips, or numbers instead."""
        if not jobs:
            return {}
        found = await self._read_job_spans(jobs, CountQuery(since=since, until=until, step=step), limit)
        return {job: parse_span(answer, until, limit) for job, answer in found.items()}

    async def starts(
        self, job: str | None, since: datetime, until: datetime, limit: int = 100, *, max_each: int | None = None
    ) -> StartsFound:
        """Return the scheduled starts to come, of a job or of all; of each the first `max_each`, or all."""
        return parse_starts(await self._read_starts(job, since, until, limit, max_each), until, limit)

    async def expected(
        self, since: datetime, until: datetime, step: timedelta, *, max_wait: timedelta = timedelta(0)
    ) -> ExpectedCounts:
        """Return how many scheduled starts of all jobs are due in each step of a span to come."""
        found = await self._expected.count(since, until, step)
        for _ in range(int(max_wait / EXPECTED_POLLING)):
            if not found.is_pending:
                break
            await asyncio.sleep(EXPECTED_POLLING.total_seconds())
            found = await self._expected.count(since, until, step)
        return found

    async def started_jobs(self, minutes: Sequence[datetime], limit: int) -> Mapping[datetime, Sequence[str]]:
        """Return the jobs of the newest runs on record that were queued in each of these minutes."""
        found = await self._read_started_jobs(minutes, limit) if minutes else []
        return dict(zip(minutes, found, strict=True))

    async def due_jobs(self, minutes: Sequence[datetime]) -> Mapping[datetime, Sequence[str]]:
        """Return some jobs that are due in minutes to come, of those that are among the busiest of their day."""
        return self._expected.due_jobs(minutes)

    async def day_notes(self, since: datetime, until: datetime) -> Mapping[date, Sequence[str]]:
        """Return what guards that depend on the date alone forbid on the days of a span."""
        return self._expected.day_notes(since, until)

    async def output(self, run: Run, attempt: int, *, start: int, limit: int, is_exact: bool = False) -> OutputPart:
        """Return whole lines of the output of an attempt, about `limit` bytes, from the byte `start` on."""
        path = output_path(self.directory, run.job, run.id, attempt)
        return await asyncio.to_thread(read_part, path, run, attempt, start, limit, is_exact=is_exact)

    async def search_output(self, run: Run, attempt: int, pattern: str, *, start: int = 0) -> OutputMatches:
        """Return the lines of an output that match a regular expression, for some seconds."""
        from rae_auto.reading.outputs.output_search import search_output_file  # lazy: start-up

        return await search_output_file(output_path(self.directory, run.job, run.id, attempt), pattern, start)

    async def search_outputs(
        self, outputs: Sequence[tuple[Run, int]], pattern: str, *, first: int = 0, start: int = 0
    ) -> MergedMatches:
        """Return the lines of the outputs of attempts that match a regular expression, for some seconds."""
        from rae_auto.reading.outputs.merged_search import search_merged_files  # lazy: start-up

        return await search_merged_files(self.directory, outputs, pattern, first, start)

    def merge_outputs(self, outputs: Sequence[tuple[Run, int, str]]) -> AsyncIterator[bytes]:
        """Yield the whole outputs of attempts as one text by time; each has a label, which its lines begin with."""
        from rae_auto.reading.outputs.merging import merge_files  # lazy: start-up

        return merge_files(self.directory, outputs, self.zone)

    def present_processes(self, pids: Sequence[int]) -> frozenset[int]:
        """Return those of these processes of this machine that exist."""
        return frozenset(filter(is_process_there, pids))

    async def world(self, since: datetime, until: datetime) -> Sequence[WorldSpan]:
        """Return the downtimes, suspensions and steps of the clock in a span, ascending."""
        found = await asyncio.to_thread(read_presence, self.directory, since, until)
        return [WorldSpan(span.kind, span.since, span.until, span.text) for span in found]

    async def disk_sizes(self) -> Sequence[Fact]:
        """Return what store, output and log take on the disk, beside their limits; this may take a second."""
        from rae_auto.reading.disk_sizes import read_disk_sizes  # lazy: memory, asked for rarely

        return await asyncio.to_thread(read_disk_sizes, self._config_path(), self.directory)

    @abstractmethod
    def _config_path(self) -> Path | None:
        """Return the configuration; None if there is none."""

    @abstractmethod
    async def _read_entries(self, log: str, query: LogQuery) -> list[Any]:
        """Return documents of a log, of open runs too: "stored_runs" or "stored_skips"."""

    @abstractmethod
    async def _read_runs(self, runs: Sequence[str]) -> list[Any]:
        """Return the documents of runs: "runs_by_id"."""

    @abstractmethod
    async def _read_newest(self, log: str, jobs: Sequence[str], query: LogQuery) -> Mapping[str, Any]:
        """Return the newest documents of each job: "newest_runs" or "newest_skips"."""

    @abstractmethod
    async def _read_durations(self, jobs: Sequence[str] | None, span: LogQuery) -> Mapping[str, Any]:
        """Return seconds by job: "durations"."""

    @abstractmethod
    async def _read_trends(self, job: str, max_durations: int) -> Mapping[str, Any]:
        """Return the groups of the runs of a job: "trends"."""

    @abstractmethod
    async def _read_started_jobs(self, minutes: Sequence[datetime], limit: int) -> Sequence[Sequence[str]]:
        """Return the jobs of runs that are over, by minute: "started_jobs"."""

    @abstractmethod
    async def _read_digest(
        self, since: datetime, until: datetime, least: timedelta, max_rows: int | None
    ) -> Mapping[str, Any]:
        """Return the groups of a digest: "digest_records"."""

    @abstractmethod
    async def _read_counts(self, log: str, query: CountQuery) -> list[dict[str, Any]]:
        """Return numbers by outcome and step: "count"."""

    @abstractmethod
    async def _read_steps(self, log: str, span: CountQuery) -> Mapping[str, Sequence[int]]:
        """Return the numbers of each step by outcome: "count_steps"."""

    @abstractmethod
    async def _read_counts_of(self, log: str, jobs: Sequence[str]) -> Mapping[str, Any]:
        """Return numbers by outcome of each job: "count_each"."""

    @abstractmethod
    async def _read_job_spans(self, jobs: Sequence[str], span: CountQuery, limit: int) -> Mapping[str, Any]:
        """Return the records and starts of jobs: "job_spans"."""

    @abstractmethod
    async def _read_starts(
        self, job: str | None, since: datetime, until: datetime, limit: int, max_each: int | None
    ) -> list[dict[str, Any]]:
        """Return starts to come: "starts"."""
