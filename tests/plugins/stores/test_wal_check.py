"""Logs of SQLite: real ones, of a writer that was killed, and every change of a bit in them."""

import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.api.store import Append, LogQuery, Put
from rae_auto.testing.stores import NOON
from rae_plugins.stores.sqlite import SqliteStore
from rae_plugins.stores.sqlite.schema import PAGE_BYTES
from rae_plugins.stores.sqlite.wal_check import WalState, read_wal

COMMITS = 8


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a store whose writer was killed after some commits."""
    directory = tmp_path_factory.mktemp("killed")
    store = SqliteStore()
    store.open(directory)
    for number in range(COMMITS):
        body = {"n": number, "text": "x" * 300 * number}
        store.commit([Put("job", f"job-{number}", body), Append("runs", f"r{number}", "a", "failed", NOON, body)])
    files = {path.name: path.read_bytes() for path in directory.glob("state.*") if not path.name.endswith("-shm")}
    store.close()
    return files


def with_flipped_bit(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def test_whole_log_has_every_commit(killed: dict[str, bytes]) -> None:
    report = read_wal(killed["state.sqlite-wal"], PAGE_BYTES)
    assert report.state is WalState.WHOLE
    assert [commit.number for commit in report.commits] == list(range(1, COMMITS + 1))
    assert report.chained == report.frames


def test_log_that_was_cut_off_is_torn_or_whole(killed: dict[str, bytes]) -> None:
    wal = killed["state.sqlite-wal"]
    for length in range(0, len(wal), 997):
        report = read_wal(wal[:length], PAGE_BYTES)
        assert report.state is not WalState.DAMAGED
        assert [commit.number for commit in report.commits] == list(range(1, len(report.commits) + 1))


def test_frames_of_an_earlier_generation_are_no_part_of_the_log(killed: dict[str, bytes]) -> None:
    wal = bytearray(killed["state.sqlite-wal"])
    frames = read_wal(bytes(wal), PAGE_BYTES).frames
    for frame in frames[-3:]:
        struct.pack_into(">2I", wal, frame.offset - 16, 1, 2)
    report = read_wal(bytes(wal), PAGE_BYTES)
    assert report.state in (WalState.WHOLE, WalState.TORN)
    assert len(report.frames) == len(frames) - 3


def test_frames_that_were_rolled_back_are_no_damage(tmp_path: Path) -> None:
    store = SqliteStore()
    store.open(tmp_path)
    store.commit([Put("job", "a", {})])
    database = store._database
    database.execute("PRAGMA cache_size = 1")
    database.execute("BEGIN")
    # More than the cache holds, so that it spills into the log.
    database.executemany(
        "INSERT INTO documents VALUES ('x', ?, ?, 0)", [(str(number), "y" * 3000) for number in range(50)]
    )
    database.execute("ROLLBACK")
    store.commit([Put("job", "b", {})])
    report = read_wal((tmp_path / "state.sqlite-wal").read_bytes(), PAGE_BYTES)
    store.close()
    assert len(report.frames) > len(report.chained)
    assert report.state is WalState.TORN
    assert [commit.number for commit in report.commits] == [1, 2]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_every_flipped_bit_in_a_log_is_seen(killed: dict[str, bytes], data: st.DataObject) -> None:
    wal = killed["state.sqlite-wal"]
    report = read_wal(with_flipped_bit(wal, data.draw(st.integers(0, len(wal) * 8 - 1))), PAGE_BYTES)
    # The last commit may look torn: then the mark beside the database shows that it is missing.
    assert report.state is WalState.DAMAGED or len(report.commits) == COMMITS - 1


@pytest.mark.requirement("R20")
def test_flipped_bit_in_a_log_is_harmless_or_reported(killed: dict[str, bytes], tmp_path: Path) -> None:
    wal, choice = killed["state.sqlite-wal"], random.Random(7)
    bits = [*range(0, 32 * 8, 9), *(choice.randrange(len(wal) * 8) for _ in range(60))]
    for number, bit in enumerate(bits):
        directory = tmp_path / str(number)
        directory.mkdir()
        for name, content in killed.items():
            (directory / name).write_bytes(content)
        damaged = with_flipped_bit(wal, bit)
        (directory / "state.sqlite-wal").write_bytes(damaged)
        store = SqliteStore()
        messages = store.open(directory)
        found = {key for key, _ in store.load("job")}, len(store.query("runs", LogQuery()))
        store.close()
        if "everything written after" not in messages[0] and "some of what was written" not in messages[0]:
            assert "no commit is lost" in messages[0]
            # A damaged row is told in a line of its own.
            damaged_rows = len(messages) - 1
            assert len({f"job-{n}" for n in range(COMMITS)} - found[0]) <= damaged_rows
            assert found[1] >= COMMITS - damaged_rows
        assert damaged in [path.read_bytes() for path in directory.glob("*.corrupt-*-wal")]
