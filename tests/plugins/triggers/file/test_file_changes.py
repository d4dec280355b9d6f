"""What a change of a file is, how it is told, and the arithmetic of waiting for it."""

import os
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rae_plugins.triggers.file.changes import Change, Happening, Origin, Version, document_of, key_of
from rae_plugins.triggers.file.debounce import Burst, Patience, Settling

VERSION = Version(inode=5, mtime_ns=1_760_000_000_123_456_789, size=3)


def changed(path: str = "/in/a", happening: Happening = Happening.CREATED, version: Version = VERSION) -> Change:
    return Change(path, happening, version)


def test_an_event_lists_the_paths_and_what_happened_to_each() -> None:
    moved = Change("/in/b", Happening.MOVED, VERSION, source="/in/a")
    assert document_of([changed("/in/c"), moved], Origin.RESCAN) == {
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


def test_a_time_that_no_calendar_has_is_left_out() -> None:
    absurd = Version(inode=5, mtime_ns=10**18 * 1000, size=3)
    assert document_of([changed(version=absurd)], Origin.WATCH)["changes"][0]["mtime"] is None


_changes = st.lists(
    st.builds(
        changed,
        st.sampled_from(["/in/a", "/in/b", "/in/\udce9"]),
        st.sampled_from(Happening),
        st.builds(Version, st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=4,
)


@given(_changes, st.randoms())
def test_a_key_depends_on_what_happened_not_on_its_order(changes: list[Change], random: "st.DrawFn") -> None:
    shuffled = list(changes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis hands out a Random
    assert key_of(shuffled) == key_of(changes)


@given(_changes, _changes)
def test_other_changes_have_another_key(one: list[Change], other: list[Change]) -> None:
    same = sorted(map(repr, one)) == sorted(map(repr, other))
    assert (key_of(one) == key_of(other)) == same


def test_each_refusal_makes_another_key() -> None:
    assert len({key_of([changed()], refusals) for refusals in range(4)}) == 4


def test_an_inode_of_64_bits_is_kept_as_sqlite_can() -> None:
    status = os.stat_result((0o100644, (1 << 64) - 1, 0, 1, 0, 0, 3, 0, 0, 0))
    assert Version.of(status).inode == -1


def seconds(value: float) -> timedelta:
    return timedelta(seconds=value)


def test_a_burst_is_looked_at_after_a_quiet_time() -> None:
    assert Burst(first=10, last=12).looks_at(quiet=seconds(1), max_wait=seconds(30)) == 13


def test_a_burst_that_goes_on_is_looked_at_after_the_longest_wait() -> None:
    assert Burst(first=10, last=39.5).looks_at(quiet=seconds(1), max_wait=seconds(30)) == 40


def test_without_a_rest_every_file_is_whole() -> None:
    settling = Settling(rest=0)
    assert settling.is_whole("/in/a", VERSION, 0, was_closed=False)
    assert settling.due() is None


def test_a_file_is_whole_when_it_has_rested() -> None:
    settling = Settling(rest=5)
    assert not settling.is_whole("/in/a", VERSION, 100, was_closed=False)
    assert settling.due() == 105
    assert not settling.is_whole("/in/a", VERSION, 104, was_closed=False)
    assert settling.is_whole("/in/a", VERSION, 105, was_closed=False)
    assert settling.due() is None


def test_a_file_that_grows_begins_to_rest_anew() -> None:
    settling = Settling(rest=5)
    settling.is_whole("/in/a", VERSION, 100, was_closed=False)
    grown = Version(VERSION.inode, VERSION.mtime_ns + 1, VERSION.size + 1)
    assert not settling.is_whole("/in/a", grown, 104, was_closed=False)
    assert settling.due() == 109
    assert settling.waiting() == ["/in/a"]


def test_a_file_that_its_writer_has_closed_is_whole_at_once() -> None:
    settling = Settling(rest=5)
    settling.is_whole("/in/a", VERSION, 100, was_closed=False)
    assert settling.is_whole("/in/a", VERSION, 100.1, was_closed=True)
    assert settling.due() is None


@pytest.mark.parametrize(("refusals", "pause"), [(0, 60), (1, 120), (5, 1920), (6, 3600), (50, 3600)])
def test_the_pause_before_another_offer_doubles_up_to_an_hour(refusals: int, pause: float) -> None:
    patience = Patience()
    for _ in range(refusals):
        patience = patience.longer()
    assert patience.pause == pause
