"""Parts of output files: read by offsets of bytes, so that the size of a file doesn't matter."""

from collections.abc import Iterator
from pathlib import Path

from rae_auto.model.run import Run
from rae_auto.reading.outputs.line_search import MAX_LINE_BYTES, decode_line
from rae_auto.reading.outputs.output_times import OutputTimes, read_output_times
from rae_auto.views.screens.parts.output_part import OutputLine, OutputPart, find_attempt_start


def read_part(path: Path, run: Run, attempt: int, start: int, limit: int, *, is_exact: bool = False) -> OutputPart:
    """Return lines of the output of an attempt from a byte on, counted from the end if it is negative.

    They begin with a whole line, or if `is_exact` with that byte, so that parts in a row have everything.
    """
    size = size_of(path)
    begin = max(size + start, 0) if start < 0 else min(start, size)
    content, begin = read_lines(path, begin, limit, is_exact=is_exact)
    end = begin + len(content)
    lines = tuple(split_lines(content, begin, read_output_times(path, find_attempt_start(run, attempt))))
    is_open = end >= size and bool(lines) and not content.endswith(b"\n")
    return OutputPart(
        path=str(path),
        size=max(size, end),
        start=begin,
        end=end,
        next_start=lines[-1].offset if is_open else end,
        lines=lines,
    )


def read_lines(path: Path, start: int, limit: int, *, is_exact: bool = False) -> tuple[bytes, int]:
    """Return whole lines of a file, about `limit` bytes, and the offset of the first: that after the next line end.

    A line that begins at `start` is part of it; what is left of a line that began before is only if `is_exact`. Nothing
    if there is no such file. A line longer than `limit` is cut.
    """
    try:
        with path.open("rb") as file:
            begin = start
            if start > 0 and not is_exact:
                file.seek(start - 1)
                skipped = file.readline(limit)
                begin = start - 1 + len(skipped) if skipped.endswith(b"\n") else start
            file.seek(begin)
            content = file.read(limit)
    except FileNotFoundError:
        return b"", start
    whole = content.rfind(b"\n") + 1
    is_at_end = len(content) < limit
    return (content if is_at_end or not whole else content[:whole]), begin


def split_lines(content: bytes, start: int, times: OutputTimes) -> Iterator[OutputLine]:
    """Yield the lines of a part of a file that begins at an offset."""
    offset = start
    for line in content.split(b"\n"):
        for part in range(0, max(len(line), 1), MAX_LINE_BYTES):
            if offset + part < start + len(content):
                text = decode_line(line[part : part + MAX_LINE_BYTES])
                yield OutputLine(offset + part, text, times.time_of(offset), times.is_error(offset))
        offset += len(line) + 1


def size_of(path: Path) -> int:
    """Return the bytes of a file, 0 if it doesn't exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
