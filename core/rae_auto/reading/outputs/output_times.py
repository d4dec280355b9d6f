"""The times of output lines, and which of them are standard error, if that was recorded.

An executor may keep an index beside an output, "NAME.index": lines "OFFSET MILLISECONDS STREAM" in ascending order,
and at the end "= HEAD DROPPED NOTE" if the middle of the output was dropped. `rae_plugins.executors.process.keeper.
output_index` has the whole format. Without an index, all came at the start if the file was not written to afterwards.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import frozen

MAX_DISTANCE = timedelta(seconds=2)
"""Time from the start of an attempt to the last write to its output, where all lines have the start as their time."""

MAX_INDEX_BYTES = 8 << 20
ERROR_STREAM = "e"


@frozen
class OutputTimes:
    """Times and streams of the parts of an output, by their offsets in its file."""

    offsets: Sequence[int] = ()
    times: Sequence[datetime] = ()
    errors: Sequence[bool] = ()

    def time_of(self, offset: int) -> datetime | None:
        """Return when the line at an offset came; None if that isn't known."""
        number = bisect_right(self.offsets, offset)
        return self.times[number - 1] if number else None

    def is_error(self, offset: int) -> bool:
        """Return whether the line at an offset is known to be standard error."""
        number = bisect_right(self.offsets, offset)
        return bool(number) and self.errors[number - 1]


_UNKNOWN = OutputTimes()


def read_output_times(path: Path, started_at: datetime | None) -> OutputTimes:
    """Return the times of the output in a file, of an attempt that started then.

    Damaged lines of the index are skipped.
    """
    try:
        with path.with_suffix(".index").open("rb") as file:
            return parse_index(file.read(MAX_INDEX_BYTES).decode(errors="replace").splitlines())
    except OSError:
        return OutputTimes((0,), (started_at,), (False,)) if started_at and _ends_near(path, started_at) else _UNKNOWN


def _ends_near(path: Path, instant: datetime) -> bool:
    try:
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return False
    return abs(written_at - instant) <= MAX_DISTANCE


def parse_index(lines: Iterable[str]) -> OutputTimes:
    """Return the times in the lines of an index."""
    entries: list[tuple[int, datetime, bool]] = []
    head = dropped = note = 0
    for line in lines:
        words = line.split()
        if len(words) == 4 and words[0] == "=" and all(map(str.isdecimal, words[1:])):
            head, dropped, note = map(int, words[1:])
        elif len(words) == 3 and words[0].isdecimal() and words[1].isdecimal() and len(words[1]) < 15:
            at = datetime.fromtimestamp(int(words[1]) / 1000, UTC)
            entries.append((int(words[0]), at, words[2] == ERROR_STREAM))
    if dropped:
        entries = _place(entries, head, dropped, note)
    entries.sort(key=lambda entry: entry[0])
    return OutputTimes(*zip(*entries, strict=True)) if entries else OutputTimes()


def _place(
    entries: list[tuple[int, datetime, bool]], head: int, dropped: int, note: int
) -> list[tuple[int, datetime, bool]]:
    """Return entries at their offsets in the file: the part after the head was dropped, and a note stands there."""
    kept = [entry for entry in entries if entry[0] < head]
    before = [entry for entry in entries if head <= entry[0] <= head + dropped]
    after = [(offset - dropped + note, at, is_error) for offset, at, is_error in entries if offset > head + dropped]
    # The first kept byte after the note belongs to the last part that began before it.
    first = [(head + note, *before[-1][1:])] if before else []
    return [*kept, *first, *after]
