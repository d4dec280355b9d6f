"""The contract of what a state file needs beyond reading and writing: a lock, a replacement, names that last."""

import functools
import os
import sys
from pathlib import Path
from typing import Protocol


class FileOperations(Protocol):
    """Operations on files that each system has in its own way."""

    def lock(self, descriptor: int) -> None:
        """Lock an open file for this process alone, until it is closed. Errors: OSError if another has locked it."""
        ...

    def read_at(self, descriptor: int, count: int, offset: int) -> bytes:
        """Return at most this many bytes from an offset of an open file, also while a thread writes to it."""
        ...

    def write_at(self, descriptor: int, content: bytes, offset: int) -> int:
        """Write at a place of an open file, and return the number of bytes that were written. Errors: OSError."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of what had it; a reader sees the old file or the new one.

        Errors: OSError.
        """
        ...

    def sync_directory(self, path: Path) -> None:
        """Make the names in a folder durable. Errors: OSError."""
        ...


class PosixFiles:
    """The calls of POSIX."""

    def lock(self, descriptor: int) -> None:
        """Lock by flock(2)."""
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def read_at(self, descriptor: int, count: int, offset: int) -> bytes:
        """Call pread(2)."""
        return os.pread(descriptor, count, offset)

    def write_at(self, descriptor: int, content: bytes, offset: int) -> int:
        """Call pwrite(2)."""
        return os.pwrite(descriptor, content, offset)

    def replace(self, source: Path, target: Path) -> None:
        """Rename, which replaces the target in one step."""
        source.replace(target)

    def sync_directory(self, path: Path) -> None:
        """Call fsync(2) for the folder."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@functools.cache
def file_operations(platform: str = sys.platform) -> FileOperations:
    """Return the operations of a platform."""
    if platform == "win32":
        from rae_auto.platforms.windows.files import WindowsFiles  # lazy: start-up

        return WindowsFiles()
    return PosixFiles()
