"""A store for tests that keeps everything in memory."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

from attrs import define, evolve, field

from rae_auto.api.store import (
    Append,
    Change,
    CountQuery,
    Delete,
    Document,
    EntryCount,
    LogQuery,
    Put,
    RetentionRule,
    Store,
    StoreReader,
    count_steps,
)
from rae_auto.errors import StoreError
from rae_auto.toolkit.files import DirectoryLock


@define(eq=False)
class MemoryStore(Store):
    """A store in memory, whose content survives closing and opening; only its lock is a file."""

    type: ClassVar[str] = "memory"

    _documents: dict[tuple[str, str], str] = field(init=False, factory=dict)
    _entries: dict[tuple[str, str], Append] = field(init=False, factory=dict)
    _lock: DirectoryLock | None = field(init=False, default=None)

    def open(self, directory: Path) -> Sequence[str]:
        """Acquire the lock."""
        self._lock = DirectoryLock(directory)
        return ()

    def _check_open(self) -> None:
        if self._lock is None:
            raise StoreError("the store is not open; call open() first")

    def load(self, kind: str) -> Iterator[tuple[str, Document]]:
        """Yield the documents of a kind, ordered by key."""
        self._check_open()
        for (of, key), text in sorted(self._documents.items()):
            if of == kind:
                yield key, json.loads(text)

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return the numbers of entries."""
        self._check_open()
        bounds = query.bounds()
        found = [entry for (of, _), entry in self._entries.items() if of == log]
        matching = [one for one in found if bounds.matches(one.key, one.job, str(one.state), one.at)]
        return count_steps(((entry.at, str(entry.state)) for entry in matching), query)

    def make_reader(self) -> StoreReader:
        """Return the store itself: a commit replaces the tables, and a read keeps those that it began with."""
        return self

    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes, or none if one is not JSON."""
        self._check_open()
        documents, entries = dict(self._documents), dict(self._entries)
        for change in changes:
            match change:
                case Put(kind, key, body):
                    documents[kind, key] = _to_json(body)
                case Delete(kind, key):
                    documents.pop((kind, key), None)
                case Append(log, key):
                    # An entry that replaces another counts as appended now.
                    entries.pop((log, key), None)
                    entries[log, key] = evolve(change, body=json.loads(_to_json(change.body)))
        self._documents, self._entries = documents, entries

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first."""
        self._check_open()
        matches = [
            (instant, entry)
            for entry in reversed(self._entries.values())
            if entry.log == log and (instant := entry.ended_at if query.by_end else entry.at) is not None
            if query.matches(entry.key, entry.job, entry.state, instant)
        ]
        matches.sort(key=lambda match: match[0], reverse=True)
        return [entry.body for _, entry in matches[: query.limit]]

    def _newest_first(self, log: str) -> list[Append]:
        self._check_open()
        entries = [entry for entry in reversed(self._entries.values()) if entry.log == log]
        return sorted(entries, key=lambda entry: entry.at, reverse=True)

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove all expired entries and return their keys."""
        keys = [entry.key for entry in keep.expired(self._newest_first(log))]
        removed = {(log, key) for key in keys}
        self._entries = {key: entry for key, entry in self._entries.items() if key not in removed}
        return keys

    def dump(self) -> Iterator[Change]:
        """Return all content; later commits replace these tables and do not change them."""
        self._check_open()
        documents, entries = self._documents, self._entries
        puts = (Put(kind, key, json.loads(text)) for (kind, key), text in sorted(documents.items()))
        return chain(puts, entries.values())

    def close(self) -> None:
        """Release the lock."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _to_json(body: Document) -> str:
    try:
        return json.dumps(body)
    except (TypeError, ValueError) as error:
        raise StoreError(f"document is not JSON ({error})") from error
