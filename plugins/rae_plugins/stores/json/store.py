"""The JSON store: contents in memory, files behind them.

`journal.jsonl` holds the commits since the last snapshot. When it is large, its log entries go to
`history-N.jsonl`, its commits to `journal-N.jsonl`, the documents to `snapshot-N.json` (N: number of the last
commit), in this order, and then an empty journal replaces it. Cut off anywhere, the old journal still holds all.
The last three snapshots stay, and the journals between them: a bad snapshot costs nothing.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, cast

from attrs import define, field

from rae_auto.api.store import Append, Change, Document, LogQuery, Put, RetentionRule, Store
from rae_auto.errors import StoreError
from rae_auto.toolkit.files import DirectoryLock, write_whole
from rae_auto.toolkit.mounts import network_type
from rae_plugins.stores.json.changes import Contents, Entry, encode, encode_prune
from rae_plugins.stores.json.history import (
    Segment,
    find,
    newest_first,
    open_segment,
    read_entries,
    read_segment,
    without,
    write_segment,
)
from rae_plugins.stores.json.journal import Journal, header
from rae_plugins.stores.json.recovery import JOURNAL, numbered, recover, snapshot_bytes
from rae_plugins.stores.json.sealed import set_aside

GENERATIONS = 3
"""Snapshots that are kept."""

LARGE = 1 << 20
"""Bytes up to which a journal isn't worth a new snapshot."""


def must_compact(journal: int, snapshot: int) -> bool:
    """Whether a journal of so many bytes is too large beside such a snapshot."""
    return journal > max(LARGE, 2 * snapshot)


@define(eq=False)
class JsonStore(Store):
    """A journal, snapshots and history files in the state directory."""

    type: ClassVar[str] = "json"

    _directory: Path = field(init=False, default=Path())
    _lock: DirectoryLock | None = field(init=False, default=None)
    _journal: Journal | None = field(init=False, default=None)
    _contents: Contents = field(init=False, factory=Contents)
    _segments: list[Segment] = field(init=False, factory=list)
    _seq: int = field(init=False, default=0)
    _snapshot_size: int = field(init=False, default=0)

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock, read the newest good generation, then repair what is damaged and tell it."""
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

    def _open(self) -> Sequence[str]:
        recovered = recover(self._directory)
        self._contents, self._seq = recovered.contents, recovered.seq
        problems = recovered.problems + self._read_history(recovered.history)
        for leftover in self._directory.glob(".*.tmp"):
            leftover.unlink()
        self._snapshot_size = max((path.stat().st_size for _, path in self._numbered("snapshot", ".json")), default=0)
        kept = _set_aside(recovered.damaged)
        path = self._directory / JOURNAL
        if path.exists():
            self._journal = Journal(path, recovered.journal_size)
        if problems or self._journal is None:
            self._start_generation()
        for snapshot in recovered.damaged:
            if snapshot != path and snapshot.name != f"snapshot-{self._seq}.json":
                snapshot.unlink()
        return (*problems, *kept, *self._doubts())

    def _doubts(self) -> list[str]:
        kind = network_type(self._directory)
        if kind is None:
            return []
        what = f"{self._directory} is on a network file system ({kind})"
        return [f"{what}: its lock may not keep a daemon on another machine out"]

    def _numbered(self, prefix: str, suffix: str) -> list[tuple[int, Path]]:
        return numbered(self._directory, prefix, suffix)

    def _read_history(self, expected: Sequence[str]) -> list[str]:
        found = {path.name: read_segment(path) for _, path in self._numbered("history", ".jsonl")}
        self._segments = [segment for segment in found.values() if segment is not None]
        return [
            f"{self._directory / name} is {'damaged' if name in found else 'gone'}; the log entries in it are missing"
            for name in sorted({*expected, *found})
            if found.get(name) is None
        ]

    @property
    def _opened(self) -> Journal:
        if self._journal is None:
            raise StoreError(f"the store in {self._directory} isn't open")
        return self._journal

    def load(self, kind: str) -> Iterator[tuple[str, Document]]:
        """All documents of a kind, by key."""
        _ = self._opened
        for key, text in sorted(self._contents.documents.get(kind, {}).items()):
            yield key, json.loads(text)

    def commit(self, changes: Sequence[Change]) -> None:
        """All changes as one line of the journal, synced."""
        self._make_room()
        if changes:
            self._add([encode(change) for change in changes])

    def scrub(self) -> None:
        """Start a generation, in which nothing is that was pruned, and keep none of those before it."""
        _ = self._opened
        self._compact(kept=1)

    def _make_room(self) -> None:
        """Compact where the journal is too large, or can't be added to."""
        journal = self._opened
        if not journal.is_sound or must_compact(journal.size, self._snapshot_size):
            self._compact()

    def _compact(self, kept: int = GENERATIONS) -> None:
        try:
            self._start_generation(kept)
        except OSError as error:
            raise StoreError(f"{self._directory}: can't be written ({error.strerror})") from error

    def _add(self, encoded: Sequence[dict[str, Any]]) -> None:
        self._opened.add(self._seq + 1, encoded)
        self._seq += 1
        self._contents.apply(encoded)

    def _start_generation(self, kept: int = GENERATIONS) -> None:
        """Write history, journal and snapshot of all that is committed, and begin an empty journal."""
        if self._contents.entries:
            path = self._directory / f"history-{self._seq}.jsonl"
            segment = write_segment(path, self._contents.entries.values())
            self._segments = [*(known for known in self._segments if known.path != path), segment]
            self._contents.entries = {}
        if self._journal is not None:
            self._journal.copy_to(self._directory / f"journal-{self._seq}.jsonl")
        emptied = [segment.path for segment in self._segments if not segment.newest]
        self._segments = [segment for segment in self._segments if segment.newest]
        snapshot = snapshot_bytes(
            self._seq, self._contents.documents, (segment.path.name for segment in self._segments)
        )
        write_whole(self._directory / f"snapshot-{self._seq}.json", snapshot)
        self._snapshot_size = len(snapshot)
        path, first = self._directory / JOURNAL, header(self._seq)
        write_whole(path, first)
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        self._journal = Journal(path, len(first))
        for segment_path in emptied:
            segment_path.unlink()
        self._remove_old(kept)

    def _remove_old(self, kept: int) -> None:
        snapshots = self._numbered("snapshot", ".json")
        if kept > 1 and len(snapshots) <= kept:
            return
        oldest, _ = snapshots[-kept]
        for seq, path in snapshots[:-kept] + self._numbered("journal", ".jsonl"):
            if seq <= oldest:
                path.unlink()

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Entries of a log, newest first."""
        _ = self._opened
        return [entry.body for entry in find(log, query, list(self._contents.entries.values()), self._segments)]

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove all that need not stay, since all history files have to be read to find it."""
        self._make_room()
        recent = list(self._contents.entries.values())
        keys = [entry.key for entry in keep.expired(newest_first(log, recent, self._segments))]
        try:
            # Older entries of the same keys first, lest they come to light again.
            self._segments = [without(segment, log, frozenset(keys)) for segment in self._segments]
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{self._directory}: can't be written ({error.strerror})") from error
        in_journal = [key for key in keys if (log, key) in self._contents.entries]
        if in_journal:
            self._add([encode_prune(log, in_journal)])
        return keys

    def dump(self) -> Iterator[Change]:
        """Everything, from copies of what is in memory and files that stay readable when they are replaced."""
        _ = self._opened
        changes = self._dump()
        # Up to where it has got hold of all of it.
        next(changes)
        return cast("Iterator[Change]", changes)

    def _dump(self) -> Iterator[Change | None]:
        documents = {kind: dict(keys) for kind, keys in self._contents.documents.items()}
        recent = list(self._contents.entries.values())
        with ExitStack() as opened:
            files = [(s.path, opened.enter_context(open_segment(s.path))) for s in self._segments]
            yield None
            for kind, keys in sorted(documents.items()):
                yield from (Put(kind, key, json.loads(text)) for key, text in sorted(keys.items()))
            for path, file in files:
                yield from map(_appended, read_entries(path, file))
            yield from map(_appended, recent)

    def close(self) -> None:
        """Close the journal and let the lock go."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self._lock is not None:
            with suppress(OSError):
                self._lock.release()
            self._lock = None


def _appended(entry: Entry) -> Append:
    return Append(entry.log, entry.key, entry.job, entry.state, entry.at, entry.body)


def _set_aside(damaged: Sequence[Path]) -> list[str]:
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return [f"the damaged file is kept as {set_aside(path, moment)}" for path in damaged]
