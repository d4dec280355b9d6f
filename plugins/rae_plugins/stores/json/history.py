"""Log entries that left the journal: files that are read only when somebody asks, and written anew to remove some."""

import heapq
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from attrs import evolve, frozen

from rae_auto.api.store import LogQuery
from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import write_whole
from rae_plugins.stores.json.changes import Entry, decode_entry, encode_entry
from rae_plugins.stores.json.sealed import FORMAT, check_format, lines_of, read_lines, seal


@frozen
class Segment:
    """One history file, and the newest instant of each log in it."""

    path: Path
    newest: dict[str, datetime]

    def entries(self) -> list[Entry]:
        """Its entries in the order in which they were appended."""
        with open_segment(self.path) as file:
            return list(read_entries(self.path, file))


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


def open_segment(path: Path) -> BinaryIO:
    """A history file to read from: as it is now, whatever takes its place."""
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def read_entries(path: Path, file: BinaryIO) -> Iterator[Entry]:
    """The entries of an open history file, one by one. StoreDamaged where a line isn't what was written."""
    try:
        for number, (_, line) in enumerate(lines_of(file), 1):
            if line is None:
                raise StoreDamaged(f"{path}, line {number} isn't what was written; restore a backup, or move it away")
            if number > 1:
                yield decode_entry(line)
    except OSError as error:
        if isinstance(error, StoreDamaged):
            raise
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def without(segment: Segment, log: str, keys: Set[str]) -> Segment:
    """The history file written anew without some entries of a log."""
    entries = segment.entries()
    kept = [entry for entry in entries if entry.log != log or entry.key not in keys]
    return segment if len(kept) == len(entries) else write_segment(segment.path, kept)


def newest_first(log: str, recent: Sequence[Entry], segments: Sequence[Segment]) -> list[Entry]:
    """What is known of all entries of a log but their bodies, of several of a key the last."""
    latest: dict[str, Entry] = {}
    for entries in (*(segment.entries() for segment in segments if log in segment.newest), recent):
        for entry in entries:
            if entry.log == log:
                # The later of one key is also the later appended.
                latest.pop(entry.key, None)
                latest[entry.key] = evolve(entry, text="")
    found = list(reversed(latest.values()))
    found.sort(key=lambda entry: entry.at, reverse=True)
    return found


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
            if query.matches(entry.key, entry.job, entry.state, entry.at):
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
