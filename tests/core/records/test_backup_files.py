"""Backups as files: whole, private, and known when they are not what was written."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_auto.api.store import Append, Delete, Put
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.records.backup_files import changes_of, examine, write
from rae_auto.testing.harness.strategies import instants, json_objects, names, texts

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
CHANGES = [
    Put("job", "a", {"text": "\ud800 ☂\n"}),
    Put("state", "a", {}),
    Append("runs", "r1", "a", "failed", NOON, {"n": 1}),
    Append("decisions", "d1", "a", "overlap", NOON, {"end": 2}),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "backup"


def test_what_is_written_is_read(path: Path) -> None:
    made = write(path, iter(CHANGES), NOON)
    assert (made.created_at, made.changes) == (NOON, 4)
    assert examine(path) == made
    assert list(changes_of(path)) == CHANGES


def test_an_empty_store_has_a_backup_too(path: Path) -> None:
    write(path, [], NOON)
    assert examine(path).changes == 0
    assert list(changes_of(path)) == []


@given(
    st.lists(
        st.builds(Put, names, texts, json_objects)
        | st.builds(Append, names, texts, names, names, instants, json_objects),
        max_size=5,
    )
)
def test_any_changes_come_back(tmp_path_factory: pytest.TempPathFactory, changes: list[Put | Append]) -> None:
    path = tmp_path_factory.mktemp("any") / "backup"
    write(path, changes, NOON)
    assert examine(path).changes == len(changes)
    assert list(changes_of(path)) == changes


@pytest.mark.requirement("S4")
def test_it_is_the_owners_alone_whatever_the_umask(path: Path) -> None:
    before = os.umask(0)
    try:
        write(path, CHANGES, NOON)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600


def test_another_file_is_replaced_only_where_that_is_asked_for(path: Path) -> None:
    path.write_text("mine")
    with pytest.raises(StoreError, match="already exists"):
        write(path, CHANGES, NOON)
    assert path.read_text() == "mine"
    write(path, CHANGES, NOON, replace=True)
    assert examine(path).changes == 4


def test_one_that_fails_halfway_leaves_the_old_one_and_nothing_else(path: Path) -> None:
    write(path, CHANGES, NOON)

    def failing():
        yield CHANGES[0]
        raise StoreDamaged("the disk is broken")

    with pytest.raises(StoreDamaged, match="the disk is broken"):
        write(path, failing(), NOON, replace=True)
    assert examine(path).changes == 4
    assert list(path.parent.iterdir()) == [path]


def test_dump_with_a_deletion_is_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="the store returned a Delete"):
        write(path, [Delete("job", "a")], NOON)
    assert not path.exists()


def test_unwritable_directory_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"nowhere.backup: can't be written \(No such file or directory\)"):
        write(tmp_path / "nowhere" / "backup", CHANGES, NOON)


def test_cut_off_anywhere_it_is_refused(path: Path) -> None:
    write(path, CHANGES, NOON)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(StoreError):
            examine(path)


def test_with_a_bit_flipped_anywhere_it_is_refused(path: Path) -> None:
    write(path, CHANGES, NOON)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(StoreError) as refused:
            examine(path)
        assert "\n" not in str(refused.value)


def test_lines_left_out_swapped_or_added_are_noticed(path: Path) -> None:
    write(path, CHANGES, NOON)
    head, first, second, *rest = path.read_bytes().splitlines(keepends=True)
    for lines in ([head, second, *rest], [head, second, first, *rest], [head, first, second, *rest, b"{}\n"]):
        path.write_bytes(b"".join(lines))
        with pytest.raises(StoreDamaged, match="restore another backup"):
            examine(path)


@pytest.mark.parametrize(
    "text", ["", "hello\n", "[1]\n", "{}\n", '{"a": 1}\n', "[" * 100_000 + "\n", '{"backup": 1}\n']
)
def test_another_kind_of_file_is_no_backup(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(StoreError, match=r"is not a backup of rae-auto|is not a complete backup of rae-auto"):
        examine(path)


def test_one_of_a_newer_rae_auto_is_refused_by_name(path: Path) -> None:
    write(path, CHANGES, NOON)
    head = {**json.loads(path.read_text().splitlines()[0]), "backup": 2, "version": "9.0"}
    path.write_text(json.dumps(head) + "\n")
    with pytest.raises(StoreError, match=r"rae-auto 9\.0, which is newer"):
        examine(path)


def test_missing_backup_is_reported_in_one_line(path: Path) -> None:
    with pytest.raises(StoreError, match=r"can't be read \(No such file or directory\)"):
        examine(path)
    path.mkdir()
    with pytest.raises(StoreError, match="can't be read"):
        examine(path)
