"""Trends hold all runs of a job on record: equal to what whole records say, in every store, zone and length of time."""

import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api.store import Append, LogQuery, RetentionRule, Store
from rae_auto.explain import trend_reads
from rae_auto.explain.trend_reads import MAX_KNOWN_JOBS, KnownTrends, choose_step, iterate_starts, read_trends
from rae_auto.model import documents
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import CaughtUp, Due
from rae_auto.model.reasons.causes import MissedCause
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.reading.parsing import parse_trends
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.screens.parts.record_source import JobTrends
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

S = TypeVar("S", bound=Store)

START = datetime(2026, 10, 24, 17, 20, tzinfo=UTC)
"""A Saturday, a day before the clocks of Europe go back."""

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia")
STATES = ("succeeded", "failed", "timed_out", "lost", "cancelled", "interrupted", "skipped")
IDS = ("old-name", "job")
METRICS = ("duration", "lateness", "cpu_time", "memory")

seconds = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1e6)
written = st.tuples(
    st.floats(0, 1), seconds, seconds, st.none() | seconds, st.none() | st.integers(0, 1 << 40),
    st.sampled_from(STATES), st.booleans(), st.sampled_from((*IDS, "another")),
)  # fmt: skip
"""Where in the span a run was queued, how late and how long it was, its resources, its state, cause and job."""


def make_run(number: int, given: tuple, span: timedelta) -> Run:
    part, late, long, cpu_time, memory, state, is_caught_up, job = given
    queued = START + timedelta(seconds=int(part * span.total_seconds()), microseconds=number)
    started = queued + timedelta(seconds=late)
    ended = started + timedelta(seconds=long)
    result = Result(cpu_time=None if cpu_time is None else timedelta(seconds=cpu_time), max_memory=memory)
    attempts = tuple(Attempt(one, started, ended, RunState.FAILED, result) for one in (1, 2))
    return Run(
        id=RunId(f"{number:026}"), job=JobId(job), trigger="cron", key=str(number), scheduled_for=queued,
        queued_at=queued, cause=CaughtUp(next(iter(MissedCause))) if is_caught_up else Due(), state=RunState(state),
        started_at=started, finished_at=ended, attempt=2, attempts=attempts,
    )  # fmt: skip


def append(run: Run) -> Append:
    return Append(documents.RUNS, run.id, run.job, run.state, run.queued_at, documents.dump(run))


@contextmanager
def stored(make: type[S], runs: list[Run]) -> Iterator[S]:
    with TemporaryDirectory() as place:
        store = make()
        store.open(Path(place))
        try:
            store.commit([append(run) for run in runs])
            yield store
        finally:
            store.close()


def trends_of(store: Store, zone: ZoneInfo) -> JobTrends:
    """Return the trends of the job as they come over the socket, from a reader beside the store if it has one."""
    return parse_trends(json.loads(json.dumps(read_trends(store.make_reader() or store, IDS, zone, 60))))


def value_of(run: Run, metric: str) -> float | None:
    """Return what a run took, from the run as a value."""
    results = [one.result for one in run.attempts if one.result is not None]
    if metric == "duration":
        return None if run.duration is None else run.duration.total_seconds()
    if metric == "lateness":
        assert run.started_at is not None
        return None if isinstance(run.cause, CaughtUp) else (run.started_at - run.scheduled_for).total_seconds()
    if metric == "cpu_time":
        times = [one.cpu_time for one in results if one.cpu_time is not None]
        return sum(times, timedelta(0)).total_seconds() if times else None
    return max((float(one.max_memory) for one in results if one.max_memory is not None), default=None)


def start_of(run: Run, first: Run, step: timedelta, zone: ZoneInfo) -> datetime:
    """Return when the group of a run begins: found from its own date by the clock of the zone."""
    local = run.queued_at.astimezone(zone)
    if step == HOUR:
        return run.queued_at - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    day = local.date()
    if step >= WEEK:
        begin = first.queued_at.astimezone(zone).date()
        begin -= timedelta(days=begin.weekday())
        day = begin + (day - begin) // step * step
    return datetime.combine(day, time(0), zone).astimezone(UTC)


@pytest.mark.parametrize("make", [MemoryStore, JsonStore, SqliteStore])
@given(
    history=st.lists(written, max_size=60),
    span=st.sampled_from((20 * HOUR, 2 * DAY, 3 * DAY, 50 * DAY, 90 * DAY, 400 * DAY, 3000 * DAY)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
@settings(max_examples=40, deadline=None)
def test_trends_say_what_the_history_holds(
    make: type[Store], history: list[tuple], span: timedelta, zone: ZoneInfo
) -> None:
    runs = [make_run(number, one, span) for number, one in enumerate(history)]
    with stored(make, runs) as store:
        found = trends_of(store, zone)
    measured = sorted(
        (run for run in runs if run.job in IDS and run.state is not RunState.SKIPPED), key=lambda run: run.queued_at
    )
    extent = found.trends.extent
    assert (extent.shown, extent.total) == (len(measured), len(measured))
    assert extent.since == (measured[0].queued_at if measured else None)
    succeeded = [run.duration for run in reversed(measured) if run.state is RunState.SUCCEEDED]
    assert found.durations == succeeded[:60]
    for metric in METRICS:
        groups: dict[datetime, list[float]] = {}
        for run in measured:
            if (value := value_of(run, metric)) is not None:
                groups.setdefault(start_of(run, measured[0], found.trends.step, zone), []).append(value)
        shown = {one.start: (one.runs, one.p50, one.p95) for one in getattr(found.trends, metric)}
        ranked = {start: sorted(values) for start, values in groups.items()}
        assert shown == {
            start: (len(values), *(values[ceil(len(values) * share) - 1] for share in (0.5, 0.95)))
            for start, values in ranked.items()
        }


def test_runs_beyond_the_newest_ones_are_not_passed_over_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trend_reads, "MAX_TREND_RUNS", 5)
    given = [(part / 10, 1.0, 2.0, None, None, "succeeded", False, IDS[part > 1]) for part in range(8)]
    runs = [make_run(number, one, 10 * DAY) for number, one in enumerate(given)]
    with stored(MemoryStore, runs) as store:
        trends = trends_of(store, ZoneInfo("UTC")).trends
    assert (trends.extent.shown, trends.extent.total, trends.extent.since) == (5, 8, runs[3].queued_at)
    assert sum(point.runs for point in trends.duration) == 5
    assert trends.describe("{:%Y-%m-%d %H:%M}".format) == "showing 5 of 8 runs since 2026-10-27 17:20, by day"


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (2 * DAY - HOUR, "by hour"),
        (2 * DAY + HOUR, "by day"),
        (60 * DAY - HOUR, "by day"),
        (61 * DAY, "by week"),
        (419 * DAY, "by week"),
        (421 * DAY, "in 2 weeks each"),
    ],
)
def test_trends_say_all_runs_and_how_they_are_grouped(span: timedelta, text: str) -> None:
    given = [(part, 0.0, 1.0, None, None, "failed", False, "job") for part in (0.0, 1.0)]
    with stored(MemoryStore, [make_run(number, one, span) for number, one in enumerate(given)]) as store:
        found = trends_of(store, ZoneInfo("UTC")).trends.describe("{:%Y-%m-%d %H:%M}".format)
    assert found == f"2 runs since 2026-10-24 17:20, {text}"


def test_trends_without_runs_say_nothing() -> None:
    with stored(MemoryStore, []) as store:
        assert trends_of(store, ZoneInfo("UTC")).trends.describe("{:%Y-%m-%d %H:%M}".format) == ""


def test_a_day_that_the_zone_skipped_has_no_group() -> None:
    zone = ZoneInfo("Pacific/Apia")
    first = datetime(2011, 12, 28, 12, tzinfo=zone)
    days = [start.astimezone(zone).date() for start in islice(iterate_starts(first, DAY, zone), 4)]
    assert days == [date(2011, 12, 28), date(2011, 12, 29), date(2011, 12, 31), date(2012, 1, 1)]


def test_steps_change_at_their_limits() -> None:
    least = timedelta(microseconds=1)
    spans = {2 * DAY: HOUR, 60 * DAY: DAY, 60 * WEEK: WEEK, 120 * WEEK: 2 * WEEK}
    assert {span: choose_step(span) for span in spans} == spans
    assert [choose_step(span + least) for span in spans] == [DAY, WEEK, 2 * WEEK, 3 * WEEK]


def test_groups_are_few_however_long_a_history_is() -> None:
    for days in (*range(1, 900), 3650, 36500):
        span = timedelta(days=days)
        assert span / choose_step(span) <= 60


def test_sqlite_has_few_documents_in_memory_at_once() -> None:
    given = (0.5, 0.0, 1.0, None, None, "succeeded", False, "job")
    with stored(SqliteStore, [make_run(number, given, HOUR) for number in range(2_000)]) as store:
        reader = store.make_reader()
        assert reader is not None
        query = LogQuery(limit=10_000)
        reader.query(documents.RUNS, query)
        few, all_of_them = (
            peak_of(lambda: reader.collect(documents.RUNS, query, len)),
            peak_of(lambda: reader.query(documents.RUNS, query)),
        )
    assert few < all_of_them / 2


def peak_of(read: Callable[[], object]) -> int:
    """Return the most bytes that a call has at once."""
    tracemalloc.start()
    try:
        read()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


class CollectingStore(MemoryStore):
    """A store that counts how often many runs are read."""

    collected = 0

    def collect(self, log, query, make):  # type: ignore[no-untyped-def]
        self.collected += 1
        return super().collect(log, query, make)


@settings(max_examples=25)
@given(first=st.lists(written, max_size=8), rest=st.lists(written, min_size=1, max_size=3))
def test_known_trends_are_read_again_when_a_run_of_the_job_comes_or_goes(first: list, rest: list) -> None:
    runs = [make_run(number, given, DAY) for number, given in enumerate([*first, *rest])]
    with stored(CollectingStore, runs[: len(first)]) as store:
        known, zone = KnownTrends(), ZoneInfo("Europe/Berlin")

        def check() -> None:
            found = known.read(store, IDS, zone, 60)
            assert found == read_trends(store, IDS, zone, 60)
            before = store.collected
            assert known.read(store, IDS, zone, 60) is found
            assert store.collected == before

        check()
        for run in runs[len(first) :]:
            store.commit([append(run)])
            check()
        store.prune(documents.RUNS, RetentionRule(since=max(run.queued_at for run in runs), newest=1))
        check()


def test_trends_of_the_latest_jobs_are_known() -> None:
    with stored(CollectingStore, []) as store:
        known = KnownTrends()
        for number in range(MAX_KNOWN_JOBS + 1):
            known.read(store, [f"job-{number}"], ZoneInfo("UTC"), 60)
        before = store.collected
        known.read(store, ["job-1"], ZoneInfo("UTC"), 60)
        assert store.collected == before
        known.read(store, ["job-0"], ZoneInfo("UTC"), 60)
        known.read(store, ["job-1"], ZoneInfo("Asia/Kathmandu"), 60)
        assert store.collected == before + 2
