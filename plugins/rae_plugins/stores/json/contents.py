"""The documents and entries in memory, and changes of them as JSON objects."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from rae_auto.api.store import Append, Change, Delete, Document, Put
from rae_plugins.stores.checksum import pack_json


@frozen
class LogEntry:
    """An entry of a log. Its body is text, because thousands are stored and few are read."""

    log: str
    key: str
    job: str
    state: str
    at: datetime
    text: str
    ended_at: datetime | None = None

    @property
    def body(self) -> Document:
        """The appended document."""
        body: dict[str, Any] = json.loads(self.text)
        return body


@define
class StoreContents:
    """All documents, and the entries that are in no history file yet."""

    documents: dict[str, dict[str, str]] = field(factory=dict)
    entries: dict[tuple[str, str], LogEntry] = field(factory=dict)

    def apply(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Apply encoded changes in their order."""
        for change in changes:
            if "put" in change:
                kind, key = change["put"]
                self.documents.setdefault(kind, {})[key] = pack_json(change["body"])
            elif "delete" in change:
                kind, key = change["delete"]
                self.documents.get(kind, {}).pop(key, None)
            elif "prune" in change:
                log, keys = change["prune"]
                for key in keys:
                    self.entries.pop((log, key), None)
            else:
                entry = decode_entry(change)
                # Of several entries with one key the last one appended counts.
                self.entries.pop((entry.log, entry.key), None)
                self.entries[entry.log, entry.key] = entry

    def drop_repeated(self, stored: Iterable[LogEntry]) -> None:
        """Drop entries that are in a history file already."""
        for entry in stored:
            if self.entries.get((entry.log, entry.key)) == entry:
                del self.entries[entry.log, entry.key]


def encode(change: Change) -> dict[str, Any]:
    """Return a change as an object of the journal."""
    match change:
        case Put(kind, key, body):
            return {"put": [kind, key], "body": body}
        case Delete(kind, key):
            return {"delete": [kind, key]}
        case Append(log, key, job, state, at, body, ended_at):
            return _append(log, key, job, str(state), at.astimezone(UTC), body, ended_at and ended_at.astimezone(UTC))


def encode_entry(entry: LogEntry) -> dict[str, Any]:
    """Return an entry as the change that appends it."""
    return _append(entry.log, entry.key, entry.job, entry.state, entry.at, entry.body, entry.ended_at)


def encode_prune(log: str, keys: Sequence[str]) -> dict[str, Any]:
    """Return the change that removes entries of a log."""
    return {"prune": [log, keys]}


def decode_entry(change: Mapping[str, Any]) -> LogEntry:
    """Return the entry that a change appends."""
    log, key = change["append"]
    at, body = datetime.fromisoformat(change["at"]), pack_json(change["body"])
    ended_at = datetime.fromisoformat(change["ended_at"]) if "ended_at" in change else None
    return LogEntry(log, key, change["job"], change["state"], at, body, ended_at)


def _append(
    log: str, key: str, job: str, state: str, at: datetime, body: Document, ended_at: datetime | None
) -> dict[str, Any]:
    end = {} if ended_at is None else {"ended_at": ended_at.isoformat()}
    return {"append": [log, key], "job": job, "state": state, "at": at.isoformat(), **end, "body": body}
