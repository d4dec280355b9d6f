"""The history files: log entries that have left the journal, read only by queries, rewritten to remove entries."""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from attrs import evolve, frozen

from rae_auto.api.store import LogQuery, RetentionRule
from rae_auto.errors import StoreDamaged
from rae_auto.toolkit.files import atomic_file
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
class EntryGroup:
    """The number of entries of one log, job and state, and their outermost instants."""

    count: int
    oldest: datetime
    newest: datetime
    newest_end: datetime | None

    def add(self, other: "EntryGroup") -> "EntryGroup":
        """Return the two groups together."""
        ends = [end for end in (self.newest_end, other.newest_end) if end is not None]
        return EntryGroup(
            self.count + other.count,
            min(self.oldest, other.oldest),
            max(self.newest, other.newest),
            max(ends, default=None),
        )


GroupName = tuple[str, str, str]
"""The log, job and state of entries."""


def group_entries(entries: Iterable[LogEntry]) -> dict[GroupName, EntryGroup]:
    """Return the groups of some entries."""
    groups: dict[GroupName, EntryGroup] = {}
    for entry in entries:
        name, one = (entry.log, entry.job, entry.state), EntryGroup(1, entry.at, entry.at, entry.ended_at)
        groups[name] = one if name not in groups else groups[name].add(one)
    return groups


@frozen
class HistoryFile:
    """A history file, the number of its last commit, its length, and the groups of its entries."""

    path: Path
    seq: int
    count: int
    groups: dict[GroupName, EntryGroup]

    def newest(self, log: str, *, by_end: bool = False) -> datetime | None:
        """Return the newest instant, or the newest end, of the entries of a log; None if there are none."""
        groups = [group for (of, _, _), group in self.groups.items() if of == log]
        instants = [group.newest_end if by_end else group.newest for group in groups]
        return max((instant for instant in instants if instant is not None), default=None)

    def entries(self) -> list[LogEntry]:
        """Return its entries in the order in which they were appended, without damaged ones."""
        with open_history_file(self.path) as file:
            return list(read_entries(self.path, file))


def write_history_file(path: Path, seq: int, entries: Iterable[LogEntry]) -> HistoryFile:
    """Write entries to a new history file, and return it. `seq` is the number of their last commit."""
    written = list(entries)
    groups = group_entries(written)
    described = [[*name, *_encode_group(group)] for name, group in groups.items()]
    header = {"format": FORMAT_VERSION, "seq": seq, "entries": len(written), "groups": described}
    with atomic_file(path) as file:
        file.write(add_checksum(header))
        for entry in written:
            file.write(add_checksum(encode_entry(entry)))
    return HistoryFile(path, seq, len(written), groups)


def _encode_group(group: EntryGroup) -> list[Any]:
    end = None if group.newest_end is None else group.newest_end.isoformat()
    return [group.count, group.oldest.isoformat(), group.newest.isoformat(), end]


def _decode_group(count: int, oldest: str, newest: str, end: str | None) -> EntryGroup:
    newest_end = None if end is None else datetime.fromisoformat(end)
    return EntryGroup(count, datetime.fromisoformat(oldest), datetime.fromisoformat(newest), newest_end)


def read_history_file(path: Path) -> HistoryFile | None:
    """Return a history file by its first line, or None if that is damaged."""
    _, header = next(read_lines(path), (0, None))
    check_format(path, header)
    if header is None or "groups" not in header:
        return None
    groups = {(log, job, state): _decode_group(*group) for log, job, state, *group in header["groups"]}
    return HistoryFile(path, header["seq"], header["entries"], groups)


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
    return map(decode_entry, _read_appends(path, file))


def _read_appends(path: Path, file: BinaryIO) -> Iterator[dict[str, Any]]:
    try:
        for _, line in iter_lines(file):
            if line is not None and "append" in line:
                yield line
    except OSError as error:
        raise StoreDamaged(f"{path} can't be read ({error.strerror}); restore a backup of it") from error


def may_expire(log: str, rule: RetentionRule, recent: Iterable[LogEntry], history_files: Iterable[HistoryFile]) -> bool:
    """Return whether a rule may expire entries of a log, judged without reading them."""
    counts: Counter[str] = Counter()
    for groups in (group_entries(recent), *(history_file.groups for history_file in history_files)):
        for (of, job, state), group in groups.items():
            if of != log or rule.job not in (None, job) or (rule.states and state not in rule.states):
                continue
            counts[job] += group.count
            if group.oldest < rule.since or counts[job] > rule.newest:
                return True
    return False


def remove_entries(history_file: HistoryFile, log: str, keys: Set[str]) -> HistoryFile:
    """Rewrite a history file without some entries of a log, and return it."""
    if history_file.newest(log) is None:
        return history_file
    entries = history_file.entries()
    kept = [entry for entry in entries if entry.log != log or entry.key not in keys]
    if len(kept) == len(entries):
        return history_file
    return write_history_file(history_file.path, history_file.seq, kept)


def list_newest_first(log: str, recent: Sequence[LogEntry], history_files: Sequence[HistoryFile]) -> list[LogEntry]:
    """Return all entries of a log without their bodies, newest first; the last one of each key."""
    latest: dict[str, LogEntry] = {}
    files = [history_file for history_file in history_files if history_file.newest(log) is not None]
    for entries in (*(history_file.entries() for history_file in files), recent):
        for entry in entries:
            if entry.log == log:
                # Of several entries with one key the last one appended counts.
                latest.pop(entry.key, None)
                latest[entry.key] = evolve(entry, text="")
    matches = list(reversed(latest.values()))
    matches.sort(key=lambda entry: entry.at, reverse=True)
    return matches


def find_keys(
    log: str, keys: Collection[str], recent: Iterable[LogEntry], history_files: Iterable[HistoryFile]
) -> set[str]:
    """Return those of some keys that entries of a log have. Nothing else of the files is kept in memory."""
    wanted = {(log, key) for key in keys}
    found = {(entry.log, entry.key) for entry in recent} & wanted
    for history_file in history_files:
        if found == wanted:
            break
        if history_file.newest(log) is not None:
            with open_history_file(history_file.path) as file:
                found.update(
                    wanted.intersection(tuple(line["append"]) for line in _read_appends(history_file.path, file))
                )
    return {key for _, key in found}


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
            at = entry.ended_at if query.by_end else entry.at
            if at is not None and query.matches(entry.key, entry.job, entry.state, at):
                matches.append((at, order, entry))
        matches = heapq.nlargest(query.limit, matches, key=lambda item: item[:2])
        if not older or query.key in seen or _is_complete(log, query, matches, older):
            return [entry for _, _, entry in matches]
        entries = older.pop().entries()


def _is_complete(
    log: str, query: LogQuery, matches: Sequence[tuple[datetime, int, LogEntry]], older: Iterable[HistoryFile]
) -> bool:
    instants = (history_file.newest(log, by_end=query.by_end) for history_file in older)
    newest = max((instant for instant in instants if instant is not None), default=None)
    if newest is None or (query.since is not None and newest < query.since):
        return True
    return len(matches) >= query.limit and (not matches or matches[-1][0] >= newest)
