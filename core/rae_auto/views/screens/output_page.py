"""The output of an attempt, a part at a time: read by offsets of bytes, so that its size doesn't matter."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from attrs import frozen

from rae_auto.errors import RunNotFound
from rae_auto.model.primitives.formatting import format_count, quote
from rae_auto.model.run import Run, RunState
from rae_auto.views.screens.parts.base import Extent, ScreenBase
from rae_auto.views.screens.parts.line_search import MAX_LINE_BYTES, decode_line
from rae_auto.views.screens.parts.output_times import OutputTimes, read_output_times
from rae_auto.views.screens.parts.record_source import OutputPlace, RecordSource

PART_BYTES = 64 << 10
"""Bytes that a part has by default."""

MAX_PART_BYTES = 1 << 20


@frozen
class OutputLine:
    """A line of output without its end; `offset` is that of its first byte in the file."""

    offset: int
    text: str
    at: datetime | None = None
    """When it came, to a second or so; None if that isn't known."""
    is_error: bool = False
    """True if it is known to be standard error."""


@frozen(kw_only=True)
class OutputPage(ScreenBase):
    """A part of the output of an attempt, in whole lines."""

    run_id: str
    job: str
    attempt: int
    attempts: int
    """The number of the run's attempts, each of which has output of its own."""
    state: str
    is_growing: bool
    """True while the attempt may write more: read on from `end` to follow it."""
    path: str
    size: int
    """Bytes of the file."""
    start: int
    end: int
    """The part has the bytes from `start` to before `end`."""
    lines: tuple[OutputLine, ...]
    extent: Extent
    """Bytes that are shown, of all."""


async def load_output_page(
    source: RecordSource, run: str, attempt: int | None = None, *, start: int = 0, limit: int = PART_BYTES
) -> OutputPage:
    """Read a part of an output: whole lines from the byte `start` on, counted from the end if negative.

    Errors: RunNotFound.
    """
    return read_output_page(source, await source.run(run), attempt, start=start, limit=limit)


def read_output_page(
    source: RecordSource, found: Run, attempt: int | None = None, *, start: int = 0, limit: int = PART_BYTES
) -> OutputPage:
    """Read a part of an output of a run that is known. Errors: RunNotFound if it has no such attempt."""
    place = find_output(source, found, attempt)
    size = size_of(place.path)
    begin = max(size + start, 0) if start < 0 else min(start, size)
    content, begin = read_lines(place.path, begin, min(max(limit, 1), MAX_PART_BYTES))
    times = read_output_times(place.path, found, place.attempt)
    return build_output_page(
        found.id, found.job, found.attempt, place, size=size, start=begin, content=content, times=times
    )


def find_output(source: RecordSource, found: Run, attempt: int | None) -> OutputPlace:
    """Return where the output of an attempt is, by default the latest. Errors: RunNotFound."""
    if attempt is not None and attempt > max(found.attempt, 1):
        attempts = format_count(found.attempt, "attempt")
        raise RunNotFound(f"run {quote(found.id)} has {attempts}, and none with the number {attempt}")
    return source.output(found, attempt)


async def load_output_end(source: RecordSource, run: str, limit: int = PART_BYTES) -> OutputPage:
    """Read the end of the output of a run's latest attempt. Errors: RunNotFound."""
    return await load_output_page(source, run, start=-limit, limit=limit)


def read_output_end(source: RecordSource, run: Run, limit: int = PART_BYTES) -> OutputPage:
    """Read the end of the output of the latest attempt of a run that is known."""
    return read_output_page(source, run, start=-limit, limit=limit)


def build_output_page(
    run: str,
    job: str,
    attempts: int,
    place: OutputPlace,
    *,
    size: int,
    start: int,
    content: bytes,
    times: OutputTimes,
) -> OutputPage:
    """Return the page of a part of a file that begins at a line; `size` is that of the file."""
    end = start + len(content)
    is_growing = place.attempt == attempts and not RunState(place.state).final
    return OutputPage(
        run_id=run,
        job=job,
        attempt=place.attempt,
        attempts=attempts,
        state=place.state,
        is_growing=is_growing,
        path=str(place.path),
        size=max(size, end),
        start=start,
        end=end,
        lines=tuple(split_lines(content, start, times)),
        extent=Extent(len(content), max(size, end)),
    )


def read_lines(path: Path, start: int, limit: int) -> tuple[bytes, int]:
    """Return whole lines of a file, about `limit` bytes, and the offset of the first: that after the next line end.

    A line that begins at `start` is part of it; what is left of a line that began before isn't. Nothing if there is
    no such file. A line longer than `limit` is cut.
    """
    try:
        with path.open("rb") as file:
            begin = start
            if start > 0:
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
