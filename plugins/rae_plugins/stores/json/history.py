"""The history files: log entries that have left the journal, read only by queries, rewritten to remove entries."""

import heapq
from collections.abc import Iterable, Iterator, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from attrs import evolve, frozen

from rae_auto.api.store import LogQuery
from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import write_atomically
from rae_plugins.stores.json.checksummed_lines import (
    FORMAT_VERSION,
    add_checksum,
    check_format,
    is_line_good,
    iter_lines,
    read_lines,
)
from rae_plugins.stores.json.contents import LogEntry, decode_entry, encode_entry


@frozen
class HistoryFile:
    """A history file, the number of its last commit, its length, and the newest instant of each log in it."""

    path: Path
    seq: int
    count: int
    newest: dict[str, datetime]

    def entries(self) -> list[LogEntry]:
        """Return its entries in the order in which they were appended, without damaged ones."""
        with open_history_file(self.path) as file:
            return list(read_entries(self.path, file))


def write_history_file(path: Path, seq: int, entries: Iterable[LogEntry]) -> HistoryFile:
    """Write entries to a new history file, and return it. `seq` is the number of their last commit."""
    newest: dict[str, datetime] = {}
    lines = []
    for entry in entries:
        newest[entry.log] = max(entry.at, newest.get(entry.log, entry.at))
        lines.append(add_checksum(encode_entry(entry)))
    instants = {log: at.isoformat() for log, at in newest.items()}
    header = {"format": FORMAT_VERSION, "seq": seq, "entries": len(lines), "newest": instants}
    write_atomically(path, add_checksum(header) + b"".join(lines))
    return HistoryFile(path, seq, len(lines), newest)


def read_history_file(path: Path) -> HistoryFile | None:
    """Return a history file by its first line, or None if that is damaged."""
    _, header = next(read_lines(path), (0, None))
    check_format(path, header)
    if header is None or "newest" not in header:
        return None
    newest = {log: datetime.fromisoformat(at) for log, at in header["newest"].items()}
    return HistoryFile(path, header["seq"], header["entries"], newest)


def count_lost_entries(history_file: HistoryFile) -> int:
    """Return the number of entries that are damaged or missing, by the checksums of all lines."""
    with history_file.path.open("rb") as file:
        next(file)
        return history_file.count - sum(map(is_line_good, file))


def salvage_history_file(path: Path) -> HistoryFile | None:
    """Rewrite a damaged history file with its good entries, and return it; None if it has none."""
    digits = path.stem.rpartition("-")[2]
    entries = [decode_entry(line) for _, line in read_lines(path) if line is not None and "append" in line]
    if not entries:
        path.unlink()
        return None
    return write_history_file(path, int(digits), entries)


def open_history_file(path: Path) -> BinaryIO:
    """Open a history file for reading, as it is now, even if it is replaced later."""
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def read_entries(path: Path, file: BinaryIO) -> Iterator[LogEntry]:
    """Yield the entries of an open history file, without damaged ones. Errors: StoreDamaged if it can't be read."""
    try:
        for _, line in iter_lines(file):
            if line is not None and "append" in line:
                yield decode_entry(line)
    except OSError as error:
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def remove_entries(history_file: HistoryFile, log: str, keys: Set[str]) -> HistoryFile:
    """Rewrite a history file without some entries of a log, and return it."""
    entries = history_file.entries()
    kept = [entry for entry in entries if entry.log != log or entry.key not in keys]
    if len(kept) == len(entries):
        return history_file
    return write_history_file(history_file.path, history_file.seq, kept)


def list_newest_first(log: str, recent: Sequence[LogEntry], history_files: Sequence[HistoryFile]) -> list[LogEntry]:
    """Return all entries of a log without their bodies, newest first; the last one of each key."""
    latest: dict[str, LogEntry] = {}
    for entries in (*(history_file.entries() for history_file in history_files if log in history_file.newest), recent):
        for entry in entries:
            if entry.log == log:
                # Of several entries with one key the last one appended counts.
                latest.pop(entry.key, None)
                latest[entry.key] = evolve(entry, text="")
    matches = list(reversed(latest.values()))
    matches.sort(key=lambda entry: entry.at, reverse=True)
    return matches


def find_entries(
    log: str, query: LogQuery, recent: Sequence[LogEntry], history_files: Sequence[HistoryFile]
) -> list[LogEntry]:
    """Return the entries that match a query, newest first.

    Files are read whole, from the newest to the oldest, so a replaced entry is met after its replacement. Reading ends
    when no older file can contain anything newer than the matches.
    """
    matches: list[tuple[datetime, int, LogEntry]] = []
    seen: set[str] = set()
    order = 0
    older = list(history_files)
    entries: Sequence[LogEntry] = recent
    while True:
        for entry in reversed(entries):
            if entry.log != log or entry.key in seen:
                continue
            seen.add(entry.key)
            order -= 1
            if query.matches(entry.key, entry.job, entry.state, entry.at):
                matches.append((entry.at, order, entry))
        matches = heapq.nlargest(query.limit, matches, key=lambda item: item[:2])
        if not older or query.key in seen or _is_complete(log, query, matches, older):
            return [entry for _, _, entry in matches]
        entries = older.pop().entries()


def _is_complete(
    log: str, query: LogQuery, matches: Sequence[tuple[datetime, int, LogEntry]], older: Iterable[HistoryFile]
) -> bool:
    newest = max((history_file.newest[log] for history_file in older if log in history_file.newest), default=None)
    if newest is None or (query.since is not None and newest < query.since):
        return True
    return len(matches) >= query.limit and (not matches or matches[-1][0] >= newest)
