"""The history in numbers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto import Run, RunState
from rae_auto.api.store import Append
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job import JobId
from rae_auto.model.primitives.instants import format_instant
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import CaughtUp, Due, MissedCause, NeedFailed, Overlapping
from rae_auto.model.run import ClockStep
from rae_auto.records.statistics import (
    MAX_EXAMINED_RUNS,
    TREND_PARTS,
    Statistics,
    percentiles,
    read_facts,
    statistics_of,
    summarize,
)
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.statistics import statistics_rows

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def run(
    took: float | None = 1, *, late: float = 0, state: RunState = RunState.SUCCEEDED, job: str = "a", **more: Any
) -> dict[str, Any]:
    """The document of a run; one that took None was never started."""
    started = None if took is None else NOON + seconds(late)
    given: dict[str, Any] = {"cause": Due(), "attempt": 0 if took is None else 1, **more}
    return documents.dump(
        Run(
            id=RunId("r"),
            job=JobId(job),
            trigger="t",
            key="k",
            scheduled_for=NOON,
            queued_at=NOON,
            state=state,
            started_at=started,
            finished_at=NOON if started is None else started + seconds(took or 0),
            **given,
        )
    )


def statistics(runs: Sequence[Mapping[str, Any]], skips: Mapping[str, int]) -> Statistics:
    return summarize([facts for run in runs if (facts := read_facts(run)) is not None], skips)


OVERLAP = Overlapping(RunId("r"), NOON)


def skip(at: datetime) -> dict[str, Any]:
    return documents.dump(Decision(JobId("a"), "t", "k", at, Outcome.SKIP, OVERLAP, at))


def test_durations_leave_out_how_the_clock_was_set() -> None:
    found = statistics(
        [run(3600 + 5, clock_steps=(ClockStep(1, 3600),)), run(5 - 3600, clock_steps=(ClockStep(1, -3600),))], {}
    )
    assert found.duration is not None
    assert (found.duration.p50, found.duration.p99) == (5, 5)


def test_of_nothing_there_are_no_numbers() -> None:
    found = statistics([], {})
    assert (found.runs, found.success_rate, found.duration, found.lateness) == (0, None, None, None)
    assert found.trend.success == found.trend.duration == ()


def test_success_is_counted_among_what_was_tried() -> None:
    runs = [run(), run(), run(state=RunState.FAILED), run(None, state=RunState.SKIPPED, reason=NeedFailed(JobId("b")))]
    found = statistics(runs, {})
    assert found.states == {"succeeded": 2, "failed": 1, "skipped": 1}
    assert found.success_rate == pytest.approx(2 / 3)


def test_skips_are_counted_by_reason_whether_decided_at_once_or_later() -> None:
    later = run(None, state=RunState.SKIPPED, reason=NeedFailed(JobId("b")))
    assert statistics([later], {"overlap": 2, "need_failed": 1}).skipped == {"overlap": 2, "need_failed": 2}


def test_skips_are_those_of_the_time_of_the_runs_that_are_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rae_auto.records.statistics.MAX_EXAMINED_RUNS", 3)
    store = MemoryStore()
    store.open(tmp_path)
    for at in (NOON + seconds(number) for number in range(5)):
        body = run() | {"queued_at": format_instant(at)}
        store.commit([Append(documents.RUNS, str(at), "a", "succeeded", at, body)])
        store.commit([Append(documents.DECISIONS, str(at), "a", OVERLAP.code, at, skip(at))])
    assert statistics_of(store, None, None).skipped == {"overlap": 3}
    assert statistics_of(store, ["a"], NOON + seconds(3)).skipped == {"overlap": 2}
    store.close()


def test_statistics_measure_duration_and_lateness() -> None:
    found = statistics([run(n, late=n / 10) for n in range(1, 101)], {})
    assert found.duration is not None
    assert (found.duration.p50, found.duration.p90, found.duration.p99) == (50, 90, 99)
    assert found.lateness is not None
    assert (found.lateness.p50, found.lateness.p90, found.lateness.p99) == (5, 9, 9.9)


def test_what_makes_up_for_a_missed_instant_is_not_late() -> None:
    found = statistics([run(late=5000, cause=CaughtUp(MissedCause.DOWN)), run(late=1)], {})
    assert found.lateness is not None
    assert found.lateness.p99 == 1


def test_a_clock_that_was_set_back_makes_nothing_negative() -> None:
    found = statistics([run(-5, late=-5)], {})
    assert found.duration is not None
    assert found.lateness is not None
    assert (found.duration.p50, found.lateness.p50) == (0, 0)


def test_retries_are_the_attempts_after_the_first() -> None:
    assert statistics([run(attempt=3), run(attempt=1), run(None)], {}).retries == 2


def test_the_trend_goes_from_the_oldest_to_the_newest() -> None:
    newest_first = [run(9), run(1, state=RunState.FAILED)]
    assert statistics(newest_first, {}).trend.success == (0, 1)
    assert statistics(newest_first, {}).trend.duration == (1, 9)


@given(st.integers(0, 200))
def test_every_run_is_in_one_part_of_the_trend(count: int) -> None:
    trend = statistics([run(1, state=RunState.SUCCEEDED)] * count, {}).trend
    assert len(trend.success) == len(trend.duration) == min(TREND_PARTS, count)
    assert set(trend.success) <= {1.0}


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_percentiles_are_values_in_order_and_bound_their_share(values: list[float]) -> None:
    found = percentiles(values)
    assert found is not None
    assert found.p50 <= found.p90 <= found.p99
    for percent, value in ((50, found.p50), (90, found.p90), (99, found.p99)):
        assert value in values
        assert sum(v <= value for v in values) * 100 >= percent * len(values)


def test_only_the_newest_runs_of_the_job_since_then_are_looked_at(tmp_path: Path) -> None:
    store = MemoryStore()
    store.open(tmp_path)
    bodies = [run(job="ab"[n % 2]) for n in range(10)]
    store.commit([Append("runs", str(n), "ab"[n % 2], "x", NOON + seconds(n), body) for n, body in enumerate(bodies)])
    assert statistics_of(store, None, None).runs == 10
    assert statistics_of(store, ["a"], None).runs == 5
    assert statistics_of(store, ["a"], NOON + seconds(5)).runs == 2
    store.commit([Append("runs", str(n), "c", "x", NOON, bodies[0]) for n in range(MAX_EXAMINED_RUNS + 5)])
    assert statistics_of(store, ["c"], None).runs == MAX_EXAMINED_RUNS
    store.close()


def test_runs_of_all_ids_of_a_job_are_in_the_order_of_time(tmp_path: Path) -> None:
    store = MemoryStore()
    store.open(tmp_path)
    for number, (job, took) in enumerate([("now", 9), ("old", 1), ("old", 2), ("now", 8)]):
        at = NOON + seconds([3, 0, 1, 2][number])
        body = run(took, job=job) | {"queued_at": format_instant(at)}
        store.commit([Append(documents.RUNS, str(number), job, "succeeded", at, body)])
    assert statistics_of(store, ["now", "old"], None).trend.duration == (1, 2, 8, 9)
    store.close()


@given(took=st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), max_size=70))
def test_usual_duration_is_that_of_the_newest_successful_runs(took: list[tuple[float, bool]]) -> None:
    store = MemoryStore()
    with TemporaryDirectory() as place:
        store.open(Path(place))
        for number, (duration, is_good) in enumerate(took):
            body = run(duration, state=RunState.SUCCEEDED if is_good else RunState.FAILED)
            store.commit([Append("runs", str(number), "a", "x", NOON + seconds(number), body)])
        found, all_jobs = statistics_of(store, ["a"], None).usual, statistics_of(store, None, None).usual
        store.close()
    good = sorted([duration for duration, is_good in reversed(took) if is_good][:60])
    assert all_jobs is None
    if not good:
        assert found is None
        return
    assert found is not None
    assert found.runs == len(good)
    # Records have instants, which go by microseconds.
    assert (found.p50, found.p95) == pytest.approx(
        (good[(len(good) + 1) // 2 - 1], good[-(-len(good) * 95 // 100) - 1]), abs=1e-6
    )


def test_its_record_is_plain_json() -> None:
    record = statistics([run(2)], {}).record()
    assert record["duration"] == {"p50": 2.0, "p90": 2.0, "p99": 2.0}
    assert record["trend"]["success"] == (1.0,)


def test_statistics_say_of_how_many_runs_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rae_auto.records.statistics.MAX_EXAMINED_RUNS", 3)
    store = MemoryStore()
    store.open(tmp_path)
    bodies = [run() | {"id": f"{number}"} for number in range(5)]
    store.commit([Append(documents.RUNS, body["id"], "a", "succeeded", NOON, body) for body in bodies])
    found = statistics_of(store, None, None)
    assert (found.runs, found.total) == (3, 5)
    assert statistics_rows(found.record())[0] == ("runs", "the newest 3 of 5: 3 succeeded")
