"""Changes as JSON objects, and what they make of the documents and entries in memory."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import define, field, frozen

from rae_auto.api.store import Append, Change, Delete, Document, Put


@frozen
class Entry:
    """An entry of a log, its body as text: thousands are kept, few are asked for."""

    log: str
    key: str
    job: str
    state: str
    at: datetime
    text: str

    @property
    def body(self) -> Document:
        """The document that was appended."""
        body: dict[str, Any] = json.loads(self.text)
        return body


@define
class Contents:
    """All documents, and the entries that are in no history file yet."""

    documents: dict[str, dict[str, str]] = field(factory=dict)
    entries: dict[tuple[str, str], Entry] = field(factory=dict)

    def apply(self, changes: Iterable[Mapping[str, Any]]) -> None:
        """Take over changes that `encode` made, in their order."""
        for change in changes:
            if "put" in change:
                kind, key = change["put"]
                self.documents.setdefault(kind, {})[key] = pack(change["body"])
            elif "delete" in change:
                kind, key = change["delete"]
                self.documents.get(kind, {}).pop(key, None)
            elif "prune" in change:
                log, keys = change["prune"]
                for key in keys:
                    self.entries.pop((log, key), None)
            else:
                entry = decode_entry(change)
                # The later of one key is also the later appended.
                self.entries.pop((entry.log, entry.key), None)
                self.entries[entry.log, entry.key] = entry


def pack(body: Document) -> str:
    """The shortest JSON text."""
    return json.dumps(body, separators=(",", ":"))


def encode(change: Change) -> dict[str, Any]:
    """A change as it stands in the journal."""
    match change:
        case Put(kind, key, body):
            return {"put": [kind, key], "body": body}
        case Delete(kind, key):
            return {"delete": [kind, key]}
        case Append(log, key, job, state, at, body):
            return _append(log, key, job, str(state), at.astimezone(UTC), body)


def encode_entry(entry: Entry) -> dict[str, Any]:
    """An entry as the change that made it."""
    return _append(entry.log, entry.key, entry.job, entry.state, entry.at, entry.body)


def encode_prune(log: str, keys: Sequence[str]) -> dict[str, Any]:
    """The change that removes entries of a log."""
    return {"prune": [log, keys]}


def decode_entry(change: Mapping[str, Any]) -> Entry:
    """The entry that an append made."""
    log, key = change["append"]
    return Entry(log, key, change["job"], change["state"], datetime.fromisoformat(change["at"]), pack(change["body"]))


def _append(log: str, key: str, job: str, state: str, at: datetime, body: Document) -> dict[str, Any]:
    return {"append": [log, key], "job": job, "state": state, "at": at.isoformat(), "body": body}
