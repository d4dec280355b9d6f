"""Whatever the history is, screens count exactly what it holds: month, strip, timeline, digest, for every store."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api.store import Append, CountQuery, LogQuery, Store
from rae_auto.explain.digest_reads import JobIds, read_digest
from rae_auto.explain.screen_reads import count_each, count_entries, read_job_span
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, Missed, Paused
from rae_auto.model.reasons.base import MissedCause, TimeFormat
from rae_auto.model.run import Run, RunState
from rae_auto.reading.parsing import parse_counts, parse_digest, parse_span
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.screens.digest import build_digest
from rae_auto.views.screens.month import COUNTED_STEP, build_month, month_bounds
from rae_auto.views.screens.parts.base import local_times
from rae_auto.views.screens.parts.record_source import ExpectedCounts, JobsFound
from rae_auto.views.screens.parts.strip import build_strip, group_of, strip_bounds
from rae_auto.views.screens.timeline import build_timeline, cell_step_of
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

START = datetime(2026, 10, 24, tzinfo=UTC)
"""A day before the clocks of Europe go back."""

SPAN_MINUTES = 3 * 24 * 60
STATES = ("succeeded", "failed", "timed_out", "lost", "cancelled", "interrupted", "skipped")
GROUPS = ("good", "bad", "stopped", "skipped")
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")

IDS = JobIds("ab", lambda job: [job])

Written = tuple[int, float, str, str]
"""The minute in which a run was queued, how long it took in minutes, its state and its job."""

histories = st.lists(
    st.tuples(st.integers(0, SPAN_MINUTES), st.floats(0, 300), st.sampled_from(STATES), st.sampled_from("ab")),
    max_size=60,
)


Skipped = tuple[int, str, int]
"""The minute in which a skip was decided, its job, and the number of starts that were missed; 0 for a pause."""

decided_skips = st.lists(
    st.tuples(st.integers(0, SPAN_MINUTES), st.sampled_from("ab"), st.integers(0, 3)),
    max_size=40,
    unique_by=lambda s: s[0],
)


def fill_skips(store: Store, skips: list[Skipped]) -> list[Decision]:
    """Write decisions not to run, and return them."""
    decisions = []
    for number, (minute, job, count) in enumerate(skips):
        at = START + timedelta(minutes=minute, seconds=30)
        missed = Missed(MissedCause.DOWN, at, at, count=count, has_older=False, catch_up=CatchUp.NONE)
        one = Decision(
            JobId(job), "cron", str(number), at, Outcome.SKIP, missed if count else Paused(), at, count=count or 1
        )
        decisions.append(one)
        store.commit([Append(documents.DECISIONS, str(number), job, one.reason.code, at, documents.dump(one))])
    return decisions


def fill(store: Store, history: list[Written]) -> list[Run]:
    """Write runs, and return them."""
    runs = []
    for number, (minute, length, state, job) in enumerate(history):
        queued = START + timedelta(minutes=minute, seconds=number % 60)
        ended = queued + timedelta(minutes=length)
        run = Run(
            id=RunId(f"{number:026}"), job=JobId(job), trigger="cron", key=str(number), scheduled_for=queued,
            queued_at=queued, cause=Due(), state=RunState(state), started_at=queued, finished_at=ended, attempt=1,
        )  # fmt: skip
        runs.append(run)
        store.commit([Append(documents.RUNS, run.id, job, state, queued, documents.dump(run), ended)])
    return runs


@pytest.mark.parametrize("make", [MemoryStore, JsonStore, SqliteStore])
@given(history=histories, zone_name=st.sampled_from(ZONES), now_minute=st.integers(0, SPAN_MINUTES))
@settings(max_examples=12, deadline=None)
def test_screens_count_what_the_history_holds(
    make: type[Store], history: list[Written], zone_name: str, now_minute: int
) -> None:
    zone, now = ZoneInfo(zone_name), START + timedelta(minutes=now_minute)
    with TemporaryDirectory() as place:
        store = make()
        store.open(Path(place))
        try:
            runs = fill(store, history)
            check_month(store, runs, zone)
            check_strip(store, runs, now)
            check_timeline(store, runs, now)
            check_jobs(store, runs)
            check_steps(store, runs, now)
        finally:
            store.close()


@pytest.mark.parametrize("make", [MemoryStore, JsonStore, SqliteStore])
@given(history=histories, skips=decided_skips, since_minute=st.integers(0, SPAN_MINUTES))
@settings(max_examples=12, deadline=None)
def test_digest_says_what_the_history_holds(
    make: type[Store], history: list[Written], skips: list[Skipped], since_minute: int
) -> None:
    since, until = START + timedelta(minutes=since_minute), START + timedelta(minutes=since_minute + 12 * 60)
    with TemporaryDirectory() as place:
        store = make()
        store.open(Path(place))
        try:
            runs, decisions = fill(store, history), fill_skips(store, skips)
            answer = json.loads(json.dumps(read_digest(store, IDS, since, until, 1.0)))
            few = parse_digest(json.loads(json.dumps(read_digest(store, IDS, since, until, 1.0, max_rows=2))))
        finally:
            store.close()
    status = {"problems": [], "failed": [], "overdue": [], "running": [], "waiting": [], "next": [], "jobs": 2}
    digest = build_digest(
        {**status, "state": "running"}, parse_digest(answer), world=[], since=since, until=until, now=until, zone="UTC"
    )
    found = [run for run in runs if since <= run.queued_at < until]
    decided = [one for one in decisions if since <= one.decided_at < until]
    assert digest.states == Counter(run.state for run in found)
    assert [(row.run_id, row.is_over) for row in digest.failures] == failures_of(found, runs)
    groups = skips_of(found, decided, local_times("UTC", until))
    assert {(row.job, row.reason): (row.count, row.starts, row.last_at, row.text) for row in digest.skips} == groups
    frequent = {(one.job, one.reason): (one.count, one.last_at) for one in few.skips}
    assert frequent == {key: (groups[key][0], groups[key][2]) for key in frequent}
    by_size = sorted(((count, at) for count, _, at, _ in groups.values()), reverse=True)
    assert list(frequent.values()) == by_size[:2]
    assert few.examined_skips == digest.skipped
    assert [run.id for run, _ in few.failures] == [row.run_id for row in digest.failures][:2]
    assert digest.skips_extent.is_complete
    assert sum(row.count for row in digest.skips) == digest.skipped
    assert {(row.job, row.before, row.now, row.runs) for row in digest.slower} == slower_of(found, runs, since)


def failures_of(found: list[Run], runs: list[Run]) -> list[tuple[str, bool]]:
    """Return the failures of a digest, made from whole records."""
    bad = [run for run in found if run.state in ("failed", "timed_out", "lost")]
    good = [run for run in runs if run.state is RunState.SUCCEEDED]
    newest_first = sorted(bad, key=lambda run: (run.queued_at, run.id), reverse=True)
    return [(run.id, any(one.job == run.job and one.queued_at > run.queued_at for one in good)) for run in newest_first]


def skips_of(
    found: list[Run], decided: list[Decision], time: TimeFormat
) -> dict[tuple[str, str], tuple[int, int, datetime, str]]:
    """Return the skips of a digest by job and reason, made from whole records."""
    skips = [
        (one.job, one.reason.code, one.count, one.decided_at, one.at, one.reason.describe_past(time)) for one in decided
    ]
    skips += [
        (run.job, "skipped", 1, run.queued_at, run.scheduled_for, "") for run in found if run.state is RunState.SKIPPED
    ]
    groups: dict[tuple[str, str], list[Any]] = {}
    for skip in sorted(skips, key=lambda skip: skip[3], reverse=True):
        groups.setdefault((skip[0], skip[1]), []).append(skip)
    return {key: (len(some), sum(one[2] for one in some), *some[0][4:]) for key, some in groups.items()}


def slower_of(found: list[Run], runs: list[Run], since: datetime) -> set[tuple[str, timedelta, timedelta, int]]:
    """Return the slower jobs of a digest, made from whole records."""
    slower = set()
    for job in "ab":
        good = [run for run in runs if run.job == job and run.state is RunState.SUCCEEDED]
        good.sort(key=lambda run: (run.queued_at, run.id), reverse=True)
        now, before = (
            [run.duration.total_seconds() for run in some if run.duration is not None]
            for some in ([run for run in good if run in found], [run for run in good if run.queued_at <= since][:20])
        )
        if now and len(before) >= 3 and (late := median(now)) >= 1.0:
            early = median(before)
            if late >= early * 1.5 and late - early >= 1.0:
                slower.add((job, timedelta(seconds=early), timedelta(seconds=late), len(now)))
    return slower


def test_run_that_goes_on_is_shown_beside_the_numbers_of_many(tmp_path: Path) -> None:
    store = MemoryStore()
    store.open(tmp_path)
    runs = fill(store, [(minute, 0.5, "succeeded", "a") for minute in range(60)])
    last = runs[-1]
    opened = [
        evolve(last, id=RunId(name * 26), queued_at=queued, state=RunState.RUNNING, finished_at=None)
        for name, queued in (("A", last.queued_at), ("B", START - timedelta(minutes=1)))
    ]
    span = CountQuery(since=START, until=START + timedelta(hours=2), step=COUNTED_STEP)
    found = parse_span({**read_job_span(store, ["a"], opened, span, 40), "starts": []}, START, 40)
    assert [run.id for run in found.runs] == [run.id for run in opened]
    assert found.run_count == 62
    assert {run.id for run in found.earlier} <= {run.id for run in runs}
    store.close()


def check_steps(store: Store, runs: list[Run], now: datetime) -> None:
    span = CountQuery(since=START, until=now + timedelta(seconds=7), step=timedelta(minutes=1))
    shown = store.count_each_step("runs", span)
    found = Counter(
        (run.state, (run.queued_at - START) // timedelta(minutes=1)) for run in runs if run.queued_at < span.until
    )
    assert {(state, step): count for state, row in shown.items() for step, count in enumerate(row) if count} == found


def check_month(store: Store, runs: list[Run], zone: ZoneInfo) -> None:
    first, last = month_bounds(2026, 10, zone)
    counts = parse_counts(count_entries(store, "runs", [CountQuery(since=first, until=last, step=COUNTED_STEP)]))
    month = build_month(
        2026, 10, counts=counts, skips=[], expected=ExpectedCounts({}, last), notes={}, now=last, zone=zone
    )
    expected = Counter((run.queued_at.astimezone(zone).date(), group_of(run.state)) for run in runs)
    for day in month.days:
        for group in GROUPS:
            assert getattr(day, group) == expected[day.date, group]


def check_jobs(store: Store, runs: list[Run]) -> None:
    # "b" had the id "a" before.
    found = count_each(store, "runs", {"a": ["a"], "b": ["b", "a"]})
    for job, ids in (("a", "a"), ("b", "ab")):
        numbers = {one.outcome: one.count for one in parse_counts(found[job])}
        assert numbers == Counter(run.state for run in runs if run.job in ids)


def check_strip(store: Store, runs: list[Run], now: datetime) -> None:
    first, middle, _ = strip_bounds(now)
    end = middle + COUNTED_STEP
    counts = parse_counts(count_entries(store, "runs", [CountQuery(since=first, until=end, step=COUNTED_STEP)]))
    strip = build_strip(now, counts, [], ExpectedCounts({}, now))
    shown = Counter({group: sum(getattr(cell, group) for cell in strip.cells) for group in GROUPS})
    assert +shown == Counter(group_of(run.state) for run in runs if first <= run.queued_at < end)


def check_timeline(store: Store, runs: list[Run], now: datetime) -> None:
    since, until = now - timedelta(hours=6), now + timedelta(hours=6)
    span = CountQuery(since=since, until=until, step=cell_step_of(until - since))
    answers = {job: read_job_span(store, [job], [], span, 10) for job in "ab"}
    spans = {job: parse_span({**answer, "starts": []}, until, 10) for job, answer in answers.items()}
    timeline = build_timeline(
        JobsFound([{"id": job} for job in "ab"], 2, 2), spans, counts=[], skips=[], bands=[], max_parallel=1, now=now,
        zone="UTC", since=since, until=until,
    )  # fmt: skip
    for row in timeline.rows:
        queued = [run for run in runs if run.job == row.job and since <= run.queued_at < until]
        if row.cells:
            in_cells = Counter({group: sum(getattr(cell, group) for cell in row.cells) for group in GROUPS})
            assert +in_cells == Counter(group_of(run.state) for run in queued)
            assert (row.runs, row.skipped) == (len(queued) - in_cells["skipped"], in_cells["skipped"])
        else:
            shown = {bar.run_id for bar in row.bars}
            assert {run.id for run in queued} <= shown
            assert row.runs + row.skipped == len(row.bars)
    assert len(store.query("runs", LogQuery(limit=1000))) == len(runs)
