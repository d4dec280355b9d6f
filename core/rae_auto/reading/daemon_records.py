"""Records from a running daemon, through its control socket."""

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from attrs import evolve

from rae_auto.api.store import CountQuery, LogQuery
from rae_auto.control.asking import QuestionBatch, ask
from rae_auto.control.client import required_zone
from rae_auto.errors import BadRequest, DaemonUnreachable
from rae_auto.model import documents
from rae_auto.model.primitives.zones import zone
from rae_auto.reading.parsing import parse_facts, parse_jobs
from rae_auto.reading.places import find_place
from rae_auto.reading.record_source_base import RecordSourceBase
from rae_auto.records.presence_log import is_compared
from rae_auto.views.screens.parts.record_source import JobFacts, JobsFound

GUARD_ANSWER_SECONDS = 10.0
"""Time for which answers of guards that read the machine serve all who ask for them."""

DEFINITIONS_AT_ONCE = 200
"""Number of definitions in one answer: the daemon's memory grows by the longest of its answers."""


async def read_definitions(directory: Path) -> list[Mapping[str, Any]]:
    """Return the definitions of all jobs of a daemon. Errors: DaemonUnreachable."""
    found: list[Mapping[str, Any]] = []
    while True:
        answer = await ask(directory, "definitions", offset=len(found), limit=DEFINITIONS_AT_ONCE)
        found += answer["jobs"]
        if not answer["jobs"] or len(found) >= answer["total"]:
            return found


class DaemonRecords(RecordSourceBase):
    """A `RecordSource` that asks a daemon. `DaemonRecords.connect` makes one."""

    has_daemon = True

    def __init__(self, directory: Path, config: Path | None, zone_shown: ZoneInfo) -> None:
        """Ask the daemon of a state directory, which has a configuration, and whose times are shown in a zone."""
        super().__init__(directory, zone_shown, {"directory": str(directory)})
        self.config = config
        self._questions = QuestionBatch(directory)
        self._asked_guards: dict[str, tuple[float, Mapping[str, str]]] = {}

    @classmethod
    async def connect(cls, directory: Path) -> "DaemonRecords":
        """Ask the daemon for its configuration and its zone. Errors: DaemonUnreachable, also if it stands by."""
        daemon = await ask(directory, "ping")
        if (refusal := daemon.get("refusal")) is not None:
            raise DaemonUnreachable(refusal)
        config = daemon.get("config")
        return cls(directory, config and Path(config), zone(required_zone(daemon.get("timezone"))))

    def note_change(self) -> None:
        """Compute the starts to come again, because jobs were added, changed, removed, paused or resumed."""
        self._expected.forget()

    async def _ask(self, command: str, **arguments: Any) -> Any:
        return await self._questions.ask(command, **arguments)

    async def status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = await self._ask("status", local_times=True)
        return status

    async def jobs(self, text: str = "", *, offset: int = 0, limit: int = 50) -> JobsFound:
        return parse_jobs(await self._ask("find_jobs", text=text or None, offset=offset, limit=limit))

    async def job(self, job: str, *, asks_guards: bool = False) -> JobFacts:
        """Return a job and what is known of it. A page that follows changes asks guards once in a while only."""
        asked_at, known = self._asked_guards.get(job, (-math.inf, {}))
        is_new = asks_guards and time.monotonic() - asked_at > GUARD_ANSWER_SECONDS
        # Only if it is wished: daemons of earlier versions don't know the word.
        wish = {"asks_guards": True} if is_new else {}
        answer, place = await asyncio.gather(
            self._ask("job_facts", job=job, **wish), asyncio.to_thread(find_place, self.config, job)
        )
        if is_new:
            known = {name: answer["guards"][name] for name in answer["asked_guards"]}
            self._asked_guards[job] = (time.monotonic(), known)
        elif asks_guards:
            # Of those that it still has.
            known = {name: text for name, text in known.items() if name in answer["guards"]}
            answer = {**answer, "guards": answer["guards"] | known, "asked_guards": list(known)}
        facts = parse_facts(answer)
        if place is None:
            return facts
        is_seen = await asyncio.to_thread(is_compared, self.directory, place.edited_at)
        return evolve(facts, defined_at=place.text, edited_at=place.edited_at, is_edit_compared=is_seen)

    async def _read_entries(self, log: str, query: LogQuery) -> Any:
        span = {"job": query.job, "since": query.since, "until": query.until, "limit": query.limit}
        if log == documents.DECISIONS:
            return await self._ask("stored_skips", **span)
        return await self._ask("stored_runs", **span, run=query.key, states=list(query.states) or None)

    async def _read_runs(self, runs: Sequence[str]) -> Any:
        return await self._ask("runs_by_id", runs=list(runs))

    async def _read_newest(self, log: str, jobs: Sequence[str], query: LogQuery) -> Any:
        if log == documents.DECISIONS:
            return await self._ask("newest_skips", jobs=list(jobs), limit=query.limit)
        return await self._ask("newest_runs", jobs=list(jobs), states=list(query.states) or None, limit=query.limit)

    async def _read_durations(self, jobs: Sequence[str] | None, span: LogQuery) -> Any:
        names = None if jobs is None else list(jobs)
        return await self._ask("durations", jobs=names, since=span.since, until=span.until, limit=span.limit)

    async def _read_trends(self, job: str, max_durations: int) -> Any:
        return await self._ask("trends", job=job, limit=max_durations)

    async def _read_started_jobs(self, minutes: Sequence[datetime], limit: int) -> Any:
        return await self._ask("started_jobs", minutes=[at.isoformat() for at in minutes], limit=limit)

    async def _read_digest(self, since: datetime, until: datetime, least: timedelta, max_rows: int | None) -> Any:
        rows = {} if max_rows is None else {"max_rows": max_rows}
        return await self._ask("digest_records", since=since, until=until, least_seconds=least.total_seconds(), **rows)

    async def _read_counts(self, log: str, query: CountQuery) -> Any:
        return await self._ask("count", log=log, job=query.job, **_span_of(query))

    async def _read_steps(self, log: str, span: CountQuery) -> Any:
        return await self._ask("count_steps", log=log, **_span_of(span))

    async def _read_counts_of(self, log: str, jobs: Sequence[str]) -> Any:
        return await self._ask("count_each", log=log, jobs=list(jobs))

    async def _read_job_spans(self, jobs: Sequence[str], span: CountQuery, limit: int) -> Any:
        return await self._ask("job_spans", jobs=list(jobs), **_span_of(span), limit=limit)

    async def _read_starts(
        self, job: str | None, since: datetime, until: datetime, limit: int, max_each: int | None
    ) -> Any:
        span = {"job": job, "since": since, "until": until, "limit": limit}
        if max_each is None:
            return await self._ask("starts", **span)
        try:
            return await self._ask("starts", **span, max_each=max_each)
        except BadRequest:
            # A daemon of an earlier version doesn't know the word.
            return await self._ask("starts", **span)

    async def max_parallel(self) -> int:
        return int((await self._ask("ping"))["max_parallel"])

    async def why(self, job: str, at: str | None = None, run: str | None = None) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = await self._ask("why", job=job, at=at, run=run, local_times=True)
        return answer

    async def health(self) -> Mapping[str, Any]:
        facts: Mapping[str, Any] = await self._ask("health")
        return facts

    def _config_path(self) -> Path | None:
        return self.config

    async def findings(self) -> Sequence[Mapping[str, Any]]:
        from rae_auto.reading.findings import read_findings  # lazy: memory, asked for rarely

        return await asyncio.to_thread(read_findings, self.config, await self.status())

    async def outbox(self) -> Sequence[Mapping[str, Any]]:
        notices: Sequence[Mapping[str, Any]] = await self._ask("list_notices")
        return notices


def _span_of(query: CountQuery) -> dict[str, Any]:
    minutes = None if query.step is None else int(query.step.total_seconds()) // 60
    return {"since": query.since, "until": query.until, "step": minutes}
