"""The process that merges outputs: a question on standard input, the text on standard output.

Of each file it has some kilobytes in memory, and all have their sizes at the start, so that it ends where one grows.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rae_auto.reading.outputs.line_search import MAX_LINE_BYTES
from rae_auto.reading.outputs.output_files import read_lines, size_of
from rae_auto.reading.outputs.output_times import read_output_times

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NO_TIME = " " * len("2026-11-30 03:00:00")


def merge_lines(files: Sequence[dict[str, Any]], zone: ZoneInfo) -> Iterator[bytes]:
    """Yield the lines of files by time, each with the label of its file and its time by the clock of a zone."""
    width = max((len(file["label"]) for file in files), default=0)
    streams = [_lines_of(file, size_of(Path(file["path"])), width, zone) for file in files]
    return (line for _, line in merge(*streams, key=itemgetter(0)))


def _lines_of(file: dict[str, Any], size: int, width: int, zone: ZoneInfo) -> Iterator[tuple[datetime, bytes]]:
    """Yield the lines of a file, each with the instant of its place, which never goes back within a file."""
    path, started_at = Path(file["path"]), file["started_at"] and datetime.fromisoformat(file["started_at"])
    times, latest = read_output_times(path, started_at), _LONG_AGO
    label, head, head_of = f"{file['label']:{width}}".encode(), b"", None
    for offset, line in _read_all(path, size):
        at = times.time_of(offset) or started_at
        if not head or at is not head_of:
            head_of = at
            head = label + f"  {_NO_TIME if at is None else f'{at.astimezone(zone):%Y-%m-%d %H:%M:%S}'}  ".encode()
        latest = max(latest, at or _LONG_AGO)
        yield latest, b"%b%b%b\n" % (head, b"! " if times.is_error(offset) else b"", line)


def _read_all(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file up to a size, with their offsets; one that is longer than a part comes as several.

    The file is open only while a part is read: there may be more files than a process can have open.
    """
    offset = 0
    while offset < size:
        content, _ = read_lines(path, offset, min(MAX_LINE_BYTES, size - offset), is_exact=True)
        if not content:
            return
        for line in content.removesuffix(b"\n").split(b"\n"):
            yield offset, line.removesuffix(b"\r")
            offset += len(line) + 1
        offset -= not content.endswith(b"\n")


def main() -> int:
    """Answer the question on standard input."""
    question = json.loads(sys.stdin.buffer.readline())
    sys.stdout.buffer.writelines(merge_lines(question["files"], ZoneInfo(question["zone"])))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
