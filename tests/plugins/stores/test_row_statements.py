"""Statements of many rows: few calls, with all rows in their order."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rae_auto.api.store import Append, Delete, Put
from rae_plugins.stores.sqlite import SqliteStore
from rae_plugins.stores.sqlite.row_statements import RowStatement, once
from rae_plugins.stores.sqlite.statements import group_changes


@pytest.mark.parametrize("count", [0, 1, 3, 4, 63, 64, 65, 250])
def test_calls_bind_each_row_once_in_order(count: int) -> None:
    statement = RowStatement("x = ? AND y IN ({rows})", "(?, ?)", [(n, -n) for n in range(count)], ("first",))
    calls = list(statement.calls())
    assert all(text.count("?") == len(values) for text, values in calls)
    assert [value for _, values in calls for value in values[1:]] == [
        sign * n for n in range(count) for sign in (1, -1)
    ]
    assert {values[0] for _, values in calls} <= {"first"}


def test_statement_without_rows_is_one_call() -> None:
    assert list(once("DELETE FROM x").calls()) == [("DELETE FROM x", [])]


def test_commit_of_a_thousand_changes_is_few_calls_in_few_forms() -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    puts = [Put("state", f"{n}", {}) for n in range(333)]
    entries = [Append("runs", f"{n}", "job", "failed", noon, {}) for n in range(333)]
    deletes = [Delete("run", f"{n}") for n in range(334)]
    calls = [text for one in group_changes([*puts, *entries, *deletes]) for text, _ in one.calls()]
    assert len(calls) <= 36
    assert len(set(calls)) <= 12


def test_body_that_is_no_json_undoes_the_rows_before_it(tmp_path: Path) -> None:
    """Rows are made while the transaction is open: some have been written when one can't be made."""
    store = SqliteStore()
    store.open(tmp_path)
    with pytest.raises(TypeError):
        store.commit([*(Put("state", f"{n}", {}) for n in range(200)), Put("state", "bad", {"n": object()})])
    assert list(store.load("state")) == []
    store.commit([Put("state", "a", {})])
    store.close()
    assert list(store.open(tmp_path)) == []
    assert [key for key, _ in store.load("state")] == ["a"]
    store.close()


def test_rows_of_a_large_commit_are_made_while_it_is_written() -> None:
    made = []

    def puts() -> Iterator[Put]:
        for n in range(1_000):
            made.append(n)
            yield Put("state", f"{n}", {})

    next(group_changes(puts()))
    assert len(made) <= 100
