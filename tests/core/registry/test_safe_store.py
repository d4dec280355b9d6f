"""A store's plugin at the border: whatever its methods raise is a StoreError that names it."""

import asyncio
import sys
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import define, frozen
from tests.support.waiting import until

from rae_auto import Job, Scheduler, StoreError, StoreLocked
from rae_auto.api.plugin import Kind
from rae_auto.api.store import LogQuery, Put, RetentionRule, Store
from rae_auto.registry import Registry
from rae_auto.registry.containment import contain_store
from rae_auto.registry.factory import PluginFactory
from rae_auto.testing.memory_store import MemoryStore

pytestmark = pytest.mark.requirement("R35")


def fail(*_: object) -> Any:
    raise KeyError("boom")


def leave(*_: object) -> Any:
    sys.exit(3)


def break_off(*_: object) -> Iterator[Any]:
    yield from ()
    raise KeyError("boom")


def refuse(*_: object) -> Any:
    raise StoreLocked("another daemon has it")


@frozen
class OneStore:
    """A source of the installed plugins, and of a store "odd" with one method that is another function."""

    method: str = "none"
    function: Callable[..., Any] = fail

    def names(self, kind: Kind) -> Collection[str]:
        return {*Registry().names(kind), "odd"}

    def get(self, kind: Kind, name: str) -> Any:
        if name != "odd":
            return Registry().get(kind, name)
        members = {"type": "odd", self.method: self.function}
        return define(type("Odd", (MemoryStore,), members), slots=False)

    def provenance(self, kind: Kind, name: str) -> str:
        return "rae-odd 1.0"


def store_of(method: str = "none", function: Callable[..., Any] = fail) -> Store:
    return PluginFactory(OneStore(method, function), "UTC").store("odd")


CALLS: dict[str, Callable[[Store], object]] = {
    "open": lambda store: store.open(Path()),
    "open_read_only": lambda store: store.open_read_only(Path()),
    "make_reader": lambda store: store.make_reader(),
    "load": lambda store: list(store.load("job")),
    "query": lambda store: store.query("runs", LogQuery()),
    "commit": lambda store: store.commit([Put("job", "a", {})]),
    "prune": lambda store: store.prune("runs", RetentionRule(newest=1, since=datetime(2026, 1, 1, tzinfo=UTC))),
    "dump": lambda store: list(store.dump()),
    "newest_copy_at": lambda store: store.newest_copy_at(),
    "scrub": lambda store: store.scrub(),
    "close": lambda store: store.close(),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("function", [fail, leave])
def test_error_of_a_store_names_plugin_line_and_hint(method: str, function: Callable[..., Any]) -> None:
    with pytest.raises(StoreError) as found:
        CALLS[method](store_of(method, function))
    line = function.__code__.co_firstlineno + 1
    assert str(found.value).startswith('store "odd" of rae-odd 1.0 failed: ')
    assert f"test_safe_store.py:{line}); for its author: " in str(found.value)


@pytest.mark.parametrize("method", ["load", "dump"])
def test_iterator_of_a_store_is_contained_while_it_is_read(method: str) -> None:
    with pytest.raises(StoreError, match=r'store "odd" of rae-odd 1\.0 failed: '):
        CALLS[method](store_of(method, break_off))


def test_errors_that_a_store_may_raise_pass() -> None:
    with pytest.raises(StoreLocked, match="another daemon has it"):
        store_of("open", refuse).open(Path())


def test_contained_store_passes_for_its_own_class(tmp_path: Path) -> None:
    store = store_of()
    assert isinstance(store, MemoryStore)
    store.open(tmp_path)
    store.commit([Put("job", "a", {"x": 1})])
    assert list(store.load("job")) == [("a", {"x": 1})]
    reader = store.make_reader()
    assert reader is None or list(reader.load("job")) == [("a", {"x": 1})]
    store.close()


@pytest.mark.parametrize("method", ["open", "load", "commit"])
@pytest.mark.parametrize("function", [fail, leave])
def test_scheduler_with_a_broken_store_ends_with_its_error(
    tmp_path: Path, method: str, function: Callable[..., Any]
) -> None:
    async def work() -> None:
        source, jobs = OneStore(method, function), [Job(id="a", command="true")]
        async with Scheduler(
            directory=tmp_path, store="odd", jobs=jobs, plugins=source, shutdown_grace=timedelta(0)
        ) as scheduler:
            asking = asyncio.create_task(scheduler.trigger("a"))
            await until(lambda: scheduler.runtime.store_problem)
            assert 'store "odd" of rae-odd 1.0 failed: ' in str(scheduler.runtime.store_problem)
            asking.cancel()

    with pytest.raises(StoreError, match=r'store "odd" of rae-odd 1\.0 failed: '):
        asyncio.run(asyncio.wait_for(work(), 50))


@pytest.mark.parametrize("is_started", [False, True])
def test_closed_dump_ends_the_read(is_started: bool) -> None:
    class Reading(MemoryStore):
        is_open = False

        def dump(self):
            self.changes = self.read()
            next(self.changes)
            return self.changes

        def read(self):
            self.is_open = True
            try:
                yield None
                yield from range(1_000)
            finally:
                self.is_open = False

    store = Reading()
    dump = contain_store(store, str).dump()
    assert not is_started or next(dump) == 0
    assert store.is_open
    dump.close()
    assert not store.is_open
    assert list(contain_store(store, str).dump()) == list(range(1_000))


@pytest.mark.parametrize("number", [0, 30, 50, 70])
def test_answers_before_an_error_are_there(number):
    class Failing(MemoryStore):
        def dump(self):
            yield from range(number)
            raise KeyError("a damaged page")

    dump = contain_store(Failing(), str).dump()
    assert [next(dump) for _ in range(number)] == list(range(number))
    with pytest.raises(StoreError, match="a damaged page"):
        next(dump)
    assert list(dump) == []


def test_documents_that_come_many_at_once_are_not_read_ahead():
    """A store reads them so to have few of them in memory."""

    class Reading(MemoryStore):
        chunks_read = 0

        def load_packed(self, kind):
            for number in range(9):
                self.chunks_read += 1
                yield [(f"{kind}-{number}", b"{}")]

    store = Reading()
    packed = contain_store(store, str).load_packed("job")
    for number in range(9):
        assert next(packed) == [(f"job-{number}", b"{}")]
        assert store.chunks_read == number + 1
