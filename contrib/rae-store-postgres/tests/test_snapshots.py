"""Reads are of one instant, whatever is committed meanwhile, and however many documents there are."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rae_store_postgres.reading import CHUNK_ROWS

from rae_auto.api import Delete, Put, Store
from rae_auto.errors import StoreError
from rae_auto.testing.stores import entry

LIMIT_SECONDS = 30.0
COUNTS = [2, CHUNK_ROWS, CHUNK_ROWS + 1, 3 * CHUNK_ROWS]
IN_TRANSACTION = "FROM pg_stat_activity WHERE application_name = 'rae-auto' AND state = 'idle in transaction'"


@pytest.fixture
def store(make_store: Any, tmp_path: Path) -> Iterator[Store]:
    """Return a store that is open."""
    store: Store = make_store()
    store.open(tmp_path)
    yield store
    store.close()


def fill(store: Store, count: int) -> list[tuple[str, dict[str, Any]]]:
    """Put documents, and return them by key."""
    documents = [(f"job{number:04}", {"n": number}) for number in range(count)]
    store.commit([Put("job", key, body) for key, body in documents])
    return documents


def change(store: Store, count: int) -> None:
    """Change, delete and add documents at the end."""
    store.commit(
        [Put("job", f"job{count - 1:04}", {"n": -1}), Delete("job", f"job{count - 2:04}"), Put("job", "new", {})]
    )


def count_transactions(server: Any) -> int:
    """Return how many transactions are open and wait for us."""
    return len(server.execute(f"SELECT pid {IN_TRANSACTION}"))


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it didn't come to pass"


def end_transactions(server: Any) -> None:
    """End the connections that have one."""
    assert server.execute(f"SELECT pg_terminate_backend(pid, 10000) {IN_TRANSACTION}") == [(True,)]


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("make", [lambda store: store, lambda store: store.make_reader()], ids=["store", "reader"])
def test_documents_are_those_of_one_instant(store: Store, make: Callable[[Store], Any], count: int) -> None:
    documents = fill(store, count)
    found = iter(make(store).load("job"))
    first = next(found)
    change(store, count)
    assert [first, *found] == documents


@pytest.mark.parametrize("count", COUNTS)
def test_session_sees_one_state_of_all_kinds(store: Store, count: int) -> None:
    documents, reader = fill(store, count), store.make_reader()
    with reader.session():
        assert list(reader.load("state")) == []
        change(store, count)
        store.commit([Put("state", "a", {})])
        assert list(reader.load("job")) == documents
        assert list(reader.load("state")) == []
    assert list(reader.load("state")) == [("a", {})]


def test_read_that_is_given_up_holds_no_transaction(store: Store, server: Any) -> None:
    fill(store, COUNTS[-1])
    found = iter(store.load("job"))
    next(found)
    del found
    store.commit([Put("job", "after", {})])
    eventually(lambda: count_transactions(server) == 0)


def test_session_that_loses_its_connection_reads_nothing_more(store: Store, server: Any) -> None:
    """Documents from another connection would be of another instant."""
    documents, reader = fill(store, 2), store.make_reader()
    with pytest.raises(StoreError), reader.session():
        assert list(reader.load("job")) == documents
        end_transactions(server)
        with pytest.raises(StoreError):
            list(reader.load("job"))
        for _ in range(2):
            with pytest.raises(StoreError, match="the connection was lost during a read; try again"):
                list(reader.load("job"))
        raise StoreError("as who reads would let it")
    with reader.session():
        assert list(reader.load("job")) == documents


def test_read_of_many_that_loses_its_connection_says_so(store: Store, server: Any) -> None:
    documents = fill(store, COUNTS[-1])
    found = iter(store.load("job"))
    next(found)
    end_transactions(server)
    with pytest.raises(StoreError):
        list(found)
    assert list(store.load("job")) == documents


def test_dump_goes_on_after_a_chunk_of_damaged_rows(store: Store, server: Any) -> None:
    documents, entries = fill(store, CHUNK_ROWS + 1), [entry(number) for number in range(CHUNK_ROWS + 1)]
    store.commit(entries)
    server.execute(
        f"UPDATE rae_auto.documents SET body = '{{}}' WHERE key = 'job{CHUNK_ROWS:04}'",
        f"UPDATE rae_auto.entries SET body = '{{}}' WHERE key <> 'run-{CHUNK_ROWS}'",
        "SELECT 1",
    )
    dumped = list(store.dump())
    assert [change.key for change in dumped if isinstance(change, Put)] == [key for key, _ in documents[:-1]]
    assert [change for change in dumped if not isinstance(change, Put)] == entries[-1:]
