"""Search of an output: by a process that is stopped when a pattern takes too long, and goes on where it was."""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rae_auto.errors import BadRequest
from rae_auto.reading.outputs import line_search, output_search
from rae_auto.reading.outputs.output_search import MAX_MATCHES, search_output_file
from rae_auto.views.screens.parts.output_part import OutputMatch

ENDLESS = "(a+)+$"
"""A pattern that takes ages for a line of many a, unless it ends with one."""


def search(path: Path, pattern: str, start: int = 0) -> tuple[list[OutputMatch], int, bool]:
    found = asyncio.run(search_output_file(path, pattern, start))
    assert searchers() == [], "the process is ended"
    return list(found.matches), found.searched_to, found.is_cut


def searchers() -> list[psutil.Process]:
    """Return the processes of this one that search."""
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):
            found += [one] if line_search.__file__ in one.cmdline() else []
    return found


@pytest.fixture
def output(tmp_path: Path) -> Path:
    path = tmp_path / "output.txt"
    path.write_bytes(b"first\n" + b"a" * 60 + b"!\nlast \xff\r\n")
    return path


def test_pattern_that_never_ends_is_stopped(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_search, "SEARCH_SECONDS", 0.5)
    assert search(output, ENDLESS) == ([], 0, True)


def test_page_is_answered_while_a_pattern_never_ends(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output_search, "SEARCH_SECONDS", 600.0)

    async def check() -> None:
        searching = asyncio.create_task(search_output_file(output, ENDLESS))
        await asyncio.sleep(0)
        assert (await search_output_file(output, "FIRST")).matches == (OutputMatch(0, "first"),)
        assert not searching.done()
        searching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await searching

    asyncio.run(check())
    assert searchers() == []


def test_search_ends_where_it_was_complete(output: Path) -> None:
    size = output.stat().st_size
    assert search(output, r"last \\xff$") == ([OutputMatch(68, r"last \xff")], size, False)
    assert search(output, "first", start=6) == ([], size, False)


def test_search_goes_on_after_the_last_match_listed(tmp_path: Path) -> None:
    path = tmp_path / "output.txt"
    path.write_text("same\n" * (MAX_MATCHES + 3))
    found, end, is_cut = search(path, "same")
    assert (len(found), end, is_cut) == (MAX_MATCHES, 5 * MAX_MATCHES, False)
    assert [one.offset for one in search(path, "same", end)[0]] == [end, end + 5, end + 10]


def test_output_that_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="can't be searched"):
        search(tmp_path, "x")
    assert search(tmp_path / "none", "x") == ([], 0, False)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no limit of processor time")
def test_search_ends_even_if_the_page_that_asked_is_gone(output: Path) -> None:
    question = {"files": [(str(output), 0)], "pattern": ENDLESS, "most": 1, "seconds": 1}
    command = [sys.executable, "-I", "-S", line_search.__file__]
    done = subprocess.run(command, input=json.dumps(question).encode() + b"\n", capture_output=True, timeout=120)
    assert done.returncode < 0
