"""SQLite stores that repair themselves: from their own rows, while they are in use, and after a kill in between."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from rae_auto.api.store import CorruptDocument, LogQuery, Put
from rae_auto.errors import StoreDamaged
from rae_auto.testing.stores import entry, numbers
from rae_plugins.stores.commit_line import read_mark
from rae_plugins.stores.sqlite import SqliteStore

PAGE = 4096


def fill(directory: Path, first: int, last: int) -> SqliteStore:
    """A store with entries of several pages, which stays open."""
    store = SqliteStore()
    store.open(directory)
    for number in range(first, last):
        body = {"n": number, "text": "x" * 500}
        store.commit([Put("job", f"job-{number:03}", body), entry(number, job="x" * 300)])
    return store


def garble(path: Path, pages: range) -> None:
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * PAGE)
            file.write(b"\xa5" * PAGE)


def pages_of(path: Path, table: str) -> list[int]:
    """The leaf pages of a table or index, counted from 0."""
    database = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    try:
        rows = database.execute("SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf'", (table,)).fetchall()
    except sqlite3.OperationalError:
        pytest.skip("this SQLite has no dbstat")
    finally:
        database.close()
    return [number - 1 for (number,) in rows]


@pytest.mark.requirement("R19", "R20")
def test_damaged_index_costs_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 0, 40).close()
    for copy in tmp_path.glob("*.bak"):
        copy.unlink()
    # The rows of an index are in the order of the text of their log.
    content = (tmp_path / "state.sqlite").read_bytes()
    page = pages_of(tmp_path / "state.sqlite", "entries_by_state")[0] * PAGE
    place = content.index(b"runssucceeded", page)
    (tmp_path / "state.sqlite").write_bytes(content[:place] + b"runs_ucceeded" + content[place + 13 :])
    store = SqliteStore()
    [message] = store.open(tmp_path)
    assert "no commit is lost" in message
    assert store.setback is None
    assert sorted(numbers(store, states=("succeeded",))) == list(range(40))
    store.close()


@pytest.mark.requirement("R19", "R20")
def test_rows_newer_than_the_copy_are_read_out_of_a_damaged_file(tmp_path: Path) -> None:
    fill(tmp_path, 0, 40).close()
    (first,) = tmp_path.glob("*.bak")
    fill(tmp_path, 40, 80).close()
    for copy in tmp_path.glob("*.bak"):
        if copy != first:
            copy.unlink()
    *_, last = pages_of(tmp_path / "state.sqlite", "entries")[:-2]
    garble(tmp_path / "state.sqlite", range(last, last + 1))
    store = SqliteStore()
    [message] = store.open(tmp_path)
    assert "what can be read of it, over the copy" in message
    assert store.setback is not None
    found = numbers(store, limit=1000)
    assert set(range(40)) < set(found)
    assert 79 in found
    store.close()
    assert list(store.open(tmp_path)) == []
    store.close()


@pytest.mark.requirement("R19", "R20")
def test_damage_that_shows_in_use_is_repaired_at_once(tmp_path: Path) -> None:
    fill(tmp_path, 0, 400).close()
    store = SqliteStore()
    store.open(tmp_path)
    garble(tmp_path / "state.sqlite", range(4, (tmp_path / "state.sqlite").stat().st_size // PAGE))
    with pytest.raises(StoreDamaged, match="no commit is lost"):
        numbers(store, limit=1000)
    assert sorted(numbers(store, limit=1000)) == list(range(400))
    store.commit([entry(400)])
    store.close()
    assert list(tmp_path.glob("state.sqlite.corrupt-*"))
    store.open(tmp_path)
    assert len(numbers(store, limit=1000)) == 401
    store.close()


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("step", range(5))
def test_repair_that_is_killed_is_finished_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    fill(tmp_path, 0, 10).close()
    damaged = b"no database" * 500
    (tmp_path / "state.sqlite").write_bytes(damaged)
    rename, left = Path.rename, [step]

    def rename_or_die(source: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return rename(source, target)

    store = SqliteStore()
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(Path, "rename", rename_or_die)
        store.open(tmp_path)
    store.close()
    store.open(tmp_path)
    assert sorted(numbers(store)) == list(range(10))
    assert damaged in [path.read_bytes() for path in tmp_path.glob("*.corrupt-*")]
    store.close()


@pytest.mark.requirement("R20")
def test_document_with_a_changed_key_is_noticed(tmp_path: Path) -> None:
    fill(tmp_path, 0, 3).close()
    for copy in tmp_path.glob("*.bak"):
        copy.unlink()
    with closing(sqlite3.connect(tmp_path / "state.sqlite")) as database, database:
        database.execute("UPDATE documents SET key = 'job-901' WHERE key = 'job-001'")
        database.execute("UPDATE documents SET body = CAST(X'7BFF7D' AS TEXT) WHERE key = 'job-002'")
    database.close()
    store = SqliteStore()
    assert store.open(tmp_path)
    found = dict(store.load("job"))
    assert [key for key, body in found.items() if isinstance(body, CorruptDocument)] == ["job-002", "job-901"]
    store.close()


def test_number_of_a_lost_commit_is_not_used_again(tmp_path: Path) -> None:
    store = fill(tmp_path, 0, 5)
    older = (tmp_path / "state.sqlite").read_bytes()
    store.close()
    for path in (*tmp_path.glob("*.bak"), tmp_path / "state.clean"):
        path.unlink()
    (tmp_path / "state.sqlite").write_bytes(older)
    messages = store.open(tmp_path)
    assert "lost, 5 commits" in messages[0]
    store.commit([entry(5)])
    store.close()
    mark = read_mark(tmp_path / "state.commits")
    assert mark is not None
    assert mark.number == 6
    assert list(store.open(tmp_path)) == []
    store.close()


def change_row(directory: Path, assignments: str) -> None:
    """Damage the document of the run, and leave no copy of the file."""
    with closing(sqlite3.connect(directory / "state.sqlite")) as database:
        database.execute(f"UPDATE documents SET {assignments} WHERE kind = 'run'")
        database.commit()
    for path in (*directory.glob("*.bak"), directory / "state.clean"):
        path.unlink(missing_ok=True)


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("kind", ["x'72756f'", "x'f2756e'", "'state'", "x'ffffffff'"])
def test_document_with_a_damaged_kind_gets_it_back(tmp_path: Path, kind: str) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {"n": 1}), Put("run", "b", {"n": 2})])
    store.close()
    change_row(tmp_path, f"kind = CAST({kind} AS TEXT)")
    assert len(list(store.open(tmp_path))) == 1
    assert list(store.load("run")) == [("b", {"n": 2})]
    assert list(store.load("state")) == []
    store.close()
    assert list(store.open(tmp_path)) == []
    store.close()


@pytest.mark.requirement("R20")
def test_document_with_damaged_kind_and_body_is_loaded_as_corrupt(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("run", "b", {"n": 2})])
    store.close()
    change_row(tmp_path, "kind = CAST(x'72756f' AS TEXT), body = 'garbage'")
    store.open(tmp_path)
    [(key, body)] = store.load("run")
    assert key == "b"
    assert isinstance(body, CorruptDocument)
    store.close()


@pytest.mark.requirement("R20")
def test_document_of_a_changed_kind_is_set_aside_once(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {"n": 1}), Put("run", "b", {"n": 2})])
    store.close()
    change_row(tmp_path, "kind = CAST(x'72ff6eff' AS TEXT)")
    messages = []
    for _ in range(3):
        (tmp_path / "state.clean").unlink(missing_ok=True)
        messages.append(list(store.open(tmp_path)))
        assert [key for key, _ in store.load("job")] == ["a"]
        store.close()
    assert [len(found) for found in messages] == [1, 0, 0]
    assert len(list(tmp_path.glob("rows.corrupt-*.json"))) == 1


@pytest.mark.parametrize("name", ["a b", "100%41", "a?mode=rwc", "a#b", "ä€", "\udcff"])
def test_folder_may_have_any_name(name: str, tmp_path: Path) -> None:
    """SQLite opens the file by a URI, whose signs a name may have."""
    directory = tmp_path / name
    try:
        directory.mkdir()
    except (OSError, UnicodeError):
        pytest.skip("this file system refuses that name")
    store = fill(directory, 0, 3)
    reader = store.make_reader()
    assert len(reader.query("runs", LogQuery())) == 3
    beside = SqliteStore()
    assert list(beside.open_read_only(directory)) == []
    assert len(beside.query("runs", LogQuery())) == 3
    beside.close()
    store.close()
    assert list(store.open(directory)) == []
    assert len(store.query("runs", LogQuery())) == 3
    store.close()
    assert list(tmp_path.iterdir()) == [directory]
