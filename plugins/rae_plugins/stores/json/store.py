"""The JSON store: contents in memory, files behind them. Its format is in the package's docstring."""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, TypeVar, cast

from attrs import define, evolve, field

from rae_auto.api.store import (
    Append,
    Change,
    CountQuery,
    Document,
    EntryCount,
    LogQuery,
    Put,
    RetentionRule,
    Setback,
    Store,
    StoreReader,
    count_steps,
)
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.model.primitives.formatting import format_count
from rae_auto.toolkit.files import DirectoryLock, is_locked, remove_set_aside, write_atomically
from rae_auto.toolkit.mounts import network_type
from rae_plugins.stores.commit_line import CommitLine, CommitMark, read_mark
from rae_plugins.stores.json.checksummed_lines import copy_damaged_file
from rae_plugins.stores.json.contents import LogEntry, StoreContents, encode, encode_prune
from rae_plugins.stores.json.history import (
    HistoryFile,
    count_lost_entries,
    find_entries,
    find_keys,
    list_newest_first,
    may_expire,
    open_history_file,
    read_entries,
    read_history_file,
    remove_entries,
    salvage_history_file,
    write_history_file,
)
from rae_plugins.stores.json.journal import Journal, make_header
from rae_plugins.stores.json.recovery import JOURNAL, RecoveredState, encode_snapshot, list_numbered_files, recover

T = TypeVar("T")

MARK = "journal.commits"
"""The mark beside the journal, see `commit_line`."""

MAX_READ_ATTEMPTS = 5
"""Number of times that a store in use is read, if a file vanishes meanwhile."""

MAX_SNAPSHOTS = 3
MIN_COMPACTION_BYTES = 1 << 20
"""A smaller journal is never compacted."""


def should_compact(journal: int, snapshot: int) -> bool:
    """Return whether a journal is too large in proportion to its snapshot; both sizes in bytes."""
    return journal > max(MIN_COMPACTION_BYTES, 2 * snapshot)


@define(eq=False)
class JsonStore(Store):
    """Keeps the state in a journal, snapshots and history files in the state directory."""

    type: ClassVar[str] = "json"

    _directory: Path = field(init=False, default=Path())
    _lock: DirectoryLock | None = field(init=False, default=None)
    _journal: Journal | None = field(init=False, default=None)
    _contents: StoreContents = field(init=False, factory=StoreContents)
    _history_files: list[HistoryFile] = field(init=False, factory=list)
    _seq: int = field(init=False, default=0)
    _at: str = field(init=False, default="")
    """The time of the last commit."""
    _mark: CommitMark | None = field(init=False, default=None)
    _last: CommitLine = field(init=False, factory=CommitLine.first)
    _setback: Setback | None = field(init=False, default=None)
    _is_read_only: bool = field(init=False, default=False)
    _reading: Lock = field(init=False, factory=Lock)
    """Held while what is in memory changes, and while a read takes note of it."""
    _snapshot_size: int = field(init=False, default=0)

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock, read the state, and repair damage; return messages about problems."""
        self._directory = directory
        self._lock = DirectoryLock(directory)
        try:
            return self._open()
        except OSError as error:
            self.close()
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{directory}: can't be read or repaired ({error.strerror})") from error
        except BaseException:
            self.close()
            raise

    def open_read_only(self, directory: Path) -> Sequence[str]:
        """Read the state without the lock, and repair nothing; return messages about damage."""
        self._directory, is_in_use = directory, is_locked(directory)
        try:
            for attempt in count(1):
                try:
                    _, problems = self._read(read_mark(directory / MARK))
                    break
                except FileNotFoundError:
                    # A daemon that compacts has removed a file that was still listed a moment ago.
                    if not is_in_use or attempt == MAX_READ_ATTEMPTS:
                        raise
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{directory}: can't be read ({error.strerror})") from error
        self._is_read_only = True
        # While a daemon writes, the last line may not be complete yet, and the mark is read before the journal.
        return [] if is_in_use else [f"{problem}; the next start of the daemon repairs it" for problem in problems]

    def _read(self, last: CommitLine | None) -> tuple[RecoveredState, list[str]]:
        """Read the state into memory; return it with all problems. Nothing is written."""
        recovered = recover(self._directory, 0 if last is None else last.number)
        self._contents, self._seq, self._at = recovered.contents, recovered.seq, recovered.at
        problems = recovered.problems + self._read_history(recovered)
        # Journals that were read again, because a snapshot is gone, repeat what is in history files.
        newer = [history_file for history_file in self._history_files if history_file.seq > recovered.base]
        self._contents.drop_repeated(entry for history_file in newer for entry in history_file.entries())
        return recovered, problems + self._compare(last, recovered)

    def _open(self) -> Sequence[str]:
        self._is_read_only = False
        last = read_mark(self._directory / MARK)
        recovered, problems = self._read(last)
        for leftover in self._directory.glob(".*.tmp"):
            leftover.unlink()
        self._snapshot_size = max(
            (path.stat().st_size for _, path in self._list_numbered_files("snapshot", ".json")), default=0
        )
        copies = _copy_damaged_files(recovered.damaged)
        for damaged in recovered.damaged:
            if damaged.name.startswith("history-") and (salvaged := salvage_history_file(damaged)) is not None:
                self._history_files.append(salvaged)
        self._history_files.sort(key=lambda history_file: history_file.seq)
        path = self._directory / JOURNAL
        if path.exists():
            self._journal = Journal(path, recovered.journal_size)
        if problems or self._journal is None:
            self._write_generation()
        for snapshot in recovered.damaged:
            if snapshot.name.startswith("snapshot-") and snapshot.name != f"snapshot-{self._seq}.json":
                snapshot.unlink()
        self._open_mark(last)
        return (*problems, *copies, *self._network_warnings())

    def _compare(self, last: CommitLine | None, recovered: RecoveredState) -> list[str]:
        """Compare the last commit with the mark; return a message if commits are missing."""
        self._setback = None
        if recovered.lost:
            self._setback = Setback(parse_time(recovered.lost_since), recovered.lost)
        if last is None or last.number <= self._seq:
            return []
        since = parse_time(self._at)
        self._setback = Setback(parse_time(recovered.lost_since or self._at), recovered.lost + last.number - self._seq)
        when = "everything" if since is None else f"everything written after {since.isoformat(timespec='seconds')}"
        return [f"{self._directory}: commits {self._seq + 1} to {last.number} are lost, {when}"]

    def _open_mark(self, last: CommitLine | None) -> None:
        self._mark = CommitMark(self._directory / MARK)
        if last is None:
            last = evolve(CommitLine.first(), number=self._seq)
            self._mark.create(last)
        self._mark.open()
        self._last = last

    def _network_warnings(self) -> list[str]:
        kind = network_type(self._directory)
        if kind is None:
            return []
        place = f"{self._directory} is on a network file system ({kind})"
        return [f"{place}: its lock may not stop a second daemon on another machine"]

    def _list_numbered_files(self, prefix: str, suffix: str) -> list[tuple[int, Path]]:
        return list_numbered_files(self._directory, prefix, suffix)

    def _read_history(self, recovered: RecoveredState) -> list[str]:
        """Read the headers of the history files and the checksums of their lines; return problems."""
        paths = {path.name: path for _, path in self._list_numbered_files("history", ".jsonl")}
        self._history_files, problems = [], []
        for name in sorted({*recovered.history, *paths}):
            path = paths.get(name)
            history_file = None if path is None else read_history_file(path)
            if path is None:
                problems.append(f"{self._directory / name} is missing; its log entries are lost")
            elif history_file is None or any(known.seq == history_file.seq for known in self._history_files):
                problems.append(f"{path} is damaged; what is good in it is kept")
                recovered.damaged.append(path)
            elif lost := count_lost_entries(history_file):
                number = format_count(lost, "log entry", "log entries")
                problems.append(f"{path} is damaged; it has lost {number}")
                recovered.damaged.append(path)
            else:
                self._history_files.append(history_file)
        self._history_files.sort(key=lambda history_file: history_file.seq)
        return problems

    @property
    def _open_journal(self) -> Journal:
        if self._journal is None:
            raise StoreError(f"the store in {self._directory} is not open")
        return self._journal

    @property
    def setback(self) -> Setback | None:
        """The commits that were lost when the store was opened; None if there are none."""
        return self._setback

    def _check_open(self) -> None:
        if not self._is_read_only:
            _ = self._open_journal

    def load(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Yield all documents of a kind by key."""
        self._check_open()
        with self._reading:
            found = list(self._contents.documents.get(kind, {}).items())
        for key, text in sorted(found):
            yield key, json.loads(text)

    def make_reader(self) -> StoreReader:
        """Return the store itself: it can be read in a second thread."""
        return self

    def commit(self, changes: Sequence[Change]) -> None:
        """Write all changes as one synced line of the journal. Errors: StoreError."""
        self._compact_if_needed()
        if changes:
            self._append_commit([encode(change) for change in changes])

    def scrub(self) -> None:
        """Write new files without the pruned entries, and remove all older and all damaged ones."""
        _ = self._open_journal
        self._compact(max_snapshots=1)
        remove_set_aside(self._directory)

    def _compact_if_needed(self) -> None:
        """Compact if the journal is too large, or cannot be written to any more."""
        journal = self._open_journal
        if not journal.is_in_place:
            # Commits would go to a file that no longer has a name. Everything is in memory.
            journal.is_writable = False
            self._compact()
            raise StoreDamaged(
                f"{journal.path} was removed or replaced while it was in use; it was written again, no commit is lost"
            )
        if not journal.is_writable or should_compact(journal.size, self._snapshot_size):
            self._compact()

    def _compact(self, max_snapshots: int = MAX_SNAPSHOTS) -> None:
        try:
            self._write_generation(max_snapshots)
        except OSError as error:
            raise StoreError(f"{self._directory}: can't be written ({error.strerror})") from error

    def _append_commit(self, encoded: Sequence[dict[str, Any]]) -> None:
        if self._last.number > self._seq:
            # After a step back: a number is not used twice, and a new generation shows no gap.
            self._seq = self._last.number
            self._compact()
        line = self._last.next(self._seq)
        at = line.at.isoformat()
        self._open_journal.add(line.number, at, encoded)
        self._seq, self._at, self._last = line.number, at, line
        with self._reading:
            self._contents.apply(encoded)
        assert self._mark is not None
        try:
            self._mark.write(line)
        except OSError as error:
            raise StoreError(f"{self._mark.path}: can't be written ({error.strerror})") from error

    def _write_generation(self, max_snapshots: int = MAX_SNAPSHOTS) -> None:
        """Write history, journal and snapshot of all commits, and start an empty journal."""
        if self._contents.entries:
            path = self._directory / f"history-{self._seq}.jsonl"
            history_file = write_history_file(path, self._seq, self._contents.entries.values())
            with self._reading:
                self._history_files = [*(known for known in self._history_files if known.path != path), history_file]
                self._contents.entries = {}
        if self._journal is not None:
            self._journal.copy_to(self._directory / f"journal-{self._seq}.jsonl")
        emptied = [history_file.path for history_file in self._history_files if not history_file.count]
        self._history_files = [history_file for history_file in self._history_files if history_file.count]
        names = [history_file.path.name for history_file in self._history_files]
        snapshot = encode_snapshot(self._seq, self._at, self._contents.documents, names)
        write_atomically(self._directory / f"snapshot-{self._seq}.json", snapshot)
        self._snapshot_size = len(snapshot)
        path, first = self._directory / JOURNAL, make_header(self._seq, self._at)
        write_atomically(path, first)
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._journal = Journal(path, len(first))
        for history_path in emptied:
            history_path.unlink()
        self._remove_old_generations(max_snapshots)

    def _remove_old_generations(self, max_snapshots: int) -> None:
        snapshots = self._list_numbered_files("snapshot", ".json")
        if max_snapshots > 1 and len(snapshots) <= max_snapshots:
            return
        oldest, _ = snapshots[-max_snapshots]
        for seq, path in snapshots[:-max_snapshots] + self._list_numbered_files("journal", ".jsonl"):
            if seq <= oldest:
                path.unlink()

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first. Errors: StoreDamaged."""
        return [entry.body for entry in self._find(log, query)]

    def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that entries of a log have, for which all are read once. Errors: StoreDamaged."""
        return self._look_up(lambda recent, history_files: find_keys(log, keys, recent, history_files))

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return the numbers of entries. Errors: StoreDamaged."""
        return count_steps(((entry.at, entry.state) for entry in self._find(log, query.bounds())), query)

    def _find(self, log: str, query: LogQuery) -> list[LogEntry]:
        return self._look_up(lambda recent, history_files: find_entries(log, query, recent, history_files))

    def _look_up(self, find: Callable[[list[LogEntry], list[HistoryFile]], T]) -> T:
        """Return what a function finds in the entries in memory and in the history files."""
        for attempt in count(1):
            self._check_open()
            with self._reading:
                recent, history_files = list(self._contents.entries.values()), self._history_files
            try:
                return find(recent, history_files)
            except StoreDamaged:
                # In another thread, a commit may have replaced a file that was still listed a moment ago.
                if history_files is self._history_files or attempt == MAX_READ_ATTEMPTS:
                    raise
        raise AssertionError

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove all expired entries at once, because finding them takes reading all history files.

        If there are none, no file is read.
        """
        self._compact_if_needed()
        recent = list(self._contents.entries.values())
        if not may_expire(log, keep, recent, self._history_files):
            return []
        keys = [entry.key for entry in keep.expired(list_newest_first(log, recent, self._history_files))]
        try:
            # Older entries of the same keys first, or they would reappear.
            self._history_files = [
                remove_entries(history_file, log, frozenset(keys)) for history_file in self._history_files
            ]
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self._directory}: can't be written ({error.strerror})") from error
        in_journal = [key for key in keys if (log, key) in self._contents.entries]
        if in_journal:
            self._append_commit([encode_prune(log, in_journal)])
        return keys

    def dump(self) -> Iterator[Change]:
        """Yield everything, from copies of the memory and open files, which stay readable when they are replaced."""
        self._check_open()
        changes = self._dump()
        # Advance to where everything is copied or open.
        next(changes)
        return cast("Iterator[Change]", changes)

    def _dump(self) -> Iterator[Change | None]:
        documents = {kind: dict(keys) for kind, keys in self._contents.documents.items()}
        recent = list(self._contents.entries.values())
        with ExitStack() as opened:
            files = [(s.path, opened.enter_context(open_history_file(s.path))) for s in self._history_files]
            yield None
            for kind, keys in sorted(documents.items()):
                yield from (Put(kind, key, json.loads(text)) for key, text in sorted(keys.items()))
            for path, file in files:
                yield from map(_to_append, read_entries(path, file))
            yield from map(_to_append, recent)

    def close(self) -> None:
        """Close the journal and release the lock."""
        self._is_read_only = False
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._mark is not None:
            self._mark.close()
            self._mark = None
        if self._lock is not None:
            with suppress(OSError):
                self._lock.release()
            self._lock = None


def parse_time(text: str) -> datetime | None:
    """Return the time of a commit, or None if it isn't known."""
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    return None


def _to_append(entry: LogEntry) -> Append:
    return Append(entry.log, entry.key, entry.job, entry.state, entry.at, entry.body, entry.ended_at)


def _copy_damaged_files(damaged: Sequence[Path]) -> list[str]:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return [f"the damaged file was copied to {copy_damaged_file(path, moment)}" for path in damaged]
