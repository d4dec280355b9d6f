"""A store for tests, that forgets everything with its object."""

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import ClassVar

from attrs import define, evolve, field

from rae_auto.api.store import Append, Change, Delete, Document, LogQuery, Put, RetentionRule, Store
from rae_auto.errors import StoreError
from rae_auto.toolkit.files import DirectoryLock


@define(eq=False)
class MemoryStore(Store):
    """Keeps documents and logs in memory, also over closing and opening; only its lock is a file."""

    type: ClassVar[str] = "memory"

    _documents: dict[tuple[str, str], str] = field(init=False, factory=dict)
    _entries: dict[tuple[str, str], Append] = field(init=False, factory=dict)
    _lock: DirectoryLock | None = field(init=False, default=None)

    def open(self, directory: Path) -> Sequence[str]:
        """Take the lock; there is nothing to read."""
        self._lock = DirectoryLock(directory)
        return ()

    def _check_open(self) -> None:
        if self._lock is None:
            raise StoreError("the store isn't open")

    def load(self, kind: str) -> Iterator[tuple[str, Document]]:
        """All documents of a kind, by key."""
        self._check_open()
        for (of, key), text in sorted(self._documents.items()):
            if of == kind:
                yield key, json.loads(text)

    def commit(self, changes: Sequence[Change]) -> None:
        """All changes, or none where one can't be written as JSON."""
        self._check_open()
        documents, entries = dict(self._documents), dict(self._entries)
        for change in changes:
            match change:
                case Put(kind, key, body):
                    documents[kind, key] = _packed(body)
                case Delete(kind, key):
                    documents.pop((kind, key), None)
                case Append(log, key):
                    # The later of one key is also the later appended.
                    entries.pop((log, key), None)
                    entries[log, key] = evolve(change, body=json.loads(_packed(change.body)))
        self._documents, self._entries = documents, entries

    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Entries of a log, newest first."""
        wanted = [e for e in self._newest_first(log) if query.matches(e.key, e.job, e.state, e.at)]
        return [entry.body for entry in wanted[: query.limit]]

    def _newest_first(self, log: str) -> list[Append]:
        self._check_open()
        entries = [entry for entry in reversed(self._entries.values()) if entry.log == log]
        return sorted(entries, key=lambda entry: entry.at, reverse=True)

    def prune(self, log: str, keep: RetentionRule) -> list[str]:
        """Remove all that need not stay."""
        keys = [entry.key for entry in keep.expired(self._newest_first(log))]
        removed = {(log, key) for key in keys}
        self._entries = {place: entry for place, entry in self._entries.items() if place not in removed}
        return keys

    def dump(self) -> Iterator[Change]:
        """Everything; commits put new tables in the place of these."""
        self._check_open()
        documents, entries = self._documents, self._entries
        puts = (Put(kind, key, json.loads(text)) for (kind, key), text in sorted(documents.items()))
        return chain(puts, entries.values())

    def close(self) -> None:
        """Let the lock go."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _packed(body: Document) -> str:
    try:
        return json.dumps(body)
    except (TypeError, ValueError) as error:
        raise StoreError(f"a document isn't JSON ({error})") from error
