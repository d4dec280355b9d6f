"""Changes of files, their events and keys, and the arithmetic of waiting."""

import os
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.file.changes import (
    ChangeKind,
    ChangeOrigin,
    FileChange,
    FileVersion,
    check_event,
    event_key,
)
from rae_plugins.triggers.file.debounce import Burst, StabilityTracker
from rae_plugins.triggers.file.delivery import RetryDelay

VERSION = FileVersion(inode=5, mtime_ns=1_760_000_000_123_456_789, size=3)


def changed(path: str = "/in/a", kind: ChangeKind = ChangeKind.CREATED, version: FileVersion = VERSION) -> FileChange:
    return FileChange(path, kind, version)


def test_event_lists_paths_and_changes() -> None:
    moved = FileChange("/in/b", ChangeKind.MOVED, VERSION, source="/in/a")
    assert check_event([changed("/in/c"), moved], ChangeOrigin.RESCAN) == {
        "paths": ["/in/c", "/in/b"],
        "changes": [
            {"path": "/in/c", "change": "created", "size": 3, "mtime": "2025-10-09T08:53:20.123456+00:00"},
            {
                "path": "/in/b",
                "change": "moved",
                "size": 3,
                "mtime": "2025-10-09T08:53:20.123456+00:00",
                "from": "/in/a",
            },
        ],
        "origin": "rescan",
        "count": 2,
    }


def test_event_omits_a_time_beyond_the_calendar() -> None:
    absurd = FileVersion(inode=5, mtime_ns=10**18 * 1000, size=3)
    assert check_event([changed(version=absurd)], ChangeOrigin.WATCH)["changes"][0]["mtime"] is None


_changes = st.lists(
    st.builds(
        changed,
        st.sampled_from(["/in/a", "/in/b", "/in/\udce9"]),
        st.sampled_from(ChangeKind),
        st.builds(FileVersion, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=4,
)


@given(_changes, st.randoms())
def test_event_key_ignores_the_order_of_changes(changes: list[FileChange], random: "st.DrawFn") -> None:
    shuffled = list(changes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    assert event_key(shuffled) == event_key(changes)


@given(_changes, _changes)
def test_event_key_differs_for_other_changes(one: list[FileChange], other: list[FileChange]) -> None:
    same = sorted(map(repr, one)) == sorted(map(repr, other))
    assert (event_key(one) == event_key(other)) == same


def test_event_key_differs_after_each_refusal() -> None:
    assert len({event_key([changed()], "snapshot", refusals) for refusals in range(4)}) == 4


def test_file_version_stores_64_bit_inodes_as_signed() -> None:
    status = os.stat_result((0o100644, (1 << 64) - 1, 0, 1, 0, 0, 3, 0, 0, 0))
    assert FileVersion.from_status(status).inode == -1


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_burst_is_scanned_after_a_quiet_time() -> None:
    assert Burst(first=10, last=12).scan_due(quiet=seconds(1), max_wait=seconds(30)) == 13


def test_endless_burst_is_scanned_after_max_wait() -> None:
    assert Burst(first=10, last=39.5).scan_due(quiet=seconds(1), max_wait=seconds(30)) == 40


def test_stability_without_rest_holds_no_file_back() -> None:
    tracker = StabilityTracker(rest_seconds=0)
    assert tracker.is_stable("/in/a", VERSION, 0)
    assert tracker.next_due() is None


def test_file_is_stable_after_its_rest() -> None:
    tracker = StabilityTracker(rest_seconds=5)
    assert not tracker.is_stable("/in/a", VERSION, 100)
    assert tracker.next_due() == 105
    assert not tracker.is_stable("/in/a", VERSION, 104)
    assert tracker.is_stable("/in/a", VERSION, 105)
    assert tracker.next_due() is None


def test_growing_file_restarts_its_rest() -> None:
    tracker = StabilityTracker(rest_seconds=5)
    tracker.is_stable("/in/a", VERSION, 100)
    grown = FileVersion(VERSION.inode, VERSION.mtime_ns + 1, VERSION.size + 1)
    assert not tracker.is_stable("/in/a", grown, 104)
    assert tracker.next_due() == 109
    assert tracker.paths() == ["/in/a"]


def test_seen_write_restarts_the_rest_of_the_same_version() -> None:
    tracker = StabilityTracker(rest_seconds=5)
    tracker.is_stable("/in/a", VERSION, 100)
    assert not tracker.is_stable("/in/a", VERSION, 106, was_written=True)
    assert tracker.next_due() == 111


def test_empty_file_rests_for_longer() -> None:
    empty = FileVersion(inode=5, mtime_ns=1, size=0)
    tracker = StabilityTracker(rest_seconds=5)
    tracker.is_stable("/in/a", empty, 100)
    assert tracker.next_due() == 160
    assert not tracker.is_stable("/in/a", empty, 159)
    assert not tracker.is_stable("/in/a", VERSION, 159.5)
    assert tracker.next_due() == 164.5
    slow = StabilityTracker(rest_seconds=30)
    slow.is_stable("/in/a", empty, 100)
    assert slow.next_due() == 400


def test_complete_file_is_stable_at_once() -> None:
    tracker = StabilityTracker(rest_seconds=5)
    tracker.is_stable("/in/a", VERSION, 100)
    assert tracker.is_stable("/in/a", VERSION, 100.1, is_complete=True)
    assert tracker.next_due() is None


@pytest.mark.parametrize(("refusals", "pause"), [(0, 60), (1, 120), (5, 1920), (6, 3600), (50, 3600)])
def test_retry_delay_doubles_up_to_an_hour(refusals: int, pause: float) -> None:
    delay = RetryDelay()
    for _ in range(refusals):
        delay = delay.double()
    assert delay.seconds == pause
