"""What can happen to a file, and how it is told: the event's document, and the key by which it is told once."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from attrs import frozen

from rae_auto.model.primitives.instants import format_instant


class Happening(StrEnum):
    """What can happen to a file."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    MOVED = "moved"


class Origin(StrEnum):
    """How a change was found: seen as it happened, by comparing what is there with what was, or at the first start."""

    WATCH = "watch"
    RESCAN = "rescan"
    INITIAL = "initial"


@frozen
class Version:
    """What changes when a file does. `inode` is signed, as SQLite keeps it; `mtime_ns` in nanoseconds since 1970."""

    inode: int
    mtime_ns: int
    size: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Version":
        """That of a file as it is."""
        inode = status.st_ino
        return cls(inode if inode < 1 << 63 else inode - (1 << 64), status.st_mtime_ns, status.st_size)


@frozen
class Change:
    """A file that is another than it was; `version` is the new one, of a deleted file the last."""

    path: str
    happening: Happening
    version: Version
    source: str | None = None
    """Of a file that was moved, where it was before."""


def document_of(changes: Sequence[Change], origin: Origin) -> dict[str, Any]:
    """The event by which changes are told."""
    return {
        "paths": [change.path for change in changes],
        "changes": [_entry(change) for change in changes],
        "origin": str(origin),
        "count": len(changes),
    }


def _entry(change: Change) -> Mapping[str, Any]:
    entry: dict[str, Any] = {
        "path": change.path,
        "change": str(change.happening),
        "size": change.version.size,
        "mtime": _instant(change.version.mtime_ns),
    }
    if change.source is not None:
        entry["from"] = change.source
    return entry


def _instant(nanoseconds: int) -> str | None:
    try:
        return format_instant(datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC))
    except (OverflowError, ValueError, OSError):  # files may say that they are of the year 30,000
        return None


def key_of(changes: Iterable[Change], refusals: int = 0) -> str:
    """The same for the same changes; another one each time that they were refused."""
    digest = blake2b(digest_size=16)
    lines = sorted(
        b"\0".join((os.fsencode(change.path), b"%s %d %d %d" % (change.happening.encode(), *_numbers(change.version))))
        for change in changes
    )
    for line in lines:
        digest.update(b"%d:%s" % (len(line), line))
    return digest.hexdigest() + (f"-{refusals}" if refusals else "")


def _numbers(version: Version) -> tuple[int, int, int]:
    return version.inode, version.mtime_ns, version.size
