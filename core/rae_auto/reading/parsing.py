"""The answers of control commands as the values that screens are built from."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import FormerInvocation
from rae_auto.model.run import Run, RunState
from rae_auto.records.entries import load_entries
from rae_auto.views.screens.parts.base import Extent, UpcomingStart
from rae_auto.views.screens.parts.record_source import (
    ComparedDurations,
    DigestRecords,
    JobFacts,
    JobsFound,
    JobSpan,
    JobTrends,
    RecordCount,
    SkipGroup,
    StartsFound,
)
from rae_auto.views.screens.parts.trends import TrendPoint, Trends


def parse_jobs(answer: Mapping[str, Any]) -> JobsFound:
    """Return the answer of 'find_jobs'."""
    return JobsFound(answer["jobs"], answer["matched"], answer["total"])


def parse_facts(answer: Mapping[str, Any]) -> JobFacts:
    """Return the answer of 'job_facts'."""
    return JobFacts(
        definition=documents.load(Job, answer["definition"]),
        info=answer["info"],
        last=answer["last"],
        triggers=answer["triggers"],
        trigger_problems=answer["trigger_problems"],
        guards=answer["guards"],
        asked_guards=answer.get("asked_guards", ()),
        former_invocations=tuple(documents.load(FormerInvocation, one) for one in answer.get("former_invocations", ())),
    )


def parse_counts(answer: list[dict[str, Any]]) -> list[RecordCount]:
    """Return the answer of 'count'."""
    return [
        RecordCount(found["start"] and datetime.fromisoformat(found["start"]), found["outcome"], found["count"])
        for found in answer
    ]


def parse_durations(answer: Mapping[str, list[float]]) -> dict[str, list[timedelta]]:
    """Return the answer of 'durations'."""
    return {job: [timedelta(seconds=seconds) for seconds in found] for job, found in answer.items()}


def parse_trends(answer: Mapping[str, Any]) -> JobTrends:
    """Return the answer of 'trends'."""
    counts, runs = parse_counts(answer["counts"]), answer["runs"]
    over = sum(one.count for one in counts if one.outcome != RunState.SKIPPED)
    return JobTrends(
        counts=counts,
        durations=[timedelta(seconds=seconds) for seconds in answer["durations"]],
        trends=Trends(
            step=timedelta(seconds=answer["step"]),
            duration=_parse_points(answer["duration"]),
            lateness=_parse_points(answer["lateness"]),
            cpu_time=_parse_points(answer["cpu_time"]),
            memory=_parse_points(answer["memory"]),
            extent=Extent(runs, max(over, runs), answer["since"] and datetime.fromisoformat(answer["since"])),
        ),
    )


def _parse_points(rows: Sequence[Sequence[Any]]) -> tuple[TrendPoint, ...]:
    return tuple(
        TrendPoint(start=datetime.fromisoformat(start), runs=runs, p50=p50, p95=p95) for start, runs, p50, p95 in rows
    )


def parse_digest(answer: Mapping[str, Any]) -> DigestRecords:
    """Return the answer of 'digest_records'."""
    failures = [(run, one["is_over"]) for one in answer["failures"] for run in load_entries(Run, [one["run"]])]
    return DigestRecords(
        counts=parse_counts(answer["counts"]),
        skip_counts=parse_counts(answer["skip_counts"]),
        failures=failures,
        skips=[_parse_skips(one) for one in answer["skips"]],
        examined_skips=answer["examined_skips"],
        durations=[
            ComparedDurations(one["job"], timedelta(seconds=one["before"]), timedelta(seconds=one["now"]), one["runs"])
            for one in answer["durations"]
        ],
        examined_jobs=answer["examined_jobs"],
        all_jobs=answer["all_jobs"],
    )


def _parse_skips(answer: Mapping[str, Any]) -> SkipGroup:
    kind: type[Run] | type[Decision] = Run if answer["log"] == documents.RUNS else Decision
    return SkipGroup(
        job=answer["job"],
        reason=answer["reason"],
        count=answer["count"],
        examined=answer["examined"],
        starts=answer["starts"],
        has_more_starts=answer["has_more_starts"],
        last_at=datetime.fromisoformat(answer["last_at"]),
        newest=next(iter(load_entries(kind, [answer["newest"]])), None),
        kinds=answer.get("kinds", {}),
    )


def parse_starts(answer: list[dict[str, Any]], until: datetime, limit: int) -> StartsFound:
    """Return the answer of 'starts'; they are complete until the last of them if there may be more."""
    starts = [
        UpcomingStart(
            one["job"],
            datetime.fromisoformat(one["due_at"]),
            one["starts_at"] and datetime.fromisoformat(one["starts_at"]),
            one["note"],
        )
        for one in answer
    ]
    return StartsFound(starts, starts[-1].due_at if len(starts) >= limit else until)


def parse_span(answer: Mapping[str, Any], until: datetime, limit: int) -> JobSpan:
    """Return one job of the answer of 'job_spans'."""
    found = parse_starts(answer["starts"], until, limit)
    return JobSpan(
        runs=load_entries(Run, answer["runs"]),
        skips=load_entries(Decision, answer["skips"]),
        counts=parse_counts(answer["counts"]),
        run_count=answer["run_count"],
        skip_count=answer["skip_count"],
        earlier=load_entries(Run, answer["earlier"]),
        starts=found.starts,
        starts_until=found.until,
    )
