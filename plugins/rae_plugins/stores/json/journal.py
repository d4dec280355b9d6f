"""The journal: a line for each commit, synced before the commit returns."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.errors import StoreError
from rae_auto.toolkit.files import open_private, write_whole
from rae_plugins.stores.json.sealed import FORMAT, MAX_LINE, seal


def header(seq: int) -> bytes:
    """The first line of a journal whose commits come after `seq`."""
    return seal({"format": FORMAT, "seq": seq, "changes": []})


@define(eq=False)
class Journal:
    """The open journal. After a failed write nothing more is added to it: what the disk holds is unknown."""

    path: Path
    size: int
    """Bytes that are known to be on the disk."""
    is_sound: bool = field(init=False, default=True)
    _descriptor: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._descriptor = open_private(self.path, os.O_WRONLY)

    def add(self, seq: int, changes: Sequence[dict[str, Any]]) -> None:
        """Write a commit as a whole line and sync it, or raise StoreError."""
        line = seal({"seq": seq, "changes": changes})
        if len(line) > MAX_LINE:
            raise StoreError(f"{self.path}: a commit of {len(line)} bytes is too large; make smaller ones")
        try:
            if os.pwrite(self._descriptor, line, self.size) != len(line):
                raise OSError(28, "No space left on device")
            os.fsync(self._descriptor)
        except OSError as error:
            self.is_sound = False
            self._forget()
            raise StoreError(f"{self.path}: can't be written ({error.strerror})") from error
        self.size += len(line)

    def _forget(self) -> None:
        try:
            os.ftruncate(self._descriptor, self.size)
        except OSError:
            # The next commit writes a new journal anyway.
            return

    def copy_to(self, path: Path) -> None:
        """Keep the commits, and nothing that failed, under another name."""
        with self.path.open("rb") as file:
            write_whole(path, file.read(self.size))

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)
