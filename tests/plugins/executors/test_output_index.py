"""The index of an output: when its lines came and from which stream, read back by the views."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import define

from rae_auto.reading.outputs.output_files import split_lines
from rae_auto.reading.outputs.output_times import OutputTimes, parse_index
from rae_plugins.executors.process.keeper.files.output import CappedOutput
from rae_plugins.executors.process.keeper.files.output_index import ENTRIES_PER_INTERVAL, OutputIndex

BEGAN = datetime(2026, 11, 28, 12, tzinfo=UTC)


@define
class Clock:
    """A clock that the test moves."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return BEGAN.timestamp() + self.seconds


@define
class Written:
    """An output with its index, as a job writes it."""

    path: Path
    clock: Clock
    output: CappedOutput

    def write(self, text: str, at: float, *, is_error: bool = False) -> None:
        self.clock.seconds = at
        self.output.write(text.encode(), is_error=is_error)

    def read(self) -> list[tuple[str, float | None, bool]]:
        """Return the lines with the seconds after which they came, and whether they are standard error."""
        index = self.path.with_suffix(".index")
        times = parse_index(index.read_text().splitlines()) if index.exists() else OutputTimes()
        return [
            (line.text, None if line.at is None else (line.at - BEGAN).total_seconds(), line.is_error)
            for line in split_lines(self.path.read_bytes(), 0, times)
        ]


def begin(path: Path, cap: int = 1_000_000, *, is_separate: bool = True) -> Written:
    clock = Clock()
    index = OutputIndex(str(path.with_suffix(".index")), is_separate=is_separate, clock=clock)
    return Written(path, clock, CappedOutput(os.open(path, os.O_RDWR | os.O_CREAT), cap, [], index))


def test_index_has_times_and_streams_of_lines(tmp_path: Path) -> None:
    written = begin(tmp_path / "a.1.log")
    written.write("one\n", 0.2)
    written.write("two\n", 5)
    written.write("oops\n", 5.1, is_error=True)
    written.write("three\n", 5.2)
    expected = [("one", 0.0, False), ("two", 5.0, False), ("oops", 5.1, True), ("three", 5.2, False)]
    assert written.read() == expected
    written.output.close()
    assert written.read() == expected


def test_index_does_not_exist_for_what_is_printed_at_once(tmp_path: Path) -> None:
    written = begin(tmp_path / "a.1.log", is_separate=False)
    for number in range(1_000):
        written.write(f"{number}\n", number / 1_100, is_error=False)
    written.output.close()
    assert not written.path.with_suffix(".index").exists()
    assert written.path.with_suffix(".index").parent == tmp_path


def test_index_is_right_after_the_middle_was_dropped(tmp_path: Path) -> None:
    written = begin(tmp_path / "a.1.log", 200)
    for number in range(100):
        written.write(f"line {number:04}\n", number * 2)
    written.output.close()
    lines = [(text, at) for text, at, _ in written.read() if text.startswith("line ") and len(text) == 9]
    assert len(lines) == 20
    assert all(at == int(text[5:]) * 2 for text, at in lines)
    assert lines[-1] == ("line 0099", 198.0)


def test_index_of_a_year_stays_small(tmp_path: Path) -> None:
    index = OutputIndex(str(tmp_path / "a.index"), is_separate=False, clock=(clock := Clock()))
    for hour in range(365 * 24):
        for minute in range(3):
            clock.seconds = hour * 3_600 + minute * 60
            index.note(hour, is_error=False)
    entries = (tmp_path / "a.index").read_text().splitlines()
    assert ENTRIES_PER_INTERVAL < len(entries) < 20 * ENTRIES_PER_INTERVAL


def test_index_survives_a_clock_that_is_set_back(tmp_path: Path) -> None:
    written = begin(tmp_path / "a.1.log")
    written.write("one\n", 10)
    written.write("two\n", -3_600)
    assert [at for _, at, _ in written.read()] == [10.0, -3_600.0]


@pytest.mark.parametrize("line", ["", "x", "1 2", "= 1 2", "-1 5 o", "1 99999999999999999999 e", "a b c", "\x00" * 40])
def test_damaged_lines_of_an_index_are_skipped(line: str) -> None:
    good = f"0 {int(BEGAN.timestamp() * 1000)} o"
    times = parse_index([line, good, line])
    assert times.time_of(5) == BEGAN
    assert times.time_of(0) == BEGAN + timedelta(0)
