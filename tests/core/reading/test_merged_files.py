"""Whole outputs merged to one text, and the search of several outputs one after the other."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.reading.test_output_search import ENDLESS, searchers

from rae_auto.errors import BadRequest
from rae_auto.reading.outputs import output_search
from rae_auto.reading.outputs.line_search import MAX_LINE_BYTES
from rae_auto.reading.outputs.merge_process import merge_lines
from rae_auto.reading.outputs.output_search import FoundLines, search_output_files

START = datetime(2026, 3, 28, 23, 30, tzinfo=UTC)
HEAD_CHARACTERS = len("a  2026-03-29 00:30:00  ")


def merge(files: Sequence[tuple[str, Path, datetime | None]]) -> list[str]:
    given = [{"label": label, "path": str(path), "started_at": at and at.isoformat()} for label, path, at in files]
    return b"".join(merge_lines(given, ZoneInfo("Europe/Berlin"))).decode().splitlines()


def write_index(path: Path, entries: Sequence[tuple[int, int]]) -> None:
    """Note that the output from some bytes on came some minutes after the start, as standard error."""
    instants = [int((START + timedelta(minutes=minutes)).timestamp() * 1000) for _, minutes in entries]
    lines = [f"{offset} {at} e\n" for (offset, _), at in zip(entries, instants, strict=True)]
    path.with_suffix(".index").write_text("".join(lines))


def test_merged_text_is_in_the_order_of_time_with_labels(tmp_path: Path) -> None:
    first, second, unknown = tmp_path / "first.log", tmp_path / "second.log", tmp_path / "unknown.log"
    first.write_text("a1\na2\n")
    write_index(first, [(0, 0), (3, 180)])
    second.write_text("b1\r\nb2")
    unknown.write_text("c1\n")
    files = [("backup 4Z7A", first, START), ("x", second, START + timedelta(hours=1)), ("y", unknown, None)]
    assert merge([*files, ("z", tmp_path / "none.log", START)]) == [
        f"y{' ' * 31}  c1",
        "backup 4Z7A  2026-03-29 00:30:00  ! a1",
        "x            2026-03-29 01:30:00  b1",
        "x            2026-03-29 01:30:00  b2",
        "backup 4Z7A  2026-03-29 04:30:00  ! a2",
    ]


def test_lines_of_one_output_keep_their_order_when_the_clock_is_set_back(tmp_path: Path) -> None:
    first, second = tmp_path / "first.log", tmp_path / "second.log"
    first.write_text("a1\na2\n")
    write_index(first, [(0, 30), (3, 0)])
    second.write_text("b1\n")
    shown = merge([("a", first, START), ("b", second, START + timedelta(minutes=20))])
    assert [line.split()[-1] for line in shown] == ["b1", "a1", "a2"]


@given(st.lists(st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=9), max_size=9)))
def test_merged_text_has_each_output_whole(outputs: list[list[str]]) -> None:
    with TemporaryDirectory() as name:
        paths = [Path(name) / f"{number}.log" for number in range(len(outputs))]
        for path, lines in zip(paths, outputs, strict=True):
            path.write_text("\n".join(lines))
        found = merge([(f"{number:4}", path, START) for number, path in enumerate(paths)])
        for number, lines in enumerate(outputs):
            own = [line[HEAD_CHARACTERS + 3 :] for line in found if line.startswith(f"{number:4} ")]
            assert "\n".join(own) == "\n".join(lines).removesuffix("\n")


def test_line_that_is_longer_than_a_part_comes_as_several(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    path.write_text("x" * (2 * MAX_LINE_BYTES + 1) + "\nend\n")
    assert [len(line) - HEAD_CHARACTERS for line in merge([("a", path, START)])] == [
        MAX_LINE_BYTES,
        MAX_LINE_BYTES,
        1,
        3,
    ]


def search(files: Sequence[tuple[Path, int]], pattern: str) -> FoundLines:
    found = asyncio.run(search_output_files(files, pattern))
    assert searchers() == [], "the process is ended"
    return found


@pytest.fixture
def outputs(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in ("first.log", "gone.log", "second.log")]
    paths[0].write_text("one\ntwo\n")
    paths[2].write_text("three\nfour\n")
    return paths


def test_several_outputs_are_searched_one_after_the_other(outputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    found = search([(path, 0) for path in outputs], "o")
    assert [(file, match.text) for file, match in found.matches] == [(0, "one"), (0, "two"), (2, "four")]
    assert (found.file, found.searched_to, found.is_cut) == (2, 11, False)
    monkeypatch.setattr(output_search, "MAX_MATCHES", 2)
    part = search([(path, 0) for path in outputs], "o")
    assert (len(part.matches), part.file, part.searched_to) == (2, 0, 8)
    rest = search([(outputs[0], 8), *((path, 0) for path in outputs[1:])], "o")
    assert [match.text for _, match in rest.matches] == ["four"]


def test_search_of_several_outputs_is_stopped_as_of_one(outputs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_search, "SEARCH_SECONDS", 0.5)
    outputs[1].write_text("a" * 60 + "!\n")
    found = search([(path, 0) for path in outputs], ENDLESS)
    assert (found.matches, found.file, found.searched_to, found.is_cut) == ([], 0, 8, True)
    assert search([], "x") == FoundLines((), 0, 0, is_cut=False)
    for pattern in ("(", "a{99999999999999999999}", "x" * 300):
        with pytest.raises(BadRequest, match="pattern"):
            search([], pattern)
