"""Operations on files as Windows has them.

An open file can't be replaced there, unless it was opened with FILE_SHARE_DELETE; neither Python's `open` nor virus
scanners do so. Readers of state files are quick, so a replacement is tried again for a while.
"""

import errno
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPLACE_TIMEOUT_SECONDS = 2.0
REPLACE_RETRY_SECONDS = 0.02

LOCKED_BYTE = 1 << 20
"""Far behind the process id in the lock file, because Windows lets no other process read a locked byte."""

_REPLACE_EXISTING, _WRITE_THROUGH = 0x1, 0x8
_ERROR_ACCESS_DENIED, _ERROR_SHARING_VIOLATION, _ERROR_LOCK_VIOLATION = 5, 32, 33


def move_file(source: str, target: str) -> int:
    """Move a file durably by MoveFileExW; return 0, or the number of the error of Windows."""
    import ctypes

    functions: Any = ctypes
    move = functions.WinDLL("kernel32", use_last_error=True).MoveFileExW
    moved = move(ctypes.c_wchar_p(source), ctypes.c_wchar_p(target), _REPLACE_EXISTING | _WRITE_THROUGH)
    return 0 if moved else int(functions.get_last_error())


class WindowsFiles:
    """The calls of the C runtime, and of kernel32."""

    def __init__(self, move: Callable[[str, str], int] = move_file) -> None:
        self._move = move
        self._position = threading.Lock()

    def lock(self, descriptor: int) -> None:
        """Lock a byte by _locking."""
        import msvcrt

        calls: Any = msvcrt
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        calls.locking(descriptor, calls.LK_NBLCK, 1)

    def read_at(self, descriptor: int, count: int, offset: int) -> bytes:
        """Seek and read: files have one position there, which other threads must leave alone meanwhile."""
        with self._position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.read(descriptor, count)

    def write_at(self, descriptor: int, content: bytes, offset: int) -> int:
        """Seek and write."""
        with self._position:
            os.lseek(descriptor, offset, os.SEEK_SET)
            return os.write(descriptor, content)

    def replace(self, source: Path, target: Path) -> None:
        """Move with write-through, so that the new name is durable once it is there; again while the target is open."""
        deadline = time.monotonic() + REPLACE_TIMEOUT_SECONDS
        while error := self._move(str(source), str(target)):
            is_open = error in (_ERROR_ACCESS_DENIED, _ERROR_SHARING_VIOLATION, _ERROR_LOCK_VIOLATION)
            if not is_open or time.monotonic() >= deadline:
                raise _os_error(error, source, target)
            time.sleep(REPLACE_RETRY_SECONDS)

    def sync_directory(self, path: Path) -> None:
        """Do nothing: a folder can't be synced, and `replace` writes names through."""


def _os_error(error: int, source: Path, target: Path) -> OSError:
    number = {2: errno.ENOENT, 3: errno.ENOENT, 17: errno.EXDEV}.get(error, errno.EACCES)
    return OSError(number, f"{os.strerror(number)} (Windows error {error})", str(source), None, str(target))
