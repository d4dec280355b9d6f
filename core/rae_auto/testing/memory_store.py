"""A store for tests, that forgets everything with its object."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from attrs import define, evolve, field

from rae_auto.api.files import DirectoryLock, open_private
from rae_auto.api.store import Append, Change, Delete, Document, LogQuery, Put, Store
from rae_auto.errors import StoreError


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
        self._check_open()
        wanted = [
            e for e in reversed(self._entries.values()) if e.log == log and query.takes(e.key, e.job, e.state, e.at)
        ]
        return [entry.body for entry in sorted(wanted, key=lambda entry: entry.at, reverse=True)[: query.limit]]

    def backup(self, target: Path) -> None:
        """The documents as one JSON object."""
        self._check_open()

        try:
            descriptor = open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        except OSError as error:
            raise StoreError(f"{target}: can't be written ({error.strerror})") from error
        with os.fdopen(descriptor, "w") as file:
            json.dump({"/".join(place): json.loads(text) for place, text in self._documents.items()}, file)

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
