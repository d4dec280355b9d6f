"""{{ cookiecutter.description }}"""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import define, field
from rae_auto.api import Append, Change, Delete, Document, LogQuery, Put, Store
from rae_auto.api.files import DirectoryLock, write_whole
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@define(kw_only=True, eq=False)
class {{ cookiecutter.__class }}(Store):
    """{{ cookiecutter.description }}

    One JSON file, written anew at each commit: easy to follow, and slow when there is much to keep.
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
            try:
                self._content = json.loads(self._path.read_bytes())
            except ValueError as error:
                self.close()
                raise StoreDamaged(f"{self._path}: is no JSON ({error}); restore a backup") from error
        return ()

    def load(self, kind: str) -> Iterable[tuple[str, Document]]:
        return list(self._content["documents"].get(kind, {}).items())

    def commit(self, changes: Sequence[Change]) -> None:
        changed = json.loads(json.dumps(self._content))
        for change in changes:
            _apply(change, changed)
        try:
            write_whole(self._path, json.dumps(changed).encode())
        except OSError as error:
            raise StoreError(f"{self._path}: can't be written ({error.strerror})") from error
        self._content = changed

    def query(self, log: str, query: LogQuery) -> list[Document]:
        entries = reversed(self._content["logs"].get(log, {}).items())
        wanted = [
            entry
            for key, entry in entries
            if query.takes(key, entry["job"], entry["state"], datetime.fromisoformat(entry["at"]))
        ]
        wanted.sort(key=lambda entry: datetime.fromisoformat(entry["at"]), reverse=True)
        return [entry["body"] for entry in wanted[: query.limit]]

    def backup(self, target: Path) -> None:
        write_whole(target, json.dumps(self._content).encode())

    def close(self) -> None:
        if self._lock is not None:
            self._lock.release()


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
                "job": change.job, "state": change.state, "at": change.at.isoformat(), "body": change.body
            }


@hookimpl
def rae_stores() -> list[type[{{ cookiecutter.__class }}]]:
    return [{{ cookiecutter.__class }}]
