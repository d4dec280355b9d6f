"""The check of a long history after an unclean stop: it comes after the start, beside the use of the store."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from rae_auto import Job, Retention, SyncScheduler
from rae_auto.api.store import CountQuery, LogQuery, Put, RetentionRule
from rae_auto.errors import StoreDamaged
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.testing.stores import entry, numbers
from rae_plugins.stores import backup_copies
from rae_plugins.stores.sqlite import SqliteStore, later_check, opening, reading
from rae_plugins.stores.sqlite.checkpointing import CHECKPOINT_CHANGES
from rae_plugins.stores.sqlite.reading import SqliteReader

RUNS = 300

pytestmark = pytest.mark.requirement("R19", "R20")


@pytest.fixture(autouse=True)
def long_history(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count every history as a long one."""
    monkeypatch.setattr(opening, "MAX_BYTES_CHECKED_FIRST", 0)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A state directory with runs, as a kill leaves it: without copies and without the proof of a clean stop."""
    directory = claim_state_directory(tmp_path / "state")
    store = SqliteStore()
    store.open(directory)
    store.commit([Put("job", "a", {"n": 1}), *map(entry, range(RUNS))])
    store.close()
    for path in (*directory.glob("*.bak"), directory / "state.clean"):
        path.unlink()
    return directory


def damage(directory: Path, statement: str, values: tuple[Any, ...] = ()) -> None:
    with closing(sqlite3.connect(directory / "state.sqlite")) as database, database:
        assert database.execute(statement, values).rowcount


def spoil_entry(directory: Path, number: int) -> None:
    damage(directory, "UPDATE entries SET body = '{}' WHERE seq = ?", (number + 1,))


def spoil_index(directory: Path) -> None:
    """Change a word in an index alone."""
    path = directory / "state.sqlite"
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as database:
        (root,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'entries_by_state'").fetchone()
    place = content.index(b"runssucceeded", (root - 1) * 4096)
    path.write_bytes(content[:place] + b"runs_ucceeded" + content[place + 13 :])


def open_to_check(directory: Path) -> tuple[SqliteStore, Callable[[], Callable[[], list[str]] | None]]:
    """Return a store whose start left the check of its history, and that check."""
    store = SqliteStore()
    assert list(store.open(directory)) == []
    check = store.make_check()
    assert check is not None
    return store, check


def open_to_repair(directory: Path) -> tuple[SqliteStore, Callable[[], list[str]]]:
    """Return a store whose history was checked, and the repair of what was found."""
    store, check = open_to_check(directory)
    repair = check()
    assert repair is not None
    return store, repair


def test_damaged_entry_is_found_after_the_start_and_set_aside(killed: Path) -> None:
    spoil_entry(killed, 7)
    store, repair = open_to_repair(killed)
    [message] = repair()
    assert "the checksums of 1 row are wrong" in message
    assert [path.read_text().count('"entries"') for path in killed.glob("rows.corrupt-*.json")] == [1]
    assert sorted(numbers(store, limit=1000)) == [number for number in range(RUNS) if number != 7]
    store.close()
    assert list(store.open(killed)) == []
    store.close()


def test_healthy_history_is_checked_and_nothing_is_changed(killed: Path) -> None:
    store, check = open_to_check(killed)
    store.commit([entry(RUNS)])
    assert check() is None
    store.close()


def test_entry_that_was_removed_meanwhile_needs_no_repair(killed: Path) -> None:
    spoil_entry(killed, 0)
    store, repair = open_to_repair(killed)
    rule = RetentionRule(since=datetime(2100, 1, 1, tzinfo=UTC), newest=0)
    while store.prune("runs", rule):
        pass
    store.commit([entry(RUNS + 1)])
    assert repair() == []
    assert numbers(store) == [RUNS + 1]
    store.close()


def test_damaged_index_found_after_the_start_is_repaired(killed: Path) -> None:
    spoil_index(killed)
    store, repair = open_to_repair(killed)
    with pytest.raises(StoreDamaged, match="no commit is lost"):
        repair()
    assert sorted(numbers(store, limit=1000, states=("succeeded",))) == list(range(RUNS))
    assert store.make_check() is None
    store.close()


def test_wrong_numbers_of_entries_are_made_right(killed: Path) -> None:
    damage(killed, "UPDATE entry_counts SET count = 5")
    store, repair = open_to_repair(killed)
    assert repair() == []
    # Pruning finds by these numbers where too many are.
    rule = RetentionRule(since=datetime(2000, 1, 1, tzinfo=UTC), newest=100)
    while store.prune("runs", rule):
        pass
    assert len(numbers(store, limit=1000)) == 100
    assert sum(one.count for one in store.count("runs", CountQuery())) == 100
    store.close()


@pytest.mark.parametrize("column", ["body", "job", "state"])
def test_numbers_are_right_after_an_entry_is_set_aside(killed: Path, column: str) -> None:
    damage(killed, f"UPDATE entries SET {column} = 'other' WHERE seq = 8")
    store, repair = open_to_repair(killed)
    repair()
    assert [one.count for one in store.count("runs", CountQuery())] == [RUNS - 1]
    store.close()


def test_damaged_documents_are_found_by_the_start_itself(killed: Path) -> None:
    damage(killed, "UPDATE documents SET body = '{}'")
    store = SqliteStore()
    [message] = store.open(killed)
    assert "the checksums of 1 row are wrong" in message
    store.close()


def test_check_ends_when_the_store_is_closed_or_repaired(killed: Path) -> None:
    spoil_entry(killed, 7)
    store, check = open_to_check(killed)
    store.close()
    assert check() is None
    store.open(killed)
    second = store.make_check()
    assert second is not None
    repair = second()
    assert repair is not None
    store.close()
    assert repair() == []
    store.open(killed)
    store.close()


def test_clean_stop_leaves_nothing_to_check(killed: Path) -> None:
    store = SqliteStore()
    store.open(killed)
    store.commit([entry(RUNS)])
    store.close()
    store.open(killed)
    assert store.make_check() is None
    store.close()


def test_proof_that_does_not_fit_is_a_sign_of_damage(killed: Path) -> None:
    (killed / "state.clean").write_bytes(b"other bytes")
    spoil_entry(killed, 7)
    store = SqliteStore()
    assert len(store.open(killed)) == 1
    store.close()


def test_scrub_goes_on_beside_the_check(killed: Path) -> None:
    store, check = open_to_check(killed)
    store.scrub()
    assert check() is None
    store.close()


def test_check_rests_while_a_question_is_answered(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order, asked, read_rows, wait = list[str](), Event(), later_check._read_rows, SqliteReader.wait_until_idle

    def note_rows(*args: Any) -> Any:
        order.append("rows")
        return read_rows(*args)

    def note_wait(reader: SqliteReader) -> bool:
        order.append("wait")
        asked.set()
        return wait(reader)

    monkeypatch.setattr(reading, "MAX_YIELD_SECONDS", 60.0)
    monkeypatch.setattr(later_check, "_read_rows", note_rows)
    monkeypatch.setattr(SqliteReader, "wait_until_idle", note_wait)
    store, check = open_to_check(killed)
    reader = store.make_reader()
    with ThreadPoolExecutor(1) as thread:
        with reader.session():
            checked = thread.submit(check)
            assert asked.wait(60)
            assert len(reader.query("runs", LogQuery(limit=1000))) == RUNS
            order.append("answer")
        assert checked.result(60) is None
    assert order == ["wait", "answer", "rows", *["wait", "rows"] * (RUNS // later_check.ROWS_AT_ONCE - 1)]
    store.close()


def test_question_without_end_does_not_keep_the_check_from_its_end(killed: Path) -> None:
    store, check = open_to_check(killed)
    reader = store.make_reader()
    with reader.session():
        assert not reader.wait_until_idle()
        assert check() is None
    assert reader.wait_until_idle()
    store.close()


def test_check_of_pages_makes_way_for_a_long_log(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would otherwise keep the log from beginning again, for as long as it takes."""
    store, calls, check_pages = SqliteStore(), [], later_check.check_pages

    def read_on_and_on(database: sqlite3.Connection) -> str | None:
        calls.append(database)
        if len(calls) > 1:
            return check_pages(database)
        # Much longer than a checkpoint takes.
        many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 50000000) SELECT max(i) FROM n"
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM entries").fetchone()
        store.commit([entry(RUNS + number) for number in range(2 * CHECKPOINT_CHANGES)])
        try:
            database.execute(many)
        finally:
            database.execute("ROLLBACK")
        return None

    monkeypatch.setattr(later_check, "MAX_LOG_PAGES", 10)
    monkeypatch.setattr(later_check, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(later_check, "check_pages", read_on_and_on)
    store.open(killed)
    check = store.make_check()
    assert check is not None
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(check).result(60) is None
    assert len(calls) == 2
    store.close()


def test_store_that_was_not_checked_is_not_proven(killed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(28, "no space left on device")

    spoil_entry(killed, 7)
    store = SqliteStore()
    store.open(killed)
    with monkeypatch.context() as patched:
        patched.setattr(backup_copies, "make_copy", refuse)
        store.close()
    assert not (killed / "state.clean").exists()
    store.open(killed)
    assert store.make_check() is not None
    store.close()


def test_scheduler_is_open_while_its_history_is_checked(killed: Path) -> None:
    spoil_entry(killed, 7)
    limit, keep = 60.0, Retention(keep="36500d", keep_failures="36500d")
    with SyncScheduler(directory=killed, retention=keep) as scheduler:
        scheduler.add_job(Job(id="b", python="time:time"))
        scheduler.wait(scheduler.trigger("b"), timeout=limit)
        while not list(killed.glob("rows.corrupt-*.json")):
            scheduler.wait(scheduler.trigger("b"), timeout=limit)
