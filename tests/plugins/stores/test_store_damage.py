"""Stores whose files are damaged, missing, foreign or on a network file system."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rae_auto.api import Store
from rae_auto.api.store import Put, RetentionRule
from rae_auto.errors import StoreDamaged, StoreError, StoreLocked
from rae_auto.testing.stores import NOON, entry, numbers
from rae_plugins.stores.json import JsonStore
from rae_plugins.stores.json import store as json_store
from rae_plugins.stores.json.checksummed_lines import add_checksum
from rae_plugins.stores.sqlite import SqliteStore

COMMITS = 6

HOLD = """
import pathlib, sys
from {module} import {name}
store = {name}()
store.open(pathlib.Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def jobs(store: Store) -> list[str]:
    return [key for key, _ in store.load("job")]


def fill(directory: Path, commits: int = COMMITS) -> None:
    directory.mkdir(exist_ok=True)
    store = JsonStore()
    store.open(directory)
    for number in range(commits):
        store.commit([Put("job", f"job-{number}", {"n": number}), entry(number)])
    store.close()


def reopened(directory: Path) -> tuple[list[str], list[str]]:
    """The jobs that are there, and what was told; what is told once is repaired."""
    store = JsonStore()
    messages = list(store.open(directory))
    found = jobs(store)
    assert len(numbers(store)) == len(found)
    store.commit([Put("other", "x", {})])
    store.close()
    assert list(store.open(directory)) == []
    assert jobs(store) == found
    store.close()
    return found, messages


@pytest.fixture
def generations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory of a store that compacted before every commit."""
    with monkeypatch.context() as patched:
        patched.setattr(json_store, "should_compact", lambda journal, snapshot: True)
        fill(tmp_path / "state")
    yield tmp_path / "state"


def newest(directory: Path, pattern: str) -> Path:
    return max(directory.glob(pattern), key=lambda path: int(path.stem.split("-")[1]))


@pytest.mark.requirement("R20")
def test_journal_with_a_torn_tail_loses_one_commit(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    text = (tmp_path / "whole" / "journal.jsonl").read_bytes()
    tail = text.rindex(b"\n", 0, -1) + 1
    for end in range(tail, len(text)):
        directory = tmp_path / str(end)
        directory.mkdir()
        (directory / "journal.jsonl").write_bytes(text[:end])
        found, messages = reopened(directory)
        assert len(found) == COMMITS - 1
        assert len(messages) == (2 if end > tail else 0)
        kept = [path.read_bytes() for path in directory.glob("*.corrupt-*")]
        assert kept == ([text[:end]] if end > tail else [])


@pytest.mark.requirement("R20")
def test_flipped_bit_costs_at_most_one_commit_and_is_reported(tmp_path: Path) -> None:
    fill(tmp_path / "whole")
    text = (tmp_path / "whole" / "journal.jsonl").read_bytes()
    begin = text.index(b"\n") + 1
    for place in range(begin, len(text), 7):
        directory = tmp_path / str(place)
        directory.mkdir()
        damaged = bytearray(text)
        damaged[place] ^= 1 << place % 8
        (directory / "journal.jsonl").write_bytes(damaged)
        found, messages = reopened(directory)
        assert COMMITS - 2 <= len(found) <= COMMITS - 1
        assert messages
        assert [path.read_bytes() for path in directory.glob("*.corrupt-*")] == [damaged]


@pytest.mark.requirement("R18")
def test_json_store_keeps_three_snapshots(generations: Path) -> None:
    assert len(list(generations.glob("snapshot-*.json"))) == json_store.MAX_SNAPSHOTS


@pytest.mark.requirement("R18")
def test_damaged_or_missing_snapshot_costs_nothing(generations: Path, tmp_path: Path) -> None:
    shutil.copytree(generations, tmp_path / "missing")
    newest(tmp_path / "missing", "snapshot-*.json").unlink()
    assert len(reopened(tmp_path / "missing")[0]) == COMMITS
    snapshot = newest(generations, "snapshot-*.json")
    snapshot.write_bytes(snapshot.read_bytes().replace(b'"n": 1', b'"n": 7'))
    found, messages = reopened(generations)
    assert len(found) == COMMITS
    assert "older snapshot" in messages[0]


@pytest.mark.requirement("R20")
def test_json_store_without_a_good_snapshot_refuses_to_open(generations: Path) -> None:
    for snapshot in generations.glob("snapshot-*.json"):
        snapshot.write_text("{}")
    before = {path.name: path.read_bytes() for path in generations.iterdir() if path.name != "lock"}
    with pytest.raises(StoreDamaged, match="restore a backup"):
        JsonStore().open(generations)
    assert {path.name: path.read_bytes() for path in generations.iterdir() if path.name != "lock"} == before


@pytest.mark.requirement("R20")
def test_damaged_line_of_a_history_file_costs_its_entry(generations: Path) -> None:
    path = newest(generations, "history-*.jsonl")
    damaged = path.read_bytes().replace(b'"state":"succeeded"', b'"state":"xucceeded"')
    path.write_bytes(damaged)
    lost = int(path.stem.split("-")[1]) - 1
    store = JsonStore()
    messages = store.open(generations)
    assert "has lost 1 log entry" in messages[0]
    assert damaged in [aside.read_bytes() for aside in generations.glob("*.corrupt-*")]
    expected = [number for number in range(COMMITS) if number != lost]
    assert sorted(numbers(store)) == expected
    assert len(store.prune("runs", RetentionRule(since=NOON, newest=1))) == len(expected) - 1
    store.close()
    assert list(store.open(generations)) == []
    store.close()


@pytest.mark.requirement("R20")
def test_lost_history_file_costs_its_entries(generations: Path) -> None:
    first, *_ = sorted(generations.glob("history-*.jsonl"))
    store = JsonStore()
    store.open(generations)
    first.unlink()
    with pytest.raises(StoreDamaged, match="can't be read"):
        store.dump()
    store.close()
    assert str(first) in store.open(generations)[0]
    assert len(numbers(store)) == COMMITS - 1
    store.close()


@pytest.mark.requirement("R20")
def test_deleted_journal_of_the_first_generation_is_reported(tmp_path: Path) -> None:
    fill(tmp_path / "state")
    (tmp_path / "state" / "journal.jsonl").unlink()
    store = JsonStore()
    assert any("commits 1 to 6 are lost" in message for message in store.open(tmp_path / "state"))
    assert store.setback is not None
    assert store.setback.commits == COMMITS
    store.close()


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("cls", [JsonStore, SqliteStore])
def test_store_with_nothing_but_its_mark_is_refused(tmp_path: Path, cls: type[Store]) -> None:
    store = cls()
    store.open(tmp_path)
    store.commit([Put("job", "a", {})])
    store.close()
    for path in tmp_path.iterdir():
        if path.suffix != ".commits":
            path.unlink()
    with pytest.raises(StoreDamaged, match="to start with an empty store"):
        store.open(tmp_path)


@pytest.mark.requirement("R26")
def test_empty_history_file_is_removed_by_compaction(generations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JsonStore()
    store.open(generations)
    assert len(store.prune("runs", RetentionRule(since=NOON, newest=1))) == COMMITS - 1
    assert len(list(generations.glob("history-*.jsonl"))) == COMMITS - 1
    monkeypatch.setattr(json_store, "should_compact", lambda journal, snapshot: True)
    store.commit([entry(COMMITS)])
    assert len(list(generations.glob("history-*.jsonl"))) == 1
    store.close()
    assert list(store.open(generations)) == []
    assert numbers(store) == [COMMITS, COMMITS - 1]
    store.close()


@pytest.mark.requirement("R20")
def test_failed_prune_loses_nothing(generations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = JsonStore()
    store.open(generations)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left on device"):
            store.prune("runs", RetentionRule(since=NOON, newest=1))
    assert len(numbers(store)) == COMMITS
    assert len(store.prune("runs", RetentionRule(since=NOON, newest=1))) == COMMITS - 1
    store.close()


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("content", [None, b""])
def test_missing_or_empty_journal_is_reported(generations: Path, content: bytes | None) -> None:
    journal = generations / "journal.jsonl"
    journal.unlink()
    if content is not None:
        journal.write_bytes(content)
    store = JsonStore()
    assert "journal.jsonl" in store.open(generations)[0]
    assert len(jobs(store)) == COMMITS - 1
    store.close()


@pytest.mark.requirement("R20")
@pytest.mark.parametrize("name", ["journal.jsonl", "snapshot-9.json"])
def test_json_store_refuses_a_newer_format(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(add_checksum({"format": 2, "seq": 9, "changes": [], "history": [], "documents": {}}))
    before = path.read_bytes()
    with pytest.raises(StoreDamaged, match="newer"):
        JsonStore().open(tmp_path)
    assert path.read_bytes() == before


@pytest.mark.requirement("S5")
@pytest.mark.parametrize("planted", [b"[" * 100_000, b'{"seq": 1e400}', b"\xff\xfe", b'{"crc":"00000000",' * 9])
def test_planted_journal_lines_are_refused_or_cut_off(tmp_path: Path, planted: bytes) -> None:
    fill(tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + planted + b"\n")
    assert len(reopened(tmp_path)[0]) == COMMITS


@pytest.mark.requirement("R22")
@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_failed_commit_leaves_no_trace_and_the_next_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(28, "No space left on device")

    store = JsonStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {})])
    with monkeypatch.context() as full:
        full.setattr(os, call, fail)
        for _ in range(3):
            with pytest.raises(StoreError, match="No space left"):
                store.commit([Put("job", "b", {})])
            if call == "pwrite":
                break
    assert jobs(store) == ["a"]
    store.commit([Put("job", "c", {})])
    store.close()
    assert list(store.open(tmp_path)) == []
    assert jobs(store) == ["a", "c"]
    store.close()


@pytest.mark.requirement("R24")
@pytest.mark.parametrize("cls", [JsonStore, SqliteStore])
def test_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path, cls: type[Store]) -> None:
    code = HOLD.format(module=cls.__module__, name=cls.__name__)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"open\n"
        with pytest.raises(StoreLocked) as refused:
            cls().open(tmp_path)
        first.kill()
    assert refused.value.pid == first.pid
    store = cls()
    store.open(tmp_path)
    store.close()


@pytest.mark.requirement("S4")
@pytest.mark.parametrize("cls", [JsonStore, SqliteStore])
def test_link_in_place_of_the_lock_is_not_followed(tmp_path: Path, cls: type[Store]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "lock").symlink_to(victim)
    with pytest.raises(StoreError):
        cls().open(tmp_path / "state")
    assert victim.read_text() == "mine"


def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> Path:
    """A directory with a space in its name that is, as far as the kernel tells, the root of such a file system."""
    place = tmp_path / "far away"
    place.mkdir()
    point = str(place).replace(" ", "\\040")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:9 / {point} rw shared:1 - {kind} host:/x rw\n")
    monkeypatch.setattr("rae_auto.toolkit.mounts.MOUNT_TABLE", mounts)
    return place


@pytest.mark.requirement("R25")
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_network_file_system_stops_sqlite_and_warns_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    place = mounted(tmp_path, monkeypatch, kind)
    with pytest.raises(StoreError, match=f"network file system .{kind}.*RAE_STATE_DIR"):
        SqliteStore().open(place)
    assert [path.name for path in place.iterdir()] == ["lock"]
    store = JsonStore()
    [messages] = store.open(place)
    assert f"network file system ({kind})" in messages
    store.close()


@pytest.mark.requirement("R25")
def test_local_file_system_is_not_a_network_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = mounted(tmp_path, monkeypatch, "ext4")
    store = SqliteStore()
    assert list(store.open(place)) == []
    store.close()
    monkeypatch.setattr("rae_auto.toolkit.mounts.MOUNT_TABLE", tmp_path / "no such file")
    assert list(store.open(place)) == []
    store.close()
