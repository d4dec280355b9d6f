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
from rae_plugins.stores.json.checksummed_lines import FORMAT_VERSION, add_checksum, check_format, iter_lines, read_lines
from rae_plugins.stores.json.contents import LogEntry, decode_entry, encode_entry


@frozen
class HistoryFile:
    """A history file, and the newest instant of each log in it."""

    path: Path
    newest: dict[str, datetime]

    def entries(self) -> list[LogEntry]:
        """Return its entries in the order in which they were appended."""
        with open_history_file(self.path) as file:
            return list(read_entries(self.path, file))


def write_history_file(path: Path, entries: Iterable[LogEntry]) -> HistoryFile:
    """Write entries to a new history file, and return it."""
    newest: dict[str, datetime] = {}
    lines = []
    for entry in entries:
        newest[entry.log] = max(entry.at, newest.get(entry.log, entry.at))
        lines.append(add_checksum(encode_entry(entry)))
    make_header = add_checksum(
        {"format": FORMAT_VERSION, "newest": {log: at.isoformat() for log, at in newest.items()}}
    )
    write_atomically(path, make_header + b"".join(lines))
    return HistoryFile(path, newest)


def read_history_file(path: Path) -> HistoryFile | None:
    """Return a history file by its first line, or None if that is damaged."""
    _, make_header = next(read_lines(path), (0, None))
    check_format(path, make_header)
    if make_header is None:
        return None
    return HistoryFile(path, {log: datetime.fromisoformat(at) for log, at in make_header["newest"].items()})


def open_history_file(path: Path) -> BinaryIO:
    """Open a history file for reading, as it is now, even if it is replaced later."""
    try:
        return path.open("rb")
    except OSError as error:
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def read_entries(path: Path, file: BinaryIO) -> Iterator[LogEntry]:
    """Yield the entries of an open history file. Errors: StoreDamaged if a checksum is wrong."""
    try:
        for number, (_, line) in enumerate(iter_lines(file), 1):
            if line is None:
                raise StoreDamaged(
                    f"{path}, the checksum of line {number} is wrong; restore a backup, or move the file away"
                )
            if number > 1:
                yield decode_entry(line)
    except OSError as error:
        if isinstance(error, StoreDamaged):
            raise
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def remove_entries(history_file: HistoryFile, log: str, keys: Set[str]) -> HistoryFile:
    """Rewrite a history file without some entries of a log, and return it."""
    entries = history_file.entries()
    kept = [entry for entry in entries if entry.log != log or entry.key not in keys]
    return history_file if len(kept) == len(entries) else write_history_file(history_file.path, kept)


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
