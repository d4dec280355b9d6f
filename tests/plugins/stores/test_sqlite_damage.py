"""SQLite stores whose file is damaged, missing or foreign, and their copies."""

import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event

import pytest

from rae_auto.api import Store
from rae_auto.api.store import CorruptDocument, Put, RetentionRule
from rae_auto.errors import StoreDamaged
from rae_auto.testing.stores import NOON
from rae_plugins.stores.sqlite import SqliteStore, reading, verification
from rae_plugins.stores.sqlite import store as sqlite_store
from rae_plugins.stores.sqlite.reading import SqliteReader


def jobs(store: Store) -> list[str]:
    return [key for key, _ in store.load("job")]


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("content", [b"", b"no database" * 500])
def test_corrupt_sqlite_file_without_copies_is_refused(tmp_path: Path, content: bytes) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.close()
    (tmp_path / "state.sqlite").write_bytes(content)
    with pytest.raises(StoreDamaged):
        store.open(tmp_path)
    assert (tmp_path / "state.sqlite").read_bytes() == content


@pytest.mark.requirement("R19")
@pytest.mark.parametrize(("pragma", "message"), [("application_id", "another program"), ("user_version", "newer")])
def test_foreign_or_newer_sqlite_file_is_refused(tmp_path: Path, pragma: str, message: str) -> None:
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as database, database:
        database.execute(f"PRAGMA {pragma} = 99")
    database.close()
    before = (tmp_path / "state.sqlite").read_bytes()
    with pytest.raises(StoreDamaged, match=message):
        SqliteStore().open(tmp_path)
    assert (tmp_path / "state.sqlite").read_bytes() == before


def remove_copies(directory: Path) -> None:
    for copy in directory.glob("*.bak"):
        copy.unlink()


@pytest.mark.requirement("R19")
def test_row_with_a_wrong_checksum_is_reported(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {"n": 1})])
    store.close()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as database, database:
        database.execute("""UPDATE documents SET body = '{"n":2}'""")
    database.close()
    remove_copies(tmp_path)
    store.open(tmp_path)
    [(key, found)] = store.load("job")
    assert key == "a"
    assert found == CorruptDocument("its checksum is wrong", '{"n":2}')
    assert list(store.dump()) == []
    store.close()


def damaged_sqlite(directory: Path, content: bytes | None) -> SqliteStore:
    """A store of two clean stops, of which the file was then replaced, or removed."""
    store = SqliteStore()
    for name in ("a", "b"):
        store.open(directory)
        store.commit([Put("job", name, {})])
        store.close()
    if content is None:
        (directory / "state.sqlite").unlink()
    else:
        (directory / "state.sqlite").write_bytes(content)
    return store


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("content", [None, b"", b"no database" * 500])
def test_newest_good_copy_replaces_a_damaged_sqlite_file(tmp_path: Path, content: bytes | None) -> None:
    store = damaged_sqlite(tmp_path, content)
    [messages] = store.open(tmp_path)
    assert str(tmp_path / "state.sqlite") in messages
    assert "no commit is lost" in messages
    assert jobs(store) == ["a", "b"]
    store.close()
    assert [path.read_bytes() for path in tmp_path.glob("state.sqlite.corrupt-*")] == (
        [] if content is None else [content]
    )
    assert list(store.open(tmp_path)) == []
    store.close()


@pytest.mark.requirement("R20")
def test_damaged_copy_is_skipped_and_without_one_open_fails(tmp_path: Path) -> None:
    store = damaged_sqlite(tmp_path, b"no database" * 500)
    older, newer = sorted(tmp_path.glob("state-*.bak"))
    newer.write_bytes(b"no database either" * 500)
    before = older.read_bytes()
    assert len(store.open(tmp_path)) == 1
    assert jobs(store) == ["a"]
    store.close()
    assert older.read_bytes() == before
    for path in (tmp_path / "state.sqlite", *tmp_path.glob("state-*.bak")):
        path.write_bytes(b"no database" * 500)
    (tmp_path / "state.clean").unlink()
    with pytest.raises(StoreDamaged, match="restore a backup"):
        store.open(tmp_path)


@pytest.mark.requirement("R19")
def test_sqlite_store_keeps_three_copies(tmp_path: Path) -> None:
    store = SqliteStore()
    for number in range(5):
        store.open(tmp_path)
        store.commit([Put("job", f"job-{number}", {})])
        store.close()
    copies = sorted(tmp_path.glob("state-*.bak"))
    assert len(copies) == 3
    assert all(path.stat().st_mode & 0o077 == 0 for path in copies)
    store.open(tmp_path)
    assert len(jobs(store)) == 5
    store.close()
    assert sorted(tmp_path.glob("state-*.bak")) == copies
    assert not list(tmp_path.glob(".*"))


@pytest.mark.requirement("R19")
def test_open_sqlite_store_is_copied_once_a_day(tmp_path: Path) -> None:
    def prune(store: SqliteStore) -> None:
        store.prune("runs", RetentionRule(since=NOON, newest=9))
        # The copy is made in a thread; a commit doesn't wait for it.
        store.commit([Put("job", "a", {})])
        store._copier.wait()

    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {})])
    prune(store)
    [first] = tmp_path.glob("state-*.bak")
    prune(store)
    assert list(tmp_path.glob("state-*.bak")) == [first]
    first.rename(tmp_path / "state-20260101T000000.000000Z.bak")
    prune(store)
    assert len(list(tmp_path.glob("state-*.bak"))) == 2
    store.close()


@pytest.mark.requirement("R19", "R35")
def test_copy_that_takes_too_long_is_left_to_the_next_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_store, "CLOSE_COPY_SECONDS", 0.0)
    store = SqliteStore()
    store.open(tmp_path)
    # More than one step of copying.
    store.commit([Put("job", f"job-{number}", {"text": "x" * 100_000}) for number in range(60)])
    store.close()
    assert not list(tmp_path.glob("*.bak"))
    assert not (tmp_path / "state.clean").exists()
    assert list(store.open(tmp_path)) == []
    assert len(jobs(store)) == 60
    store.prune("runs", RetentionRule(since=NOON, newest=9))
    store._copier.wait()
    assert len(list(tmp_path.glob("*.bak"))) == 1
    store.close()
    assert (tmp_path / "state.clean").exists()


@pytest.mark.requirement("R19")
def test_copy_in_use_rests_while_a_question_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order, asked, wait = list[str](), Event(), SqliteReader.wait_until_idle

    def note_wait(reader: SqliteReader) -> bool:
        asked.set()
        is_idle = wait(reader)
        order.append("step")
        return is_idle

    monkeypatch.setattr(reading, "MAX_YIELD_SECONDS", 60.0)
    monkeypatch.setattr(SqliteReader, "wait_until_idle", note_wait)
    # So that the check of the copy has more than one step.
    monkeypatch.setattr(verification, "STEP_INSTRUCTIONS", 100)
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", f"job-{number}", {"n": number}) for number in range(60)])
    reader = store.make_reader()
    with reader.session():
        store.prune("runs", RetentionRule(since=NOON, newest=9))
        assert asked.wait(60)
        order.append("answer")
    thread = store._copier._thread
    assert thread is not None
    thread.join(60)
    assert order[:2] == ["answer", "step"]
    steps = len(order)
    with reader.session():
        # The store waits for this one, and so do all commits.
        store._copier.make(store._database)
    assert (len(order), len(list(tmp_path.glob("*.bak")))) == (steps, 2)
    store.close()


@pytest.mark.requirement("R19")
def test_copy_goes_on_while_commits_are_made(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", f"job-{number}", {"text": "x" * 100_000}) for number in range(200)])
    store.prune("runs", RetentionRule(since=NOON, newest=9))
    for number in range(20):
        store.commit([Put("job", "newest", {"n": number})])
    store._copier.wait()
    assert len(list(tmp_path.glob("*.bak"))) == 1
    store.close()
