"""The contract of stores: a transactional map of documents, and ordered logs."""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.api.plugin import Plugin

Document = Mapping[str, Any]
"""A JSON object."""


@frozen
class Put:
    """The document `key` of `kind` is now `body`."""

    kind: str
    key: str
    body: Document


@frozen
class Delete:
    """There is no document `key` of `kind` any more. Deleting what isn't there is no error."""

    kind: str
    key: str


@frozen
class Append:
    """An entry at the end of a log; `key` is unique in it (a second one of the same key replaces the first)."""

    log: str
    key: str
    job: str
    state: str
    at: datetime
    body: Document


Change = Put | Delete | Append


@frozen(kw_only=True)
class LogQuery:
    """Which entries of a log are wanted; None asks for all. `since` and `until` bound `at` (both inclusive)."""

    job: str | None = None
    states: tuple[str, ...] = ()
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100

    def takes(self, key: str, job: str, state: str, at: datetime) -> bool:
        """Whether an entry with these is wanted."""
        return (
            (self.key is None or key == self.key)
            and (self.job is None or job == self.job)
            and (not self.states or state in self.states)
            and (self.since is None or at >= self.since)
            and (self.until is None or at <= self.until)
        )


class Store(Plugin):
    """Keeps documents and logs. Calls come from one thread at a time, and may block on the disk."""

    @abstractmethod
    def open(self, directory: Path) -> Sequence[str]:
        """Take the exclusive lock, then read. Returns what had to be repaired, a line each.

        Errors: StoreLocked (with the holder's pid), StoreDamaged (nothing was touched), StoreError.
        """

    @abstractmethod
    def load(self, kind: str) -> Iterable[tuple[str, Document]]:
        """All documents of a kind, by key."""

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable, or none (StoreError). When it returns they survive a power cut."""

    @abstractmethod
    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Entries of a log, newest `at` first, and the later appended first among equals."""

    @abstractmethod
    def backup(self, target: Path) -> None:
        """Write a consistent copy of everything to the new file `target` (0600) while the store is in use."""

    @abstractmethod
    def close(self) -> None:
        """Leave nothing half done and let the lock go. Closing twice is no error."""
