"""A file for log lines that is rotated by size, and that a full or failing disk can't turn against the daemon.

Not loguru's own file sink: where the disk fails, that prints a traceback for each line, and raises when it is closed.
The standard library's `RotatingFileHandler` knows no age of old files.
"""

import contextlib
import os
from datetime import datetime, timedelta
from pathlib import Path

from rae_auto.toolkit.files import open_private


class RotatingFile:
    """Appends lines to a file; a full one is renamed, and those renamed before are deleted when they are old.

    It is a sink for loguru: a call appends a line, or raises OSError, after which the next call tries again.
    """

    def __init__(self, path: Path, rotation_bytes: int, retention: timedelta) -> None:
        """Create a sink. The file is opened at the first line."""
        self._path = path
        self._rotation_bytes = rotation_bytes
        self._retention = retention
        self._descriptor: int | None = None

    def __call__(self, message: str) -> None:
        """Append a line."""
        line = message.encode("utf-8", "backslashreplace")
        try:
            descriptor = self._open()
            if 0 < os.fstat(descriptor).st_size > self._rotation_bytes - len(line):
                self._rotate()
                descriptor = self._open()
            # Without a buffer: the line is in the file now, and none is left that can't be written later.
            os.write(descriptor, line)
        except OSError:
            self._close()
            raise

    def __del__(self) -> None:
        """Close the file, because loguru never closes a sink that is callable."""
        self._close()

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _open(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = open_private(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        return self._descriptor

    def _rotate(self) -> None:
        self._close()
        moment = datetime.now().astimezone()
        old = self._path.with_name(f"{self._path.stem}.{moment:%Y-%m-%d_%H-%M-%S_%f}{self._path.suffix}")
        self._path.rename(old)
        for part in self._path.parent.glob(f"{self._path.stem}.*{self._path.suffix}"):
            with contextlib.suppress(OSError):
                if part != self._path and part.stat().st_mtime < (moment - self._retention).timestamp():
                    part.unlink()
