"""Recorded events are durable before they are published; a subscriber gets each of them once."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import in_time

from rae_auto import Job, Scheduler
from rae_auto.api.events import Event, StreamPosition
from rae_auto.api.store import Change, LogQuery
from rae_auto.errors import BadRequest, StoreError
from rae_auto.model import documents
from rae_auto.model.primitives.trace import traceparent_of
from rae_auto.runtime import event_recorder
from rae_auto.testing.memory_store import MemoryStore

# Not long ago, since what is old is tidied away.
AT = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
SECOND = timedelta(seconds=1)
BEFORE = StreamPosition(AT - timedelta(days=1))
JOBS = [Job(id=name, python="time:time") for name in "ab"]


class Noting(MemoryStore):
    """Counts what it is asked, and fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.commits: list[Sequence[Change]] = []
        self.queries: list[str] = []
        self.fails = False

    def commit(self, changes: Sequence[Change]) -> None:
        if self.fails:
            raise StoreError("no space left on device")
        super().commit(changes)
        self.commits.append(changes)

    def query(self, log: str, query: LogQuery) -> Any:
        if self.fails:
            raise StoreError("can't be read")
        self.queries.append(log)
        return super().query(log, query)


@pytest.fixture(params=["sqlite", "json", "memory"])
def store(request: pytest.FixtureRequest) -> Any:
    return MemoryStore() if request.param == "memory" else request.param


def run_with_scheduler(directory: Path, store: Any, work: Callable[[Scheduler], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        async with Scheduler(directory=directory, store=store, jobs=JOBS) as scheduler:
            return await work(scheduler)

    return in_time(main)


async def read_events(
    scheduler: Scheduler, count: int, *names: str, after: StreamPosition | None = BEFORE
) -> list[Event]:
    """So many events."""
    found: list[Event] = []
    async with aclosing(scheduler.runtime.inputs.events.follow(names or ("*",), after)) as stream:
        while len(found) < count:
            found += await anext(stream)
    return found


async def record(scheduler: Scheduler, *names: str, at: datetime = AT) -> list[Event]:
    return [await scheduler.runtime.inputs.events.record(name, {}, at + n * SECOND) for n, name in enumerate(names)]


async def run(scheduler: Scheduler, job: str) -> Any:
    return await scheduler.wait(await scheduler.trigger(job))


# Recording


def test_what_is_recorded_is_there_after_a_restart(tmp_path, store):
    async def first(scheduler):
        return await scheduler.runtime.inputs.events.record("door.open", {"room": ["hall", 1, None]}, AT)

    event = run_with_scheduler(tmp_path, store, first)
    assert (event.name, event.at, event.data) == ("door.open", AT, {"room": ["hall", 1, None]})
    assert run_with_scheduler(tmp_path, store, lambda scheduler: scheduler.runtime.inputs.events.list(["door.*"])) == [
        event
    ]


def test_without_an_instant_it_happened_now(tmp_path):
    async def work(scheduler):
        before = scheduler.runtime.now()
        event = await scheduler.runtime.inputs.events.record("x")
        return before <= event.at <= scheduler.runtime.now()

    assert run_with_scheduler(tmp_path, MemoryStore(), work)


def test_what_comes_together_is_one_commit(tmp_path):
    store = Noting()

    async def work(scheduler):
        store.commits.clear()
        await asyncio.gather(*(scheduler.runtime.inputs.events.record(f"e{number}") for number in range(200)))

    run_with_scheduler(tmp_path, store, work)
    events = [commit for commit in store.commits if any(getattr(c, "log", "") == documents.EVENTS for c in commit)]
    assert sum(map(len, events)) == 200
    assert len(events) <= 3


@pytest.mark.parametrize(
    ("name", "data", "why"),
    [
        ("run.succeeded", {}, "is reserved"),
        ("gap", {}, "is reserved"),
        ("no name", {}, "invalid event name"),
        (7, {}, "invalid event name"),
        ("x", {"size": float("nan")}, "invalid number nan"),
        ("x", {1: "x"}, "data"),
        ("x", {"what": object()}, "data"),
        ("x", {"long": "x" * event_recorder.MAX_EVENT_BYTES}, "larger than 64 KB"),
    ],
)
def test_what_can_not_be_kept_is_refused_in_one_line(tmp_path, name, data, why):
    async def work(scheduler):
        with pytest.raises(BadRequest, match=why) as caught:
            await scheduler.runtime.inputs.events.record(name, data)
        assert "\n" not in str(caught.value)

    run_with_scheduler(tmp_path, MemoryStore(), work)


def test_failed_store_raises_and_publishes_nothing(tmp_path):
    store = Noting()

    async def work(scheduler):
        stream = scheduler.runtime.inputs.events.follow(["*"], None)
        store.fails = True
        for _ in range(2):
            with pytest.raises(StoreError, match="no space left"):
                await scheduler.runtime.inputs.events.record("lost")
        store.fails = False
        event = await scheduler.runtime.inputs.events.record("kept")
        assert await anext(stream) == [event]
        await stream.aclose()

    run_with_scheduler(tmp_path, store, work)


def test_event_that_is_durable_is_answered_though_passing_it_on_failed(tmp_path, monkeypatch):
    def fail(*_: Any) -> None:
        raise RuntimeError("a follower is broken")

    async def work(scheduler):
        monkeypatch.setattr(event_recorder.EventRecorder, "_publish", fail)
        [event] = await record(scheduler, "backup.done")
        assert [one.id for one in await read_events(scheduler, 1)] == [event.id]

    run_with_scheduler(tmp_path, MemoryStore(), work)


def test_who_gives_up_recording_is_in_nobodys_way(tmp_path):
    async def work(scheduler):
        given_up = asyncio.ensure_future(scheduler.runtime.inputs.events.record("one"))
        await asyncio.sleep(0)
        given_up.cancel()
        await scheduler.runtime.inputs.events.record("two")
        return [event.name for event in await scheduler.runtime.inputs.events.list(["*"])]

    assert run_with_scheduler(tmp_path, MemoryStore(), work) == ["one", "two"]


# Following


def test_follow_delivers_past_and_new_events_once_and_in_order(tmp_path, store):
    async def work(scheduler):
        before = await record(scheduler, "a.1", "b.1", "a.2")
        hearing = asyncio.ensure_future(read_events(scheduler, 3, "a.*"))
        await asyncio.sleep(0)
        after = await record(scheduler, "b.2", "a.3", at=AT + timedelta(minutes=1))
        return [before[0], before[2], after[1]] == await hearing

    assert run_with_scheduler(tmp_path, store, work)


def test_follow_from_now_on_skips_the_past(tmp_path, store):
    async def work(scheduler):
        await record(scheduler, "old")
        hearing = asyncio.ensure_future(read_events(scheduler, 1, after=None))
        await asyncio.sleep(0)
        (new,) = await record(scheduler, "new")
        return await hearing == [new]

    assert run_with_scheduler(tmp_path, store, work)


def test_follow_continues_from_a_position_within_one_instant(tmp_path, store):
    async def first(scheduler):
        return [await scheduler.runtime.inputs.events.record(f"e{number}", {}, AT) for number in range(4)]

    events = run_with_scheduler(tmp_path, store, first)
    place = BEFORE
    for read in events[:2]:
        place = place.after(read)

    async def second(scheduler):
        return await read_events(scheduler, 2, after=place)

    assert sorted(run_with_scheduler(tmp_path, store, second), key=lambda e: e.name) == events[2:]


def test_the_ends_of_runs_are_events_live_and_after_a_restart(tmp_path, store):
    async def first(scheduler):
        hearing = asyncio.ensure_future(
            read_events(scheduler, 2, "run.*", after=StreamPosition(scheduler.runtime.now()))
        )
        await asyncio.sleep(0)
        runs = [await run(scheduler, name) for name in "ab"]
        return runs, await hearing

    runs, live = run_with_scheduler(tmp_path, store, first)
    assert [(e.id, e.name, e.at) for e in live] == [(r.id, "run.succeeded", r.finished_at) for r in runs]
    assert {**live[0].data, "seconds": 0} == {
        "job": "a",
        "run_id": runs[0].id,
        "trigger": "manual",
        "state": "succeeded",
        "exit_code": 0,
        "seconds": 0,
        "traceparent": traceparent_of(runs[0].id, 1, None),
    }

    async def second(scheduler):
        return await read_events(scheduler, 1, "run.succeeded", after=StreamPosition(live[0].at, (live[0].id,)))

    assert run_with_scheduler(tmp_path, store, second) == live[1:]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["run.succeeded"], 1),
        (["r*"], 1),
        (["run.?ucceeded"], 1),
        (["*"], 2),
        (["*", "run.failed"], 2),
        (["run.failed", "x"], 1),
        (["run"], 0),
        ([], 0),
    ],
)
def test_names_choose_among_ends_of_runs_too(tmp_path, names, expected):
    async def work(scheduler):
        await record(scheduler, "x")
        await run(scheduler, "a")
        return len(await scheduler.runtime.inputs.events.list(names))

    assert run_with_scheduler(tmp_path, MemoryStore(), work) == expected


def test_run_that_ends_while_the_past_is_read_is_delivered_once(tmp_path):
    store = Noting()

    async def work(scheduler):
        counts = []
        for _ in range(20):
            place = StreamPosition(scheduler.runtime.now())
            started = await scheduler.trigger("a")
            stream = scheduler.runtime.inputs.events.follow(["run.*"], place)
            first = await anext(stream)
            more = asyncio.ensure_future(anext(stream))
            await scheduler.wait(started)
            await record(scheduler, "x")
            await run(scheduler, "b")
            found = [*first, *await more]
            counts.append([event.data["job"] for event in found])
            await stream.aclose()
        return counts

    assert run_with_scheduler(tmp_path, store, work) == [["a", "b"]] * 20


def test_the_past_comes_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(event_recorder, "EVENTS_PER_BATCH", 10)

    async def work(scheduler):
        await record(scheduler, *(f"e{number}" for number in range(25)))
        stream = scheduler.runtime.inputs.events.follow(["*"], BEFORE)
        sizes = [len(await anext(stream)) for _ in range(3)]
        await stream.aclose()
        return sizes

    assert run_with_scheduler(tmp_path, MemoryStore(), work) == [10, 10, 5]


def test_those_who_begin_together_share_one_reading(tmp_path):
    """As all do at a start: a hundred patterns must not read the history a hundred times."""
    store = Noting()

    async def work(scheduler):
        await record(scheduler, "a", "b")
        await run(scheduler, "a")
        store.queries.clear()
        hearings = [read_events(scheduler, 1, "a" if number % 2 else "run.*") for number in range(100)]
        names = [event.name for (event,) in await asyncio.gather(*hearings)]
        assert names == ["run.succeeded", "a"] * 50
        return len([log for log in store.queries if log == documents.RUNS])

    assert run_with_scheduler(tmp_path, store, work) <= 2


def test_who_follows_learns_that_the_past_can_not_be_read(tmp_path):
    store = Noting()

    async def work(scheduler):
        store.fails = True
        with pytest.raises(StoreError, match="can't be read"):
            await read_events(scheduler, 1)
        store.fails = False
        await record(scheduler, "x")
        assert len(await read_events(scheduler, 1)) == 1

    run_with_scheduler(tmp_path, store, work)


def test_who_follows_no_more_costs_nothing(tmp_path):
    async def work(scheduler):
        log = scheduler.runtime.inputs.events
        never_started = log.follow(["*"], None)
        stream = log.follow(["*"], BEFORE)
        await record(scheduler, "x")
        await anext(stream)
        await stream.aclose()
        del never_started
        return len(log._followers)

    assert run_with_scheduler(tmp_path, MemoryStore(), work) == 0


# Looking and forgetting


def test_the_newest_are_shown_of_a_span_and_of_names(tmp_path, store):
    async def work(scheduler):
        await record(scheduler, "a", "b", "a", "b", "a.b")
        log = scheduler.runtime.inputs.events
        assert [e.at for e in await log.list(["a"], limit=1)] == [AT + 2 * SECOND]
        assert [e.name for e in await log.list(["a*"], limit=2)] == ["a", "a.b"]
        span = await log.list(["*"], since=AT + SECOND, until=AT + 2 * SECOND)
        assert [e.name for e in span] == ["b", "a"]

    run_with_scheduler(tmp_path, store, work)


def test_what_is_forgotten_is_gone_for_good(tmp_path, store):
    async def first(scheduler):
        await record(scheduler, "a.1", "a.2", "b", "a.1")
        log = scheduler.runtime.inputs.events
        assert await log.delete(["c*"], None) == 0
        assert await log.delete(["a.*"], AT + 3 * SECOND) == 2
        assert [e.name for e in await log.list(["*"])] == ["b", "a.1"]
        assert await log.delete(["*"], None) == 2

    run_with_scheduler(tmp_path, store, first)
    assert run_with_scheduler(tmp_path, store, lambda scheduler: scheduler.runtime.inputs.events.list(["*"])) == []
