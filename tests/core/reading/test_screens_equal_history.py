"""Whatever the history is, screens count exactly what it holds: month, strip, timeline, digest, for every store."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api.store import Append, CountQuery, LogQuery, Store
from rae_auto.explain.screen_reads import count_entries, read_job_span
from rae_auto.model import documents
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due
from rae_auto.model.run import Run, RunState
from rae_auto.reading.parsing import parse_counts, parse_span
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.screens.month import COUNTED_STEP, build_month, month_bounds
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

Written = tuple[int, float, str, str]
"""The minute in which a run was queued, how long it took in minutes, its state and its job."""

histories = st.lists(
    st.tuples(st.integers(0, SPAN_MINUTES), st.floats(0, 300), st.sampled_from(STATES), st.sampled_from("ab")),
    max_size=60,
)


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
        finally:
            store.close()


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
