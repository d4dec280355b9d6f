from datetime import UTC, datetime, timedelta

import pytest
from rae_auto.api import Append, Delete, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreDamaged, StoreLocked
from rae_auto.testing.installed import InstalledConformance
from rae_auto.testing.stores import StoreConformance

from {{ cookiecutter.__module }} import {{ cookiecutter.__class }}

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class TestConformance(StoreConformance):
    @pytest.fixture
    def plugin(self) -> {{ cookiecutter.__class }}:
        return {{ cookiecutter.__class }}()


@pytest.fixture
def store(tmp_path):
    store = {{ cookiecutter.__class }}()
    store.open(tmp_path)
    yield store
    store.close()


def test_documents_survive_a_restart(store, tmp_path):
    store.commit([Put("job", "a", {"x": 1}), Put("job", "b", {"x": 2}), Delete("job", "b"), Delete("job", "none")])
    store.close()
    again = {{ cookiecutter.__class }}()
    again.open(tmp_path)
    assert dict(again.load("job")) == {"a": {"x": 1}}
    again.close()


def test_query_returns_matching_entries_newest_first(store):
    store.commit(
        [
            Append("runs", str(n), "backup", "failed" if n % 2 else "succeeded", NOON + timedelta(hours=n), {"n": n})
            for n in range(6)
        ]
    )
    assert [entry["n"] for entry in store.query("runs", LogQuery(limit=2))] == [5, 4]
    assert [entry["n"] for entry in store.query("runs", LogQuery(states=("failed",)))] == [5, 3, 1]
    assert [entry["n"] for entry in store.query("runs", LogQuery(key="4"))] == [4]


def test_append_replaces_the_entry_of_its_key(store):
    store.commit([Append("runs", "1", "backup", "failed", NOON, {"n": n}) for n in range(2)])
    assert store.query("runs", LogQuery()) == [{"n": 1}]


def test_second_store_is_refused(store, tmp_path):
    with pytest.raises(StoreLocked):
        {{ cookiecutter.__class }}().open(tmp_path)


def test_damaged_file_is_refused_and_not_changed(tmp_path):
    path = tmp_path / "{{ cookiecutter.name }}.json"
    path.write_text("{")
    with pytest.raises(StoreDamaged):
        {{ cookiecutter.__class }}().open(tmp_path)
    assert path.read_text() == "{"


def test_dump_is_a_snapshot(store):
    changes = [Put("job", "a", {"x": 1}), Append("runs", "1", "backup", "failed", NOON, {"n": 1})]
    store.commit(changes)
    dumped = store.dump()
    store.commit([Delete("job", "a")])
    assert list(dumped) == changes


def test_prune_removes_expired_entries(store):
    store.commit([Append("runs", str(n), "backup", "failed", NOON + timedelta(hours=n), {"n": n}) for n in range(6)])
    assert sorted(store.prune("runs", RetentionRule(since=NOON + timedelta(hours=1), newest=3))) == ["0", "1", "2"]
    assert [entry["n"] for entry in store.query("runs", LogQuery())] == [5, 4, 3]
