"""The journal: one line per commit, synced before the commit returns."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import StoreError
from rae_auto.toolkit.files import atomic_file, open_private, read_at, read_identity, write_at
from rae_plugins.stores.json.checksummed_lines import FORMAT_VERSION, MAX_LINE_BYTES, add_checksum

_CHUNK_BYTES = 1 << 20


def make_header(seq: int, at: str) -> bytes:
    """Return the first line of a journal whose commits come after `seq`, which was made at that time."""
    return add_checksum({"format": FORMAT_VERSION, "seq": seq, "at": at, "changes": []})


@define(eq=False)
class Journal:
    """The open journal. After a failed write it is not written to again: the state of the disk is unknown."""

    path: Path
    size: int
    """The number of bytes that are known to be on the disk."""
    is_writable: bool = field(init=False, default=True)
    _descriptor: int = field(init=False)
    _identity: tuple[int, int] | None = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._descriptor = open_private(self.path, os.O_RDWR)
        self._identity = read_identity(self.path)

    def add(self, seq: int, at: str, changes: Sequence[dict[str, Any]]) -> None:
        """Write a commit as one line and sync it. Errors: StoreError."""
        line = add_checksum({"seq": seq, "at": at, "changes": changes})
        if len(line) > MAX_LINE_BYTES:
            raise StoreError(f"{self.path}: a commit of {len(line)} bytes is too large; the limit is {MAX_LINE_BYTES}")
        try:
            if write_at(self._descriptor, line, self.size) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._descriptor)
        except OSError as error:
            self.is_writable = False
            self._truncate()
            raise StoreError(f"{self.path}: can't be written ({error.strerror})") from error
        self.size += len(line)

    def _truncate(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            # The next commit writes a new journal anyway.
            return

    @property
    def is_in_place(self) -> bool:
        """True if the open file is still the one of its name."""
        return read_identity(self.path) == self._identity

    def copy_to(self, path: Path) -> None:
        """Copy the commits, without a failed one, to another file."""
        done = 0
        with atomic_file(path) as file:
            # From the open file, which may have been removed.
            while chunk := read_at(self._descriptor, min(self.size - done, _CHUNK_BYTES), done):
                file.write(chunk)
                done += len(chunk)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
