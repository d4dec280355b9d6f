"""Checkpoints of SQLite beside the commits, and pruning, which a power cut may undo without harm."""

import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

from rae_auto.api.store import Append, LogQuery, Put, RetentionRule
from rae_auto.model.job import JobId
from rae_plugins.stores.sqlite import SqliteStore
from rae_plugins.stores.sqlite.checkpointing import CHECKPOINT_CHANGES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEADLINE_SECONDS = 60


def open_store(directory: Path) -> SqliteStore:
    store = SqliteStore()
    store.open(directory)
    return store


def make_directory(path: Path) -> Path:
    path.mkdir()
    return path


def test_log_is_moved_into_the_file_beside_commits(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    size = (tmp_path / "state.sqlite").stat().st_size
    # Far fewer pages than SQLite's own checkpoint waits for.
    store.commit([Put("benchmark", f"k{n}", {"text": "x" * 500}) for n in range(CHECKPOINT_CHANGES)])
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (tmp_path / "state.sqlite").stat().st_size < size + 500 * CHECKPOINT_CHANGES:
        assert time.monotonic() < deadline, "there was no checkpoint"
        time.sleep(0.01)
    store.close()
    assert not (tmp_path / "state.sqlite-wal").exists()


def test_pruning_that_a_power_cut_undoes_is_no_setback(tmp_path: Path) -> None:
    store = open_store(make_directory(tmp_path / "before"))
    store.commit([Append("runs", "r1", JobId("a"), "succeeded", NOW, {"id": "r1"})])
    log = tmp_path / "before" / "state.sqlite-wal"
    durable = log.stat().st_size
    assert store.prune("runs", RetentionRule(since=NOW.replace(year=2027), newest=10)) == ["r1"]
    assert log.stat().st_size > durable
    shutil.copytree(tmp_path / "before", tmp_path / "after", ignore=shutil.ignore_patterns("lock"))
    with (tmp_path / "after" / log.name).open("r+b") as file:
        file.truncate(durable)
    store.close()
    reopened = open_store(tmp_path / "after")
    assert reopened.setback is None
    assert reopened.query("runs", LogQuery()) == [{"id": "r1"}]
    reopened.close()


def test_pruning_is_durable_with_the_next_commit(tmp_path: Path) -> None:
    store = open_store(make_directory(tmp_path / "before"))
    store.commit([Append("runs", "r1", JobId("a"), "succeeded", NOW, {"id": "r1"})])
    store.prune("runs", RetentionRule(since=NOW.replace(year=2027), newest=10))
    store.commit([Put("benchmark", "k", {})])
    shutil.copytree(tmp_path / "before", tmp_path / "after", ignore=shutil.ignore_patterns("lock"))
    store.close()
    reopened = open_store(tmp_path / "after")
    assert reopened.setback is None
    assert reopened.query("runs", LogQuery()) == []
    reopened.close()
