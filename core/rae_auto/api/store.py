"""The contract of stores: a transactional map of documents, and ordered logs."""

import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import field, frozen

from rae_auto.api.plugin import Plugin

T = TypeVar("T")

Document = Mapping[str, Any]
"""A JSON object."""


@frozen
class CorruptDocument:
    """Stands in for a document that isn't what was written: the reason, and what is there instead."""

    problem: str
    text: str


PackedDocument = Document | bytes | CorruptDocument
"""A document, or in its place its JSON in UTF-8, or what is damaged."""


@frozen
class Setback:
    """A step back in time: commits that were acknowledged are not in the store any more.

    `since` is the time of the last commit that is left, `commits` the number of lost ones; None where not known.
    """

    since: datetime | None
    commits: int | None


@frozen
class Put:
    """The document `key` of `kind` is now `body`."""

    kind: str
    key: str
    body: Document


@frozen
class Delete:
    """There is no document `key` of `kind` any more. Deleting what isn't there does nothing."""

    kind: str
    key: str


@frozen
class Append:
    """An entry at the end of a log; `key` is unique in it (a second one of the same key replaces the first).

    `at` is the instant that orders the log. `ended_at` is the end of something that took its time.
    """

    log: str
    key: str
    job: str
    state: str
    at: datetime
    body: Document
    ended_at: datetime | None = None


Change = Put | Delete | Append


@frozen(kw_only=True)
class LogQuery:
    """Which entries of a log are wanted; None asks for all. `since` and `until` bound `at` (both inclusive).

    With `by_end`, these bounds and the order are about `ended_at` instead, and entries without it don't match.
    """

    job: str | None = None
    states: tuple[str, ...] = ()
    key: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100
    by_end: bool = False

    def matches(self, key: str, job: str, state: str, at: datetime) -> bool:
        """Return whether an entry matches the query; `at` is its `ended_at` if the query is `by_end`."""
        return (
            (self.key is None or key == self.key)
            and (self.job is None or job == self.job)
            and (not self.states or state in self.states)
            and (self.since is None or at >= self.since)
            and (self.until is None or at <= self.until)
        )


def _to_utc(instant: datetime | None) -> datetime | None:
    return None if instant is None else instant.astimezone(UTC)


@frozen(kw_only=True)
class CountQuery:
    """Which entries of a log are counted: those of a job or of all, from `since` on, until before `until`.

    With a `step`, whole minutes long, they are counted step by step; the first begins at `since`, which then must be
    given.
    """

    job: str | None = None
    # Steps of equal length are steps of UTC: by the clock of a zone they would jump with it.
    since: datetime | None = field(default=None, converter=_to_utc)
    until: datetime | None = field(default=None, converter=_to_utc)
    step: timedelta | None = None

    @property
    def number_of_steps(self) -> int:
        """The number of steps of a query with `since`, `until` and `step`; the last one may be shorter."""
        assert self.since is not None and self.until is not None and self.step is not None
        return -((self.since - self.until) // self.step)

    def bounds(self) -> LogQuery:
        """Return the query for all entries that may be counted: `until` is part of it."""
        return LogQuery(job=self.job, since=self.since, until=self.until, limit=sys.maxsize)


@frozen
class EntryCount:
    """The number of entries in one state, in the step that begins at `start`; None where there are no steps."""

    start: datetime | None
    state: str
    count: int


@frozen
class EntryHead:
    """Which job and instant an entry is about, and its state, without its document."""

    job: str
    state: str
    at: datetime


class Logged(Protocol):
    """Metadata of a log entry."""

    @property
    def job(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def at(self) -> datetime: ...


L = TypeVar("L", bound=Logged)


@frozen(kw_only=True)
class RetentionRule:
    """Which entries of a log stay, of those in one of `states` (none named: of all).

    Those since `since`, and of these no more than the `newest` ones of each job. Entries in other states stay, and
    those of other jobs than `job`, if one is given.
    """

    job: str | None = None
    states: tuple[str, ...] = ()
    since: datetime
    newest: int

    def expired(self, entries: Iterable[L]) -> list[L]:
        """Return the entries that the rule doesn't retain; `entries` are in the order of `Store.query`."""
        kept: Counter[str] = Counter()
        found = []
        for entry in entries:
            if (self.states and entry.state not in self.states) or self.job not in (None, entry.job):
                continue
            if entry.at >= self.since and kept[entry.job] < self.newest:
                kept[entry.job] += 1
            else:
                found.append(entry)
        return found


class StoreReader(ABC):
    """Something that documents and logs can be read from: a store itself, or its reader."""

    @abstractmethod
    def load(self, kind: str) -> Iterable[tuple[str, Document | CorruptDocument]]:
        """Return all documents of a kind, by key. A damaged one doesn't prevent reading the others."""

    @abstractmethod
    def query(self, log: str, query: LogQuery) -> list[Document]:
        """Return entries of a log, newest first by `at` or by their end; among equals the later appended first."""

    def collect(self, log: str, query: LogQuery, make: Callable[[Document], T]) -> list[T]:
        """Return what a function makes of each entry that a query finds, in its order.

        This one has all entries in memory at once. A store for long histories reads some at a time.
        """
        return [make(body) for body in self.query(log, query)]

    def collect_packed(
        self, log: str, query: LogQuery, make: Callable[[Sequence[Document | bytes]], Iterable[T]]
    ) -> list[T]:
        """Return what `collect` does, by a function that gets some entries at a time, and returns a value of each.

        In place of each may be its JSON, in UTF-8: statistics read thousands of entries without parsing most of them.
        """
        return list(make(self.query(log, query)))

    def read_heads(self, log: str, query: LogQuery) -> list[EntryHead]:
        """Return the heads of the entries that a query finds, in its order.

        This one reads them from the documents, as `count` does. A store that has them beside the documents is faster.
        """
        return [
            EntryHead(str(body["job"]), state, at)
            for body in self.query(log, query)
            for at, state in (_read_metadata(body),)
        ]

    def find_keys(self, log: str, keys: Collection[str]) -> set[str]:
        """Return those of some keys that entries of a log have.

        This one asks for each. A store that reads whole files for a query looks for all of them at once.
        """
        return {key for key in keys if self.query(log, LogQuery(key=key, limit=1))}

    def session(self) -> AbstractContextManager[None]:
        """Return a context for several reads in one thread, which may share what each of them needs."""
        return nullcontext()

    def count(self, log: str, query: CountQuery) -> list[EntryCount]:
        """Return how many entries there are, in any order, without those that are zero.

        This one reads the entries, whose documents must have what orders the log. A store for long histories counts
        them faster.
        """
        found = self.query(log, query.bounds())
        return count_steps((_read_metadata(body) for body in found), query)

    def count_each_step(self, log: str, query: CountQuery) -> dict[str, list[int]]:
        """Return how many entries there are in each step of a query with `since`, `until` and `step`, by state.

        A day has 1,440 minutes: as plain numbers they take a fraction of the time of as many `EntryCount`.
        """
        counted: dict[str, list[int]] = {}
        for found in self.count(log, query):
            assert query.since is not None and query.step is not None and found.start is not None
            row = counted.setdefault(found.state, [0] * query.number_of_steps)
            row[(found.start - query.since) // query.step] += found.count
        return counted


def count_steps(entries: Iterable[tuple[datetime, str]], query: CountQuery) -> list[EntryCount]:
    """Return the numbers of entries of the query's job, given as instants and states, by state and step."""
    counted = Counter(
        (_step_start(at, query), state) for at, state in entries if query.until is None or at < query.until
    )
    return [EntryCount(start, state, count) for (start, state), count in counted.items()]


def _read_metadata(body: Document) -> tuple[datetime, str]:
    """Return the instant and the state of a run, a decision or an event from its document."""
    if "queued_at" in body:
        return datetime.fromisoformat(body["queued_at"]), str(body["state"])
    if "decided_at" in body:
        reason = body["reason"]
        return datetime.fromisoformat(body["decided_at"]), reason if isinstance(reason, str) else str(reason["code"])
    return datetime.fromisoformat(body["at"]), str(body["name"])


def _step_start(at: datetime, query: CountQuery) -> datetime | None:
    if query.step is None or query.since is None:
        return None
    return query.since + (at - query.since) // query.step * query.step


class Store(Plugin, StoreReader):
    """Keeps documents and logs. Calls come from one thread at a time, and may block on the disk."""

    @abstractmethod
    def open(self, directory: Path) -> Sequence[str]:
        """Take the exclusive lock, then read. Returns what had to be repaired, a line each.

        Errors: StoreLocked (with the holder's pid), StoreDamaged (nothing was touched), StoreError.
        """

    def open_read_only(self, directory: Path) -> Sequence[str]:
        """Open for reading alone: take no lock, repair nothing. Returns what a daemon would repair, a line each.

        Only `load`, `query`, `dump` and `close` may follow. By default the same as `open`. Errors: as `open`.
        """
        return self.open(directory)

    @property
    def setback(self) -> Setback | None:
        """Return the commits that were lost when the store was last opened; None if none, or after the next commit."""
        return None

    @property
    def skipped_entries(self) -> int:
        """Return the number of damaged entries that `query` and `dump` have skipped since the store was opened."""
        return 0

    def newest_copy_at(self) -> datetime | None:
        """Return when the newest copy was made that the store has made of itself and verified; None if there is none.

        May be called in any thread.
        """
        return None

    def load_packed(self, kind: str) -> Iterable[Sequence[tuple[str, PackedDocument]]]:
        """Return all documents of a kind as `load` does, some at a time; in place of each may be its JSON, in UTF-8.

        A start asks for them so: a job that is like another is made without its JSON being parsed.
        """
        return ((one,) for one in self.load(kind))

    def make_reader(self) -> StoreReader | None:
        """Return a reader of the open store, for use in another thread, while the store is used in its own.

        A read that begins after a commit has returned finds what it wrote; one that is under way holds up no commit.
        It raises StoreError if the store is closed meanwhile, and StoreDamaged for damage, which the store itself then
        deals with in its own thread. None: there is no reader, and commits wait for reads.
        """
        return None

    def make_check(self) -> Callable[[], Callable[[], Sequence[str]] | None] | None:
        """Return a check of what `open` has left unchecked, because it would hold up the start; None if nothing is.

        The check is called once, in a thread of its own beside all other calls. It must not hold them up, and ends
        soon after `close` or a repair. It returns None if all is well. Otherwise it returns a function that repairs
        what it has found: called in the store's thread, that returns messages, or raises StoreDamaged as other calls.
        """
        return None

    @abstractmethod
    def commit(self, changes: Sequence[Change]) -> None:
        """Make all changes durable, or none (StoreError). When it returns they survive a power cut."""

    @abstractmethod
    def prune(self, log: str, keep: RetentionRule) -> Sequence[str]:
        """Remove a part of the entries that no rule retains, small enough not to delay other commits noticeably.

        Returns the keys of the removed entries, none when there is nothing left to remove. Durable like a commit.
        """

    @abstractmethod
    def dump(self) -> Iterator[Change]:
        """Return everything as the Put and Append changes that would make it, log entries in the order of appending.

        As of the call, whatever is committed or pruned meanwhile; it may be iterated in another thread.
        """

    def scrub(self) -> None:
        """Leave no traces of pruned entries in the store's files, its own copies included: they were private.

        Asked once after a person had something deleted, and may take as long as a copy does. A store that leaves
        nothing anyway needs no such method. Errors: StoreError.
        """
        return

    @abstractmethod
    def close(self) -> None:
        """Complete what is in progress and release the lock. A second call does nothing."""
