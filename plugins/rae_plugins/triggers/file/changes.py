"""Changes of files, the event that reports them, and the key under which they are delivered once."""

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from attrs import field, frozen

from rae_auto.model.primitives.instants import format_instant


class ChangeKind(StrEnum):
    """The kinds of changes that a file can undergo."""

    CREATED = "created"
    MODIFIED = "modified"
    DELETED = "deleted"
    MOVED = "moved"


class ChangeOrigin(StrEnum):
    """The way a change was found: by watching, by comparing everything with the snapshot, or at the first start."""

    WATCH = "watch"
    RESCAN = "rescan"
    INITIAL = "initial"


@frozen
class FileVersion:
    """A version of a file: two versions differ if and only if one of these numbers does.

    `inode` is signed, because SQLite has no unsigned integers; `mtime_ns` counts nanoseconds since 1970, `size` bytes.
    """

    inode: int
    mtime_ns: int
    size: int
    changed_ns: int = field(default=0, eq=False)
    """When its inode last changed, by a write, a rename or new permissions. With a write that was seen it shows that
    there was one after the last scan, though the numbers above are the same."""

    @classmethod
    def from_status(cls, status: os.stat_result) -> "FileVersion":
        """Return the version of a file with this status."""
        inode = status.st_ino
        return cls(
            inode if inode < 1 << 63 else inode - (1 << 64), status.st_mtime_ns, status.st_size, status.st_ctime_ns
        )


@frozen
class FileChange:
    """A change of one file; `version` is the new version, or the last known one of a deleted file."""

    path: str
    kind: ChangeKind
    version: FileVersion
    source: str | None = None
    """The previous path of a moved file."""

    number: int = field(default=0, eq=False)
    """The number of the pending change in its snapshot. It makes the key of a change that comes back another one."""


def check_event(changes: Sequence[FileChange], origin: ChangeOrigin) -> dict[str, Any]:
    """Return the event that reports these changes."""
    return {
        "paths": [change.path for change in changes],
        "changes": [_change_document(change) for change in changes],
        "origin": str(origin),
        "count": len(changes),
    }


def _change_document(change: FileChange) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "path": change.path,
        "change": str(change.kind),
        "size": change.version.size,
        "mtime": _format_mtime(change.version.mtime_ns),
    }
    if change.source is not None:
        document["from"] = change.source
    return document


def _format_mtime(nanoseconds: int) -> str | None:
    try:
        return format_instant(datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC))
    except (OverflowError, ValueError, OSError):  # a file may claim to be from the year 30,000
        return None


def event_key(changes: Iterable[FileChange], snapshot_id: str = "", refusals: int = 0) -> str:
    """Return the key of these changes: the same for the same rows of a snapshot, a new one after each refusal."""
    digest = blake2b(snapshot_id.encode(), digest_size=16)
    lines = sorted(
        b"\0".join((os.fsencode(change.path), b"%s %d %d %d %d" % (change.kind.encode(), *_numbers(change))))
        for change in changes
    )
    for line in lines:
        digest.update(b"%d:%s" % (len(line), line))
    return digest.hexdigest() + (f"-{refusals}" if refusals else "")


def _numbers(change: FileChange) -> tuple[int, int, int, int]:
    return change.version.inode, change.version.mtime_ns, change.version.size, change.number
