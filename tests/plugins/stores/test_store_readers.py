"""Reads beside commits: a reader of a store holds up nothing, and is held up by nothing."""

import sqlite3
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from attrs import evolve

from rae_auto.api import Store
from rae_auto.api.store import Append, CountQuery, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreDamaged, StoreError
from rae_plugins.stores.json import JsonStore, history
from rae_plugins.stores.json import store as json_store
from rae_plugins.stores.sqlite import SqliteStore, reading

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entries(first: int, count: int) -> list[Append]:
    return [Append("runs", f"run-{n}", "job", "succeeded", NOON, {"n": n}) for n in range(first, first + count)]


class HeldRead:
    """Holds the first call of a function, in the middle of a query, until `resume` is set."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self.is_held = Event()
        self.resume = Event()

    def __call__(self, *args: Any) -> Any:
        if not self.is_held.is_set():
            self.is_held.set()
            assert self.resume.wait(30)
        return self._function(*args)


@pytest.fixture(params=["sqlite", "json"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    # Every commit but the last is in a history file, which is where a query is held.
    monkeypatch.setattr(json_store, "should_compact", lambda journal, snapshot: True)
    opened = SqliteStore() if kind == "sqlite" else JsonStore()
    opened.open(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def held_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> HeldRead:
    module, name = (reading, "is_good_entry") if kind == "sqlite" else (history, "decode_entry")
    found = HeldRead(getattr(module, name))
    monkeypatch.setattr(module, name, found)
    return found


@pytest.mark.requirement("R27")
def test_commits_and_pruning_finish_beside_a_held_read(store: Store, held_read: HeldRead) -> None:
    store.commit(entries(0, 300))
    store.commit([Put("job", "b", {})])
    reader = store.make_reader()
    assert reader is not None
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(reader.query, "runs", LogQuery(limit=1000))
        assert held_read.is_held.wait(30)
        store.commit([Put("job", "a", {"n": 1}), *entries(300, 1)])
        store.prune("decisions", RetentionRule(since=NOON, newest=1))
        assert [key for key, _ in store.load("job")] == ["a", "b"]
        dumped = store.dump()
        held_read.resume.set()
        assert [body["n"] for body in read.result(30)] == list(reversed(range(300)))
    assert len(list(dumped)) == 303


def test_read_finds_what_was_committed_before(store: Store) -> None:
    reader = store.make_reader()
    assert reader is not None
    for n in range(5):
        store.commit([*entries(n, 1), Put("job", f"job-{n}", {})])
        assert len(reader.query("runs", LogQuery())) == n + 1
        assert len(list(reader.load("job"))) == n + 1


def test_reader_keeps_its_state_beside_pruning(store: Store, held_read: HeldRead) -> None:
    store.commit(entries(0, 300))
    store.commit([Put("job", "a", {})])
    reader = store.make_reader()
    assert reader is not None
    with ThreadPoolExecutor(1) as thread:
        read = thread.submit(reader.query, "runs", LogQuery(limit=1000))
        assert held_read.is_held.wait(30)
        while store.prune("runs", RetentionRule(since=NOON, newest=1)):
            pass
        held_read.resume.set()
        assert len(read.result(30)) == 300
    assert len(reader.query("runs", LogQuery())) == 1


def test_session_reads_one_state_beside_commits(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit(entries(0, 3))
    reader = store.make_reader()
    assert reader is not None
    with reader.session():
        assert len(reader.query("runs", LogQuery())) == 3
        store.commit(entries(3, 1))
        assert [one.count for one in reader.count("runs", CountQuery())] == [3]
    assert len(reader.query("runs", LogQuery())) == 4
    store.close()


def test_reader_reads_the_file_that_a_repair_has_put_in_place(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit(entries(0, 3))
    reader = store.make_reader()
    assert reader is not None
    assert len(reader.query("runs", LogQuery())) == 3
    (tmp_path / "state.sqlite").unlink()
    with pytest.raises(StoreDamaged):
        store.commit(entries(3, 1))
    store.commit(entries(3, 2))
    assert len(reader.query("runs", LogQuery())) == 5
    store.close()


def test_failed_read_holds_up_no_later_checkpoint(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit(entries(0, 3))
    reader = store.make_reader()
    assert reader is not None
    with pytest.raises(ZeroDivisionError), reader.session():
        reader.collect("runs", LogQuery(), lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError) as kept:
        reader.collect("runs", LogQuery(), lambda _: 1 / 0)
    store.commit(entries(3, 1))
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as other:
        (is_busy, pages, moved) = other.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
    assert (is_busy, moved) == (0, pages), kept
    store.close()


def test_closing_the_store_ends_its_reader(store: Store) -> None:
    store.commit(entries(0, 3))
    reader = store.make_reader()
    assert reader is not None
    store.close()
    with pytest.raises(StoreError):
        reader.query("runs", LogQuery())


def test_close_does_not_wait_for_a_long_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit(entries(0, 3 * reading.CHUNK_ROWS))
    reader = store.make_reader()
    held_read = HeldRead(reading.is_good_entry)
    monkeypatch.setattr(reading, "is_good_entry", held_read)
    with ThreadPoolExecutor(2) as threads:
        read = threads.submit(reader.query, "runs", LogQuery(limit=10_000))
        assert held_read.is_held.wait(30)
        closing = threads.submit(store.close)
        while not reader._is_interrupted:
            pass
        held_read.resume.set()
        closing.result(30)
        with pytest.raises(StoreError):
            read.result(30)
    assert not (tmp_path / "state.sqlite-wal").exists()


def test_scrub_leaves_nothing_behind_a_long_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Append("events", "e", "secret-name", "secret-name", NOON, {"n": 1}), *entries(0, 1000)])
    reader = store.make_reader()
    held_read = HeldRead(reading.is_good_entry)
    monkeypatch.setattr(reading, "is_good_entry", held_read)
    with ThreadPoolExecutor(2) as threads:
        read = threads.submit(reader.query, "runs", LogQuery(limit=10_000))
        assert held_read.is_held.wait(30)
        assert store.prune("events", RetentionRule(since=datetime.max.replace(tzinfo=UTC), newest=9)) == ["e"]
        scrubbing = threads.submit(store.scrub)
        while not reader._is_interrupted:
            pass
        held_read.resume.set()
        scrubbing.result(30)
        with pytest.raises(StoreError):
            read.result(30)
    assert not any(b"secret-name" in path.read_bytes() for path in tmp_path.iterdir())
    assert len(reader.query("runs", LogQuery(limit=10_000))) == 1000
    store.close()


def test_keys_are_found_without_the_bodies_in_memory(store: Store) -> None:
    """Fails if more than some of 20 history files are in memory at once."""
    text, files = "x" * 50_000, 20
    for number in range(files):
        store.commit([evolve(entry, body={"text": text}) for entry in entries(number, 1)])
    tracemalloc.start()
    try:
        assert store.find_keys("runs", ["run-0", "run-19", "other"]) == {"run-0", "run-19"}
        assert tracemalloc.get_traced_memory()[1] < len(text) * files / 2
    finally:
        tracemalloc.stop()
