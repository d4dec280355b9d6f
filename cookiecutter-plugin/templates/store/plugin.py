"""{{ cookiecutter.__docstring }}"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any

from attrs import define, field
from rae_auto.api import Append, Change, Delete, Document, LogQuery, Put, RetentionRule, Store
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.hookspecs import hookimpl
from rae_auto.toolkit.files import DirectoryLock, write_atomically

RAE_API = 1


@define(kw_only=True, eq=False)
class {{ cookiecutter.__class }}(Store):
    """{{ cookiecutter.__docstring }}

    One JSON file with its checksum, rewritten at each commit: easy to read, and slow if it grows large.
    """

    type = "{{ cookiecutter.name }}"

    file_name: str = field(default="{{ cookiecutter.name }}.json", metadata={"help": "the file in the state directory"})
    _lock: DirectoryLock | None = field(init=False, default=None)
    _path: Path = field(init=False, default=Path())
    _content: dict[str, Any] = field(init=False, factory=dict)

    def open(self, directory: Path) -> Sequence[str]:
        self._lock = DirectoryLock(directory)
        self._path = directory / self.file_name
        self._content = {"documents": {}, "logs": {}}
        if self._path.exists():
            checksum, _, text = self._path.read_bytes().partition(b"\n")
            if sha256(text).hexdigest().encode() != checksum:
                self.close()
                raise StoreDamaged(f"{self._path}: the checksum is wrong, so it is damaged; restore a backup")
            self._content = json.loads(text)
        return ()

    def load(self, kind: str) -> Iterable[tuple[str, Document]]:
        return sorted(self._open_content()["documents"].get(kind, {}).items())

    def commit(self, changes: Sequence[Change]) -> None:
        changed = json.loads(json.dumps(self._open_content()))
        for change in changes:
            _apply(change, changed)
        self._write(changed)

    def _open_content(self) -> dict[str, Any]:
        if self._lock is None:
            raise StoreError("the store is not open; call open() first")
        return self._content

    def _write(self, changed: dict[str, Any]) -> None:
        text = json.dumps(changed).encode()
        try:
            write_atomically(self._path, sha256(text).hexdigest().encode() + b"\n" + text)
        except OSError as error:
            raise StoreError(f"{self._path}: can't be written ({error.strerror})") from error
        self._content = json.loads(text)  # a copy, because the bodies belong to the caller

    def query(self, log: str, query: LogQuery) -> list[Document]:
        found = [
            (instant, entry)
            for entry in self._newest_first(log)
            if (instant := entry.ended_at if query.by_end else entry.at) is not None
            if query.matches(entry.key, entry.job, entry.state, instant)
        ]
        found.sort(key=lambda pair: pair[0], reverse=True)
        return [entry.body for _, entry in found[: query.limit]]

    def _newest_first(self, log: str) -> list[Append]:
        entries = [_entry(log, key, entry) for key, entry in self._open_content()["logs"].get(log, {}).items()]
        entries.reverse()
        entries.sort(key=lambda entry: entry.at, reverse=True)
        return entries

    def prune(self, log: str, keep: RetentionRule) -> Sequence[str]:
        keys = [entry.key for entry in keep.expired(self._newest_first(log))]
        changed = json.loads(json.dumps(self._open_content()))
        for key in keys:
            del changed["logs"][log][key]
        if keys:
            self._write(changed)
        return keys

    def dump(self) -> Iterator[Change]:
        # A commit replaces this object and does not change it.
        content = self._open_content()
        puts = (Put(kind, key, body) for kind, keys in content["documents"].items() for key, body in keys.items())
        appends = (_entry(log, key, entry) for log, keys in content["logs"].items() for key, entry in keys.items())
        return chain(puts, appends)

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None


def _apply(change: Change, content: dict[str, Any]) -> None:
    match change:
        case Put(kind, key, body):
            content["documents"].setdefault(kind, {})[key] = body
        case Delete(kind, key):
            content["documents"].get(kind, {}).pop(key, None)
        case Append():
            log = content["logs"].setdefault(change.log, {})
            log.pop(change.key, None)
            log[change.key] = {
                "job": change.job,
                "state": change.state,
                "at": change.at.isoformat(),
                "ended_at": change.ended_at and change.ended_at.isoformat(),
                "body": change.body,
            }


def _entry(log: str, key: str, entry: dict[str, Any]) -> Append:
    ended_at = entry["ended_at"] and datetime.fromisoformat(entry["ended_at"])
    at = datetime.fromisoformat(entry["at"])
    return Append(log, key, entry["job"], entry["state"], at, entry["body"], ended_at)


@hookimpl
def rae_stores() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
