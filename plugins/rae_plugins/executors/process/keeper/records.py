"""Start and exit records: small JSON files beside a job's output file."""

import json
import os
import time
from collections import deque
from contextlib import suppress
from typing import Any

FILE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags of all files: links are not followed, children don't inherit them, and no byte is changed on Windows."""

UNSYNCED_SECONDS = 60.0
"""Age after which the kernel has long written a file by itself (30 s by default)."""


def record_path(output: str, kind: str) -> str:
    """Return the path of the record of this kind ("start" or "exit") for the output file `NAME.log`."""
    return output[: -len("log")] + kind


def write_atomically(path: str, record: dict[str, Any], *, is_durable: bool = False) -> None:
    """Write a record that readers see whole or not at all, also after a power failure if it is durable.

    Errors: OSError.
    """
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | FILE_FLAGS, 0o600)
    try:
        try:
            os.write(descriptor, json.dumps(record).encode())
            if is_durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    if is_durable:
        _sync(os.path.dirname(path))


def remove_private_files(path: str) -> None:
    """Remove a folder with private files of a job, also where the daemon that made it is gone."""
    with suppress(OSError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


class ExitRecords:
    """Writes exit records, durably where no daemon is there to commit the end to its store.

    While a daemon is connected, its commit makes the end durable, and one flush to disk serves many ends. So records
    are only written through to disk once it has gone: those of the last minute then, and each later one at once.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[float, str]] = deque(maxlen=1000)
        self._is_alone = False

    def write(self, path: str, record: dict[str, Any]) -> None:
        """Write the exit record for this path. Errors: OSError."""
        write_atomically(path, record, is_durable=self._is_alone)
        if not self._is_alone:
            self._recent.append((time.monotonic(), path))

    def handle_lost_daemon(self) -> None:
        """Make the newest records durable, and all later ones."""
        self._is_alone = True
        oldest = time.monotonic() - UNSYNCED_SECONDS
        paths = [path for at, path in self._recent if at >= oldest]
        self._recent.clear()
        # The daemon has removed those of ends that it has committed.
        left = [path for path in paths if os.path.exists(path)]
        for path in [*left, *{os.path.dirname(path) for path in left}]:
            with suppress(OSError):
                _sync(path)


def _sync(path: str) -> None:
    if os.name == "nt" and os.path.isdir(path):
        return  # NTFS writes its folders in its journal, and no program can open them
    # Windows lets only those who may write have a file written through.
    descriptor = os.open(path, (os.O_RDWR if os.name == "nt" else os.O_RDONLY) | FILE_FLAGS)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
