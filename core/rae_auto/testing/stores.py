"""The conformance suite of stores."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from rae_auto.api import Store
from rae_auto.api.store import Append, CountQuery, Delete, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreError, StoreLocked
from rae_auto.model import documents
from rae_auto.testing.plugin import PluginConformance
from rae_auto.testing.store_faults import StoreFaults

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def entry(
    number: int, *, key: str | None = None, job: str = "job", state: str = "succeeded", minute: int = 0
) -> Append:
    """Return an entry of the log `runs` whose body is its number."""
    return Append("runs", key or f"run-{number}", job, state, NOON + timedelta(minutes=minute), {"number": number})


def numbers(store: Store, log: str = "runs", **query: Any) -> list[int]:
    """Return the numbers of the entries that a query finds."""
    return [body["number"] for body in store.query(log, LogQuery(**query))]


def _copy_of(store: Any) -> Store:
    """Return a store with the same options."""
    other: Store = attrs.evolve(store)
    return other


class StoreConformance(StoreFaults, PluginConformance):
    """Conformance suite of stores. A subclass has the fixture `plugin`: a store that is not open and has no state."""

    def make_other_store(self, plugin: Store) -> Store:
        """Return a store with the same options and no state, which may be open in another directory meanwhile.

        Overridden for a store whose state is elsewhere than in the directory.
        """
        return _copy_of(plugin)

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

    def test_new_store_is_empty(self, store: Store) -> None:
        assert list(store.load("job")) == []
        assert store.query("runs", LogQuery()) == []

    def test_load_returns_documents_by_kind_and_key(self, store: Store) -> None:
        store.commit([Put("job", "b", {"n": 2}), Put("job", "a", {"n": 1}), Put("state", "a", {"n": 3})])
        assert list(store.load("job")) == [("a", {"n": 1}), ("b", {"n": 2})]
        assert list(store.load("state")) == [("a", {"n": 3})]

    def test_last_change_of_a_document_wins(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1}), Put("job", "b", {"n": 2})])
        store.commit([Put("job", "a", {"n": 3}), Delete("job", "b"), Delete("job", "never was")])
        store.commit([Delete("job", "a"), Put("job", "a", {"n": 4})])
        assert list(store.load("job")) == [("a", {"n": 4})]

    def test_many_changes_of_one_commit_take_effect_in_order(self, store: Store) -> None:
        store.commit([Put("state", str(n), {}) for n in range(100, 200)])
        puts = [Put("job", str(100 + n % 100), {"n": n}) for n in range(200)]
        deletes = [Delete("job" if n % 2 else "state", str(n)) for n in range(100, 200)]
        entries = [entry(n, key=f"run-{n % 150}", minute=n % 150) for n in range(300)]
        store.commit([*deletes[:10], *puts, *deletes, *entries, Put("state", "198", {})])
        assert list(store.load("job")) == [(str(n), {"n": n}) for n in range(100, 200, 2)]
        assert [key for key, _ in store.load("state")] == [str(n) for n in range(100, 200) if n % 2 or n == 198]
        assert numbers(store, limit=1000) == list(range(299, 149, -1))

    def test_bodies_and_keys_are_stored_unchanged(self, store: Store) -> None:
        body: dict[str, Any] = {
            "text": "'); DROP TABLE documents; --\n\0 \ud800 ☂",
            "list": [1, 2.5, None, True, {"deep": {}}],
            "": "",
        }
        key = "'); drop \n../☂"
        store.commit([Put("job", key, body)])
        assert list(store.load("job")) == [(key, body)]

    def test_packed_documents_are_those_that_are_loaded(self, store: Store) -> None:
        store.commit([Put("job", f"job-{n}", {"n": n, "text": "\ud800 ☂"}) for n in range(500)])
        packed = [one for some in store.load_packed("job") for one in some]
        parsed = [(key, json.loads(body) if isinstance(body, bytes) else body) for key, body in packed]
        assert parsed == list(store.load("job"))

    def test_commit_copies_the_bodies(self, store: Store) -> None:
        body: dict[str, list[int]] = {"list": [1]}
        store.commit([Put("job", "a", body), Append("runs", "r", "job", "failed", NOON, body)])
        body["list"].append(2)
        assert list(store.load("job")) == [("a", {"list": [1]})]
        assert store.query("runs", LogQuery()) == [{"list": [1]}]

    def test_query_returns_newest_first_later_appended_before(self, store: Store) -> None:
        store.commit([entry(1, minute=5), entry(2, minute=9), entry(3, minute=5)])
        store.commit([entry(4, minute=1), entry(5, minute=5)])
        assert numbers(store) == [2, 5, 3, 1, 4]

    def test_append_replaces_the_entry_of_its_key(self, store: Store) -> None:
        store.commit([entry(1, key="x", minute=9), entry(2, key="y")])
        store.commit([entry(3, key="x", minute=0, state="failed")])
        assert numbers(store) == [3, 2]
        assert numbers(store, states=("succeeded",)) == [2]

    def test_logs_are_independent(self, store: Store) -> None:
        store.commit([entry(1, key="x"), attrs.evolve(entry(2, key="x"), log="decisions")])
        assert numbers(store) == [1]
        assert numbers(store, "decisions") == [2]

    @pytest.mark.parametrize(
        ("query", "expected"),
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
    def test_query_filters_entries(self, store: Store, query: dict[str, Any], expected: list[int]) -> None:
        store.commit([entry(1, job="a", state="failed", minute=1), entry(2, job="b", state="failed", minute=2)])
        store.commit([entry(3, job="a", minute=3)])
        assert numbers(store, **query) == expected
        made = store.collect("runs", LogQuery(**query), lambda body: (body["number"], len(body)))
        assert made == [(body["number"], len(body)) for body in store.query("runs", LogQuery(**query))]
        packed = store.collect_packed("runs", LogQuery(**query), documents.parse_all)
        assert packed == store.query("runs", LogQuery(**query))

    @pytest.mark.parametrize("states", [(), ("failed",), ("failed", "succeeded")])
    def test_heads_are_those_of_the_entries_that_a_query_finds(self, store: Store, states: tuple[str, ...]) -> None:
        at = NOON + timedelta(microseconds=123_457)
        bodies = [
            {"job": job, "state": state, "queued_at": (at + timedelta(minutes=minute)).isoformat()}
            for job, state, minute in (("a", "failed", 5), ("b", "succeeded", 1), ("a", "succeeded", 9))
        ]
        for number, body in enumerate(bodies):
            queued = datetime.fromisoformat(body["queued_at"])
            store.commit([Append("runs", f"run-{number}", body["job"], body["state"], queued, body)])
        query = LogQuery(states=states, until=at + timedelta(minutes=5), limit=2)
        found = [(head.job, head.state, head.at.isoformat()) for head in store.read_heads("runs", query)]
        assert found == [(one["job"], one["state"], one["queued_at"]) for one in store.query("runs", query)]
        assert len(found) == (1 if states == ("failed",) else 2)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, {(None, "failed"): 2, (None, "succeeded"): 1}),
            ({"job": "a"}, {(None, "failed"): 1, (None, "succeeded"): 1}),
            ({"until": NOON + timedelta(minutes=3)}, {(None, "failed"): 2}),
            (
                {"since": NOON + timedelta(minutes=1), "step": timedelta(minutes=2)},
                {(1, "failed"): 2, (3, "succeeded"): 1},
            ),
            ({"job": "b", "since": NOON, "step": timedelta(minutes=2)}, {(2, "failed"): 1}),
            ({"job": "c"}, {}),
        ],
    )
    def test_count_numbers_entries_by_state_and_step(
        self, store: Store, query: dict[str, Any], expected: dict[tuple[int | None, str], int]
    ) -> None:
        entries = [
            entry(1, job="a", state="failed", minute=1),
            entry(2, job="b", state="failed", minute=2),
            entry(3, job="a", minute=3),
        ]
        for one in entries:
            # As the documents of runs, by which a store that counts nothing itself is counted.
            body = {**one.body, "queued_at": one.at.isoformat(), "state": one.state}
            store.commit([attrs.evolve(one, body=body)])
        counted = {
            (None if found.start is None else (found.start - NOON) // timedelta(minutes=1), found.state): found.count
            for found in store.count("runs", CountQuery(**query))
        }
        assert counted == expected

    @pytest.mark.parametrize("job", [None, "a"])
    def test_count_each_step_has_the_numbers_of_count(self, store: Store, job: str | None) -> None:
        # The last step is shorter than the others, and what is at the end is beyond it.
        minutes = (0, 1, 1, 2, 5, 6, 6, 6, 7)
        for number, minute in enumerate(minutes):
            one = entry(number, job="ab"[number % 2], minute=minute, state=("failed", "succeeded")[number % 3 > 0])
            body = {**one.body, "queued_at": one.at.isoformat(), "state": one.state}
            store.commit([attrs.evolve(one, body=body)])
        query = CountQuery(job=job, since=NOON, until=NOON + timedelta(minutes=7), step=timedelta(minutes=2))
        rows: dict[str, list[int]] = {}
        for found in store.count("runs", query):
            assert found.start is not None
            rows.setdefault(found.state, [0] * 4)[(found.start - NOON) // timedelta(minutes=2)] = found.count
        assert store.count_each_step("runs", query) == rows
        assert sum(map(sum, rows.values())) == (8 if job is None else 4)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({}, [2, 1, 3]),
            ({"since": NOON + timedelta(minutes=7)}, [2, 1]),
            ({"until": NOON + timedelta(minutes=8)}, [1, 3]),
            ({"states": ("failed",)}, [1, 3]),
            ({"limit": 1}, [2]),
            ({"job": "b"}, [2]),
        ],
    )
    def test_query_by_end_finds_entries_by_their_ends(
        self, store: Store, directory: Path, query: dict[str, Any], expected: list[int]
    ) -> None:
        def end(change: Append, minute: int) -> Append:
            return attrs.evolve(change, ended_at=NOON + timedelta(minutes=minute))

        first, second = entry(1, job="a", state="failed"), entry(2, job="b", minute=4)
        store.commit([end(first, 8), end(second, 9), entry(4, minute=9)])
        store.commit([end(entry(3, job="a", state="failed", minute=5), 6)])
        assert numbers(store, by_end=True, **query) == expected
        store.close()
        store.open(directory)
        assert numbers(store, by_end=True, **query) == expected
        assert [c.ended_at for c in store.dump() if isinstance(c, Append) and c.key == "run-3"] == [
            NOON + timedelta(minutes=6)
        ]

    def test_commit_is_atomic(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1})])
        with pytest.raises(Exception):  # noqa: B017 - any error of the store
            store.commit([Put("job", "a", {"n": 2}), entry(1), Put("job", "b", {"n": object()})])
        assert list(store.load("job")) == [("a", {"n": 1})]
        assert numbers(store) == []
        store.commit([entry(2)])
        assert numbers(store) == [2]

    def test_state_survives_closing_and_opening(self, store: Store, directory: Path) -> None:
        store.commit([Put("job", "a", {"n": 1}), Put("job", "b", {"n": 2}), entry(1)])
        store.commit([Delete("job", "b"), entry(2, minute=-1)])
        store.close()
        assert list(store.open(directory)) == []
        assert list(store.load("job")) == [("a", {"n": 1})]
        assert numbers(store) == [1, 2]

    def test_second_open_raises_store_locked_with_pid(self, store: Store, directory: Path) -> None:
        second = _copy_of(store)
        with pytest.raises(StoreLocked) as refused:
            second.open(directory)
        assert refused.value.pid == os.getpid()
        second.close()
        store.commit([entry(1)])
        assert numbers(store) == [1]

    def test_close_releases_the_lock_and_may_be_repeated(self, store: Store, directory: Path) -> None:
        store.close()
        store.close()
        second = _copy_of(store)
        second.open(directory)
        second.close()

    def test_closed_store_raises_store_error(self, plugin: Store) -> None:
        with pytest.raises(StoreError):
            list(plugin.load("job"))
        with pytest.raises(StoreError):
            list(plugin.load_packed("job"))
        with pytest.raises(StoreError):
            plugin.commit([entry(1)])
        with pytest.raises(StoreError):
            plugin.query("runs", LogQuery())
        with pytest.raises(StoreError):
            plugin.prune("runs", RetentionRule(since=NOON, newest=1))
        with pytest.raises(StoreError):
            plugin.dump()

    def test_dump_has_everything_in_order_of_appending(self, store: Store) -> None:
        changes = [Put("job", "b", {"n": 1}), Put("job", "a", {"n": 2}), Put("state", "a", {"n": 3})]
        entries = [entry(1, minute=5), entry(2, job="'; --", state="failed", minute=1), entry(3, minute=3)]
        store.commit([*changes, *entries[:1]])
        store.commit(entries[1:])
        dumped = list(store.dump())
        assert sorted((c for c in dumped if isinstance(c, Put)), key=lambda put: (put.kind, put.key)) == [
            changes[1], changes[0], changes[2]
        ]  # fmt: skip
        assert [change for change in dumped if not isinstance(change, Put)] == entries

    def test_reader_finds_what_was_committed_in_another_thread(self, store: Store) -> None:
        reader = store.make_reader()
        if reader is None:
            pytest.skip("the store has no reader")
        with ThreadPoolExecutor(1) as thread:
            for n in range(3):
                store.commit([Put("job", f"job-{n}", {"n": n}), entry(n, minute=n)])
                found = thread.submit(reader.query, "runs", LogQuery()).result(60)
                assert [body["number"] for body in found] == list(reversed(range(n + 1)))
                documents = thread.submit(lambda: list(reader.load("job"))).result(60)
                assert [key for key, _ in documents] == [f"job-{n}" for n in range(n + 1)]
            store.close()
            with pytest.raises(StoreError):
                thread.submit(reader.query, "runs", LogQuery()).result(60)

    def test_keys_of_a_log_are_found(self, store: Store) -> None:
        store.commit([entry(1, key="a"), entry(2, key="b"), Put("job", "c", {})])
        store.commit([entry(3, key="a"), entry(4, key="d")])
        readers = [reader for reader in (store, store.make_reader()) if reader is not None]
        assert [reader.find_keys("runs", ["a", "c", "d", "'; --"]) for reader in readers] == [{"a", "d"}] * len(readers)
        assert [reader.find_keys("other", ["a"]) for reader in readers] == [set()] * len(readers)

    def test_committed_dump_makes_an_equal_store(self, store: Store, tmp_path: Path) -> None:
        store.commit([Put("job", "a", {"text": "\ud800 ☂"}), Put("job", "b", {}), entry(1, key="x"), entry(2, key="y")])
        store.commit([Delete("job", "b"), entry(3, key="x", state="failed"), entry(4, minute=-1)])
        changes = list(store.dump())
        (tmp_path / "copy").mkdir(mode=0o700)
        copy = self.make_other_store(store)
        copy.open(tmp_path / "copy")
        try:
            copy.commit(changes)
            assert list(copy.load("job")) == [("a", {"text": "\ud800 ☂"})]
            assert numbers(copy) == numbers(store) == [3, 2, 4]
        finally:
            copy.close()

    def test_dump_is_a_snapshot_readable_in_another_thread(self, store: Store) -> None:
        store.commit([Put("job", "a", {"n": 1}), *(entry(n) for n in range(100))])
        dumped = store.dump()
        store.commit([Put("job", "a", {"n": 2}), Put("job", "b", {}), entry(100)])
        store.prune("runs", RetentionRule(since=NOON, newest=1))
        with ThreadPoolExecutor(1) as thread:
            read = thread.submit(lambda: list(dumped))
            store.commit([entry(101), Delete("job", "b")])
            assert read.result(60) == [Put("job", "a", {"n": 1}), *(entry(n) for n in range(100))]

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            (RetentionRule(since=NOON, newest=99), [6, 5, 4, 3, 2, 1]),
            (RetentionRule(since=NOON + timedelta(minutes=3), newest=99), [6, 5, 4, 3]),
            (RetentionRule(since=NOON, newest=1), [6, 5]),
            (RetentionRule(since=NOON, newest=0), []),
            (RetentionRule(since=NOON, newest=1, job="a"), [6, 5, 3, 1]),
            (RetentionRule(since=NOON + timedelta(minutes=5), newest=9, job="b"), [6, 5, 4, 2]),
            (RetentionRule(since=NOON, newest=1, states=("failed", "lost")), [6, 5, 4, 3, 1]),
            (RetentionRule(since=NOON + timedelta(minutes=9), newest=9, states=("succeeded",)), [4, 2]),
        ],
    )
    def test_prune_keeps_entries_by_rule_and_returns_the_rest(
        self, store: Store, rule: RetentionRule, expected: list[int]
    ) -> None:
        store.commit([entry(n, job="ab"[n % 2], minute=n) for n in (1, 3, 5)])
        store.commit([entry(n, job="ab"[n % 2], minute=n, state="failed" if n < 5 else "succeeded") for n in (2, 4, 6)])
        pruned = [*store.prune("runs", rule), *store.prune("runs", rule)]
        assert numbers(store) == expected
        assert sorted(pruned) == [f"run-{n}" for n in range(1, 7) if n not in expected]
        assert list(store.prune("runs", rule)) == []

    def test_repeated_prune_removes_all_expired_entries(self, store: Store) -> None:
        store.commit([*(entry(n) for n in range(1200)), attrs.evolve(entry(1), log="decisions")])
        pruned: list[str] = []
        while step := store.prune("runs", RetentionRule(since=NOON + timedelta(hours=1), newest=9)):
            pruned += step
        assert len(pruned) == len(set(pruned)) == 1200
        assert numbers(store) == []
        assert numbers(store, "decisions") == [1]

    def test_pruned_entries_stay_removed_after_opening(self, store: Store, directory: Path) -> None:
        store.commit([entry(1, key="x"), entry(2, key="y")])
        store.commit([entry(3, key="x", minute=1), entry(4, minute=2)])
        assert sorted(store.prune("runs", RetentionRule(since=NOON, newest=1))) == ["x", "y"]
        store.close()
        assert list(store.open(directory)) == []
        assert numbers(store) == [4]
        store.commit([entry(5, key="y")])
        assert numbers(store) == [4, 5]

    def test_files_are_private_regardless_of_umask(self, plugin: Store, directory: Path) -> None:
        before = os.umask(0)
        try:
            plugin.open(directory)
            plugin.commit([Put("job", "a", {"n": 1})])
            open_to_others = [path for path in directory.rglob("*") if path.stat().st_mode & 0o077]
            plugin.close()
        finally:
            os.umask(before)
        assert open_to_others == []
