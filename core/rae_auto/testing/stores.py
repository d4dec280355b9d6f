"""The conformance suite of stores."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from rae_auto.api import Store
from rae_auto.api.store import Append, Delete, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreError, StoreLocked
from rae_auto.testing.plugin import PluginConformance

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entry(
    number: int, *, key: str | None = None, job: str = "job", state: str = "succeeded", minute: int = 0
) -> Append:
    """Return an entry of the log `runs` whose body is its number."""
    return Append("runs", key or f"run-{number}", job, state, NOON + timedelta(minutes=minute), {"number": number})


def numbers(store: Store, log: str = "runs", **wanted: Any) -> list[int]:
    """Return the numbers of the entries that a query finds."""
    return [body["number"] for body in store.query(log, LogQuery(**wanted))]


def _another(store: Any) -> Store:
    """Return a store with the same options."""
    other: Store = attrs.evolve(store)
    return other


class StoreConformance(PluginConformance):
    """Conformance suite of stores. A subclass has the fixture `plugin`: a store that is not open and has no state."""

    @pytest.fixture
    def directory(self, tmp_path: Path) -> Path:
        """Return the state directory."""
        path = tmp_path / "state"
        path.mkdir(mode=0o700)
        return path

    @pytest.fixture
    def store(self, plugin: Store, directory: Path) -> Iterator[Store]:
        """Open the store."""
        assert list(plugin.open(directory)) == []
        yield plugin
        plugin.close()

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert list(store.load("job")) == []
        assert store.query("runs", LogQuery()) == []

    def test_documents_come_back_by_key_and_kind(self, store: Store) -> None:
        store.commit([Put("job", "b", {"n": 2}), Put("job", "a", {"n": 1}), Put("state", "a", {"n": 3})])
        assert list(store.load("job")) == [("a", {"n": 1}), ("b", {"n": 2})]
        assert list(store.load("state")) == [("a", {"n": 3})]

    def test_the_last_change_of_a_document_counts(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1}), Put("job", "b", {"n": 2})])
        store.commit([Put("job", "a", {"n": 3}), Delete("job", "b"), Delete("job", "never was")])
        store.commit([Delete("job", "a"), Put("job", "a", {"n": 4})])
        assert list(store.load("job")) == [("a", {"n": 4})]

    def test_bodies_and_keys_are_any_json(self, store: Store) -> None:
        body: dict[str, Any] = {
            "text": "'); DROP TABLE documents; --\n\0 \ud800 ☂",
            "list": [1, 2.5, None, True, {"deep": {}}],
            "": "",
        }
        key = "'); drop \n../☂"
        store.commit([Put("job", key, body)])
        assert list(store.load("job")) == [(key, body)]

    def test_what_was_committed_is_no_longer_the_callers(self, store: Store) -> None:
        body: dict[str, list[int]] = {"list": [1]}
        store.commit([Put("job", "a", body), Append("runs", "r", "job", "failed", NOON, body)])
        body["list"].append(2)
        assert list(store.load("job")) == [("a", {"list": [1]})]
        assert store.query("runs", LogQuery()) == [{"list": [1]}]

    def test_entries_come_newest_first_and_the_later_appended_first_among_equals(self, store: Store) -> None:
        store.commit([entry(1, minute=5), entry(2, minute=9), entry(3, minute=5)])
        store.commit([entry(4, minute=1), entry(5, minute=5)])
        assert numbers(store) == [2, 5, 3, 1, 4]

    def test_an_entry_replaces_the_one_of_its_key(self, store: Store) -> None:
        store.commit([entry(1, key="x", minute=9), entry(2, key="y")])
        store.commit([entry(3, key="x", minute=0, state="failed")])
        assert numbers(store) == [3, 2]
        assert numbers(store, states=("succeeded",)) == [2]

    def test_logs_are_apart(self, store: Store) -> None:
        store.commit([entry(1, key="x"), attrs.evolve(entry(2, key="x"), log="decisions")])
        assert numbers(store) == [1]
        assert numbers(store, "decisions") == [2]

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({"job": "a"}, [3, 1]),
            ({"states": ("failed",)}, [2, 1]),
            ({"states": ("failed", "succeeded"), "job": "b"}, [2]),
            ({"key": "run-2"}, [2]),
            ({"key": "run-2", "job": "a"}, []),
            ({"since": NOON + timedelta(minutes=2)}, [3, 2]),
            ({"until": NOON + timedelta(minutes=2)}, [2, 1]),
            ({"since": NOON + timedelta(minutes=2), "until": NOON + timedelta(minutes=2)}, [2]),
            ({"limit": 1}, [3]),
            ({"job": "'; --"}, []),
        ],
    )
    def test_a_query_gives_what_it_asks_for(self, store: Store, wanted: dict[str, Any], found: list[int]) -> None:
        store.commit([entry(1, job="a", state="failed", minute=1), entry(2, job="b", state="failed", minute=2)])
        store.commit([entry(3, job="a", minute=3)])
        assert numbers(store, **wanted) == found

    def test_a_commit_is_made_whole_or_not_at_all(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1})])
        with pytest.raises(Exception):  # noqa: B017 - whatever a store makes of what is no change
            store.commit([Put("job", "a", {"n": 2}), entry(1), Put("job", "b", {"n": object()})])
        assert list(store.load("job")) == [("a", {"n": 1})]
        assert numbers(store) == []
        store.commit([entry(2)])
        assert numbers(store) == [2]

    def test_everything_is_there_when_opened_again(self, store: Store, directory: Path) -> None:
        store.commit([Put("job", "a", {"n": 1}), Put("job", "b", {"n": 2}), entry(1)])
        store.commit([Delete("job", "b"), entry(2, minute=-1)])
        store.close()
        assert list(store.open(directory)) == []
        assert list(store.load("job")) == [("a", {"n": 1})]
        assert numbers(store) == [1, 2]

    def test_a_second_one_is_refused_with_the_pid_of_the_first(self, store: Store, directory: Path) -> None:
        second = _another(store)
        with pytest.raises(StoreLocked) as refused:
            second.open(directory)
        assert refused.value.pid == os.getpid()
        second.close()
        store.commit([entry(1)])
        assert numbers(store) == [1]

    def test_closing_lets_the_lock_go_and_twice_is_no_error(self, store: Store, directory: Path) -> None:
        store.close()
        store.close()
        second = _another(store)
        second.open(directory)
        second.close()

    def test_a_closed_store_says_so(self, plugin: Store) -> None:
        with pytest.raises(StoreError):
            list(plugin.load("job"))
        with pytest.raises(StoreError):
            plugin.commit([entry(1)])
        with pytest.raises(StoreError):
            plugin.query("runs", LogQuery())
        with pytest.raises(StoreError):
            plugin.prune("runs", RetentionRule(since=NOON, newest=1))
        with pytest.raises(StoreError):
            plugin.dump()

    def test_a_dump_holds_everything_in_the_order_of_appending(self, store: Store) -> None:
        changes = [Put("job", "b", {"n": 1}), Put("job", "a", {"n": 2}), Put("state", "a", {"n": 3})]
        entries = [entry(1, minute=5), entry(2, job="'; --", state="failed", minute=1), entry(3, minute=3)]
        store.commit([*changes, *entries[:1]])
        store.commit(entries[1:])
        dumped = list(store.dump())
        assert sorted((c for c in dumped if isinstance(c, Put)), key=lambda put: (put.kind, put.key)) == [
            changes[1], changes[0], changes[2]
        ]  # fmt: skip
        assert [change for change in dumped if not isinstance(change, Put)] == entries

    def test_a_dump_makes_an_equal_store(self, store: Store, tmp_path: Path) -> None:
        store.commit([Put("job", "a", {"text": "\ud800 ☂"}), Put("job", "b", {}), entry(1, key="x"), entry(2, key="y")])
        store.commit([Delete("job", "b"), entry(3, key="x", state="failed"), entry(4, minute=-1)])
        changes = list(store.dump())
        (tmp_path / "copy").mkdir(mode=0o700)
        copy = _another(store)
        copy.open(tmp_path / "copy")
        try:
            copy.commit(changes)
            assert list(copy.load("job")) == [("a", {"text": "\ud800 ☂"})]
            assert numbers(copy) == numbers(store) == [3, 2, 4]
        finally:
            copy.close()

    def test_a_dump_is_as_of_the_call_and_can_be_read_in_another_thread(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1}), *(entry(n) for n in range(100))])
        dumped = store.dump()
        store.commit([Put("job", "a", {"n": 2}), Put("job", "b", {}), entry(100)])
        store.prune("runs", RetentionRule(since=NOON, newest=1))
        with ThreadPoolExecutor(1) as thread:
            read = thread.submit(lambda: list(dumped))
            store.commit([entry(101), Delete("job", "b")])
            assert read.result(60) == [Put("job", "a", {"n": 1}), *(entry(n) for n in range(100))]

    @pytest.mark.parametrize(
        ("keep", "kept"),
        [
            (RetentionRule(since=NOON, newest=99), [6, 5, 4, 3, 2, 1]),
            (RetentionRule(since=NOON + timedelta(minutes=3), newest=99), [6, 5, 4, 3]),
            (RetentionRule(since=NOON, newest=1), [6, 5]),
            (RetentionRule(since=NOON, newest=0), []),
            (RetentionRule(since=NOON, newest=1, states=("failed", "lost")), [6, 5, 4, 3, 1]),
            (RetentionRule(since=NOON + timedelta(minutes=9), newest=9, states=("succeeded",)), [4, 2]),
        ],
    )
    def test_pruning_leaves_what_is_to_be_kept_and_tells_the_rest(
        self, store: Store, keep: RetentionRule, kept: list[int]
    ) -> None:
        store.commit([entry(n, job="ab"[n % 2], minute=n) for n in (1, 3, 5)])
        store.commit([entry(n, job="ab"[n % 2], minute=n, state="failed" if n < 5 else "succeeded") for n in (2, 4, 6)])
        pruned = [*store.prune("runs", keep), *store.prune("runs", keep)]
        assert numbers(store) == kept
        assert sorted(pruned) == [f"run-{n}" for n in range(1, 7) if n not in kept]
        assert list(store.prune("runs", keep)) == []

    def test_pruning_again_and_again_removes_all(self, store: Store) -> None:
        store.commit([*(entry(n) for n in range(1200)), attrs.evolve(entry(1), log="decisions")])
        pruned: list[str] = []
        while step := store.prune("runs", RetentionRule(since=NOON + timedelta(hours=1), newest=9)):
            pruned += step
        assert len(pruned) == len(set(pruned)) == 1200
        assert numbers(store) == []
        assert numbers(store, "decisions") == [1]

    def test_what_was_pruned_is_gone_when_opened_again(self, store: Store, directory: Path) -> None:
        store.commit([entry(1, key="x"), entry(2, key="y")])
        store.commit([entry(3, key="x", minute=1), entry(4, minute=2)])
        assert sorted(store.prune("runs", RetentionRule(since=NOON, newest=1))) == ["x", "y"]
        store.close()
        assert list(store.open(directory)) == []
        assert numbers(store) == [4]
        store.commit([entry(5, key="y")])
        assert numbers(store) == [4, 5]

    def test_its_files_are_the_owners_alone_whatever_the_umask(self, plugin: Store, directory: Path) -> None:
        before = os.umask(0)
        try:
            plugin.open(directory)
            plugin.commit([Put("job", "a", {"n": 1})])
            open_to_others = [path for path in directory.rglob("*") if path.stat().st_mode & 0o077]
            plugin.close()
        finally:
            os.umask(before)
        assert open_to_others == []
