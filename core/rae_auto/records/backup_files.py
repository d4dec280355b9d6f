"""Backups: the contents of a store as one file, from which a store of any kind can be restored.

JSON lines: first the format with the time and the version of rae-auto, then one line for each change, last their
number with the SHA-256 of all lines before. A file that was cut off or changed anywhere is known by its last line.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto._version import __version__
from rae_auto.api.store import Append, Change, Put
from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.toolkit.files import atomic_file

FORMAT = 1

MAX_LINE_BYTES = 64 << 20
"""Bytes of a line that is read."""


@frozen
class Backup:
    """Header of a backup file; `version` is that of the rae-auto which wrote it."""

    path: Path
    created_at: datetime
    version: str
    changes: int

    def record(self) -> dict[str, Any]:
        """Return its JSON for users."""
        created = format_instant(self.created_at)
        return {"path": str(self.path), "created_at": created, "version": self.version, "changes": self.changes}


def write(path: Path, changes: Iterable[Change], now: datetime, *, replace: bool = False) -> Backup:
    """Write changes to a file of the owner's alone, whole or not at all. Errors: StoreError."""
    if path.exists() and not replace:
        raise StoreError(f"{path} already exists; choose another name, or add --replace")
    head = {"backup": FORMAT, "created_at": format_instant(now), "version": __version__}
    digest, number = hashlib.sha256(), -1
    try:
        with atomic_file(path) as file:
            for line in map(_line, chain([head], map(_encode, changes))):
                digest.update(line)
                file.write(line)
                number += 1
            file.write(_line({"end": number, "sha256": digest.hexdigest()}))
    except OSError as error:
        raise _unless_ours(error, f"{path}: can't be written") from error
    return Backup(path, now, __version__, number)


def examine(path: Path) -> Backup:
    """Read all of a backup and verify its checksum. Errors: StoreError, StoreDamaged."""
    lines = _read(path)
    head = next(lines)
    try:
        written, created_at, version = head["backup"], parse_instant(head["created_at"]), str(head["version"])
    except (KeyError, TypeError, ValueError):
        raise StoreError(f"{path} is not a backup of rae-auto; create one with 'rae-auto backup FILE'") from None
    if written != FORMAT:
        raise StoreError(f"{path} was written by rae-auto {version:.20}, which is newer; restore it with that version")
    return Backup(path, created_at, version, sum(1 for _ in map(_decode, lines, repeat(path))))


def changes_of(path: Path) -> Iterator[Change]:
    """Yield the changes of a backup that has been examined, and verify its checksum again."""
    lines = _read(path)
    next(lines)
    return map(_decode, lines, repeat(path))


def _read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield header and changes. Errors: StoreDamaged, at the latest at the end, if the file isn't as written."""
    digest, number = hashlib.sha256(), -1
    try:
        with path.open("rb") as file:
            while document := _document(line := file.readline(MAX_LINE_BYTES)):
                if "end" in document and not file.read(1):
                    if document != {"end": number, "sha256": digest.hexdigest()}:
                        break
                    return
                digest.update(line)
                number += 1
                yield document
    except OSError as error:
        raise _unless_ours(error, f"{path}: can't be read") from error
    raise _damaged(path)


def _line(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def _document(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a complete line, or None."""
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(line) if line.endswith(b"\n") else None
        return document if isinstance(document, dict) else None
    return None


def _encode(change: Change) -> dict[str, Any]:
    match change:
        case Put(kind, key, body):
            return {"put": [kind, key], "body": body}
        case Append(log, key, job, state, at, body, ended_at):
            end = {} if ended_at is None else {"ended_at": format_instant(ended_at)}
            return {
                "append": [log, key],
                "job": job,
                "state": str(state),
                "at": format_instant(at),
                **end,
                "body": body,
            }
        case _:
            raise StoreError(
                f"the store returned a {type(change).__name__} for a backup; report this to the author of the store"
            )


def _decode(document: Mapping[str, Any], path: Path) -> Change:
    try:
        if "put" in document:
            kind, key = document["put"]
            return Put(kind, key, document["body"])
        log, key = document["append"]
        at = parse_instant(document["at"])
        ended_at = parse_instant(document["ended_at"]) if "ended_at" in document else None
        return Append(log, key, document["job"], document["state"], at, document["body"], ended_at)
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> StoreDamaged:
    return StoreDamaged(f"{path} is not a complete backup of rae-auto; restore another backup")


def _unless_ours(error: OSError, what: str) -> OSError:
    return error if isinstance(error, StoreError) else StoreError(f"{what} ({error.strerror})")
