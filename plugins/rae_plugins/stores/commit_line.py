"""The line that names the last commit of a store, in the store itself and in a mark beside it.

Each commit has a number, one more than that of the commit before. The store holds the line of its last commit, and a
small file beside it, the *mark*, holds the same line. The mark is written and synced after the commit and before the
caller gets its answer, so:

1. An acknowledged commit is never newer than the mark. A store whose last commit is older than the mark has lost
   commits, for whatever reason: a log that was cut off, deleted or replaced, a file from yesterday, a lying disk.
2. The mark may be one commit behind, when a kill came between the two writes. That commit was never acknowledged.
3. A mark without a store says that a store existed: it was deleted or emptied, and isn't new.

A number is never used twice: after a step back, the next commit follows the larger of both numbers.

The line has a fixed width, so that it is overwritten in place, and it has a checksum, so that it can be found in the
bytes of a page. The mark has two slots that take turns: a torn write leaves the other slot.

Cost: one more `fdatasync` of a block that never moves for each commit (here 0.17 ms, beside 0.28 ms for the commit).
"""

import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from attrs import define, field, frozen

from rae_auto.toolkit.files import open_private, write_at, write_atomically
from rae_plugins.stores.checksum import checksum

SLOT_BYTES = 512
"""The size of a slot of the mark: what every disk writes as a whole."""

_LINE = re.compile(rb"RAE-COMMIT (([0-9a-f]{16}) (\d{16}) (\d{16}) (\d{8}T\d{6}\.\d{6}Z)) ([0-9a-f]{8})")
_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"

_sync_data = getattr(os, "fdatasync", os.fsync)


@frozen
class CommitLine:
    """A commit: the id of its store, its number, the number of the commit before it, and its time in UTC."""

    store: str
    number: int
    previous: int
    at: datetime

    @classmethod
    def first(cls) -> Self:
        """Return the line of a new store, which has no commits yet."""
        return cls(os.urandom(8).hex(), 0, 0, datetime.now(UTC))

    def next(self, at_least: int = 0) -> "CommitLine":
        """Return the line of the next commit, whose number is larger than `at_least` too."""
        return CommitLine(self.store, max(self.number, at_least) + 1, self.number, datetime.now(UTC))

    def encode(self) -> bytes:
        """Return the line, without an end."""
        text = f"{self.store} {self.number:016} {self.previous:016} {self.at:{_TIME_FORMAT}}".encode()
        return b"RAE-COMMIT %s %08x" % (text, checksum(text))


def find_commit_line(content: bytes) -> CommitLine | None:
    """Return the newest undamaged line in some bytes, or None."""
    found = []
    for text, store, number, previous, at, crc in _LINE.findall(content):
        if checksum(text) == int(crc, 16):
            # `strptime` would do too, but its module and its patterns stay in memory.
            instant = datetime.fromisoformat(at.decode())
            found.append(CommitLine(store.decode(), int(number), int(previous), instant))
    return max(found, key=lambda line: line.number, default=None)


def read_mark(path: Path) -> CommitLine | None:
    """Return the line of a mark; None if there is no mark, or it is damaged."""
    try:
        with path.open("rb") as file:
            return find_commit_line(file.read(2 * SLOT_BYTES))
    except FileNotFoundError:
        return None


@define(eq=False)
class CommitMark:
    """The mark, open for writing."""

    path: Path
    _descriptor: int = field(init=False, default=-1)

    def create(self, line: CommitLine) -> None:
        """Write a new mark durably, whatever is there. Errors: OSError."""
        slots = [line.encode().ljust(SLOT_BYTES - 1) + b"\n", b"\n".rjust(SLOT_BYTES)]
        write_atomically(self.path, b"".join(slots if line.number % 2 == 0 else reversed(slots)))

    def open(self) -> None:
        """Open the mark for writing; it must exist. Errors: OSError."""
        self._descriptor = open_private(self.path, os.O_WRONLY)

    def write(self, line: CommitLine) -> None:
        """Write the line of a commit durably. Errors: OSError."""
        content = line.encode().ljust(SLOT_BYTES - 1) + b"\n"
        write_at(self._descriptor, content, SLOT_BYTES * (line.number % 2))
        _sync_data(self._descriptor)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
