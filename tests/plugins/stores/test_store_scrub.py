"""After a scrub, deleted entries are in no file of the store."""

from datetime import UTC, datetime, timedelta

import pytest

from rae_auto.api.store import Append, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreError
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.sqlite import SqliteStore

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ALL_OF = {"since": datetime.max.replace(tzinfo=UTC), "newest": 1 << 40}


def event(number, name="secret"):
    text = f"{name}-{number:05}-" + "hunter2" * (number % 40)
    return Append("events", f"{name}{number}", name, name, NOW + timedelta(seconds=number), {"text": text})


def holding(directory, text):
    return sorted(path.name for path in directory.rglob("*") if path.is_file() and text in path.read_bytes())


@pytest.fixture(params=[SqliteStore, JsonStore])
def store(request, tmp_path):
    store = request.param()
    store.open(tmp_path)
    yield store
    store.close()


def test_scrub_leaves_no_pruned_text_in_any_file(store, tmp_path):
    for first in range(0, 2000, 100):
        # Between others, so that pages hold both.
        store.commit([e for n in range(first, first + 100) for e in (event(n), event(n, "kept"))])
        if first == 1000:
            # By now there are copies of it.
            store.close()
            store.open(tmp_path)
    store.commit([Put("job", "a", {"id": "a"})])
    while store.prune("events", RetentionRule(states=("secret",), **ALL_OF)):
        pass
    assert holding(tmp_path, b"secret-0")
    store.scrub()
    assert holding(tmp_path, b"secret-0") == []
    assert len(store.query("events", LogQuery(limit=10_000))) == 2000
    store.close()
    assert list(store.open(tmp_path)) == []
    assert len(store.query("events", LogQuery(limit=10_000))) == 2000
    assert [key for key, _ in store.load("job")] == ["a"]
    assert holding(tmp_path, b"secret-0") == []


def test_scrub_leaves_a_usable_backup_copy(tmp_path):
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([event(1, "kept")])
    store.scrub()
    store.close()
    (tmp_path / "state.sqlite").write_bytes(b"rubbish" * 1000)
    (line,) = store.open(tmp_path)
    assert "replaces it" in line
    assert len(store.query("events", LogQuery())) == 1
    store.close()


def test_scrub_of_a_store_being_read_is_refused(tmp_path):
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([event(1), event(2)])
    store._database.execute("PRAGMA busy_timeout = 10")
    reading = store.dump()
    next(reading)
    with pytest.raises(StoreError, match="is being read"):
        store.scrub()
    reading.close()
    store.scrub()
    store.close()


def test_scrub_needs_an_open_store(tmp_path):
    for store in (SqliteStore(), JsonStore()):
        with pytest.raises(StoreError):
            store.scrub()


def test_scrub_removes_damaged_files_that_were_set_aside(store, tmp_path):
    aside = [tmp_path / name for name in ("state.sqlite.corrupt-20260101", "rows.corrupt-20260101.json")]
    for path in aside:
        path.write_text("secret-0")
    store.scrub()
    assert holding(tmp_path, b"secret-0") == []
