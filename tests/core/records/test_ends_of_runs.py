"""Ends of runs since a time, however many runs came after them."""

from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.engine.effects import Record
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Manual
from rae_auto.model.run import Run, RunState
from rae_auto.records.events import read_events
from rae_auto.registry import Registry
from rae_auto.runtime.repository import encode

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def run(number: int, queued: timedelta, finished: timedelta) -> Run:
    at = NOON + queued
    return Run(
        id=RunId(f"r{number}"),
        job=JobId("a"),
        trigger="manual",
        key=str(number),
        scheduled_for=at,
        queued_at=at,
        cause=Manual(),
        state=RunState.SUCCEEDED,
        started_at=at,
        finished_at=NOON + finished,
        attempt=1,
    )


@pytest.mark.parametrize("kind", ["sqlite", "json"])
@pytest.mark.parametrize("same_instant", [False, True])
def test_an_end_is_found_behind_many_newer_runs(tmp_path, kind, same_instant):
    second = timedelta(seconds=1)
    runs = [run(0, -20_002 * second, -second), run(1, -20_001 * second, 500 * second)]
    # Queued before the time that is asked for, and over before it.
    runs += [run(n, -n * second, -second) for n in range(10_000, 20_000)]
    runs += [run(n, (1 if same_instant else n) * second, n * second) for n in range(2, 200)]
    store = Registry().get(Kind.STORE, kind)()
    store.open(tmp_path)
    try:
        store.commit(encode(map(Record, runs)))
        found = read_events(store, ["run.succeeded"], since=NOON)
    finally:
        store.close()
    assert [event.id for event in found] == [f"r{n}" for n in [*range(2, 200), 1]]
