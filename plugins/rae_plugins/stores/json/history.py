"""Log entries that left the journal: files that are written once, and read only when somebody asks."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.api.files import write_whole
from rae_auto.api.store import LogQuery
from rae_auto.errors import StoreDamaged
from rae_plugins.stores.json.changes import Entry, decode_entry, encode_entry
from rae_plugins.stores.json.sealed import FORMAT, check_format, read_lines, seal


@frozen
class Segment:
    """One history file, and the newest instant of each log in it."""

    path: Path
    newest: dict[str, datetime]

    def entries(self) -> list[Entry]:
        """Its entries in the order in which they were appended."""
        return [decode_entry(line) for line in list(_whole_lines(self.path))[1:]]


def write_segment(path: Path, entries: Iterable[Entry]) -> Segment:
    """Write entries to a new history file."""
    newest: dict[str, datetime] = {}
    lines = []
    for entry in entries:
        newest[entry.log] = max(entry.at, newest.get(entry.log, entry.at))
        lines.append(seal(encode_entry(entry)))
    header = seal({"format": FORMAT, "newest": {log: at.isoformat() for log, at in newest.items()}})
    write_whole(path, header + b"".join(lines))
    return Segment(path, newest)


def read_segment(path: Path) -> Segment | None:
    """The history file of which only the first line is read, or None where that one is damaged."""
    _, header = next(read_lines(path), (0, None))
    check_format(path, header)
    if header is None:
        return None
    return Segment(path, {log: datetime.fromisoformat(at) for log, at in header["newest"].items()})


def find(log: str, query: LogQuery, recent: Sequence[Entry], segments: Sequence[Segment]) -> list[Entry]:
    """The wanted entries, newest first.

    Files are read from the last written backwards, all of each, so that an entry is known to be replaced before
    it is met; reading ends when no older file can hold anything newer than what is already found.
    """
    found: list[tuple[datetime, int, Entry]] = []
    seen: set[str] = set()
    order = 0
    older = list(segments)
    entries: Sequence[Entry] = recent
    while True:
        for entry in reversed(entries):
            if entry.log != log or entry.key in seen:
                continue
            seen.add(entry.key)
            order -= 1
            if query.takes(entry.key, entry.job, entry.state, entry.at):
                found.append((entry.at, order, entry))
        found = heapq.nlargest(query.limit, found, key=lambda item: item[:2])
        if not older or query.key in seen or _is_enough(log, query, found, older):
            return [entry for _, _, entry in found]
        entries = older.pop().entries()


def _is_enough(
    log: str, query: LogQuery, found: Sequence[tuple[datetime, int, Entry]], older: Iterable[Segment]
) -> bool:
    newest = max((segment.newest[log] for segment in older if log in segment.newest), default=None)
    if newest is None or (query.since is not None and newest < query.since):
        return True
    return len(found) >= query.limit and (not found or found[-1][0] >= newest)


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        for number, (_, line) in enumerate(read_lines(path), 1):
            if line is None:
                raise StoreDamaged(f"{path}, line {number} isn't what was written; restore a backup, or move it away")
            yield line
    except OSError as error:
        if isinstance(error, StoreDamaged):
            raise
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error
