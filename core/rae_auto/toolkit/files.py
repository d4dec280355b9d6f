"""Files with state: private, written atomically, and locked by one process."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from rae_auto.errors import StoreError, StoreLocked
from rae_auto.platforms.file_operations import file_operations
from rae_auto.platforms.file_rights import file_rights

LOCK_ATTEMPTS = 5
LOCK_RETRY_SECONDS = 0.05

_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)
"""Windows would make CR LF of each line end, and end a file at Ctrl-Z."""


FileIdentity = tuple[int, ...] | None


def identify_file(path: Path) -> FileIdentity:
    """Return a value that changes whenever the file is written, replaced or made readable; None if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_there(path: str | Path) -> bool:
    """Return whether there is anything at a path; False also behind a folder that may not be entered.

    `Path.exists`, `is_file` and `is_dir` raise OSError there, up to Python 3.13. `find_obstacle` distinguishes the two.
    """
    return os.path.exists(path)  # noqa: PTH110 - see above


def is_file(path: str | Path) -> bool:
    """Return whether a path is a file; False also behind a folder that may not be entered."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def is_folder(path: str | Path) -> bool:
    """Return whether a path is a folder; False also behind one that may not be entered."""
    return os.path.isdir(path)  # noqa: PTH112 - see above


def find_obstacle(path: str | Path) -> str | None:
    """Return why a path can't be examined, as in "permission denied"; None if it can."""
    try:
        Path(path).stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL, which is in no name
        return None
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Return at most this many bytes from an offset of an open file, which a thread may be writing. Raises OSError."""
    return file_operations().read_at(descriptor, count, offset)


def write_at(descriptor: int, content: bytes, offset: int) -> int:
    """Write at a place of an open file, and return the number of bytes that were written. Raises OSError."""
    return file_operations().write_at(descriptor, content, offset)


def find_other_writer(path: Path) -> str | None:
    """Return how others could change or replace a file: `is writable by everyone; run 'chmod go-w FILE'`; or None.

    Each folder above counts too, in which the file could be replaced by another.
    """
    return file_rights().find_other_writer(path)


def create_private_directory(path: Path) -> Path:
    """Create a directory for the owner alone (0700) if needed and return it resolved. Raises StoreError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = path.resolve()
        rights = file_rights()
        problem = rights.find_owner_problem(path)
        if problem is None and rights.find_other_reader(path) is not None:
            rights.make_private(path)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StoreError(
            f"{path}: can't be used as a state directory ({error.strerror}); choose another with RAE_STATE_DIR"
        ) from error
    if problem is not None:
        raise StoreError(f"{path}: {problem}; run as the user who owns it, or choose another with RAE_STATE_DIR")
    return path


def make_private_folder(path: Path) -> None:
    """Create a folder for the owner alone (0700) and the one above it, if they are missing. Errors: OSError.

    `Path.mkdir` gives folders above the rights of the umask, and would make a state directory that is missing.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        for folder in (path.parent, path):
            folder.mkdir(mode=0o700, exist_ok=True)


def remove_set_aside(directory: Path) -> None:
    """Remove damaged files that were kept as they were found: they may hold what a person wants deleted."""
    for path in directory.glob("*.corrupt-*"):
        path.unlink(missing_ok=True)


def open_for_reading(path: Path) -> int:
    """Open a file and return its descriptor; a pipe or a device in its place doesn't block. Errors: OSError."""
    return os.open(path, os.O_RDONLY | _NONBLOCK | _CLOEXEC | _BINARY)


def open_private(path: Path, flags: int) -> int:
    """Open a file for the owner alone, whatever the umask, never through a symbolic link."""
    descriptor = os.open(path, flags | _NOFOLLOW | _CLOEXEC | _BINARY, 0o600)
    file_rights().make_open_file_private(path, descriptor)
    return descriptor


def read_identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file, which distinguish it from another of its name; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def write_atomically(path: Path, content: bytes) -> None:
    """Replace the content of `path` durably: a reader sees the old content or the new one, never a part."""
    with atomic_file(path) as file:
        file.write(content)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file that replaces `path` durably once it is complete; after an exception the old one remains.

    The steps: a temporary file in the same directory, fsync, rename, fsync of the directory.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = open_private(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(path.parent)


def replace_file(source: Path, target: Path) -> None:
    """Give a file another name, in place of what had it, also while another program reads that. Errors: OSError."""
    file_operations().replace(source, target)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Errors: OSError."""
    file_operations().sync_directory(path)


class DirectoryLock:
    """An exclusive lock on a directory, released by the kernel when its process ends.

    The lock file is never deleted: otherwise two processes could lock two files of the same name.
    """

    def __init__(self, directory: Path) -> None:
        """Acquire the lock. Raises StoreLocked, with the process id of its holder if it is known, and StoreError."""
        self.path = directory / "lock"
        try:
            self._descriptor = open_private(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise StoreError(
                f"{self.path}: can't be opened ({error.strerror}); it must be a regular file that you own"
            ) from error
        try:
            _lock_soon(self._descriptor)
        except OSError:
            pid = self._holder()
            os.close(self._descriptor)
            holder = f"process {pid}" if pid else "another process"
            raise StoreLocked(
                f"{directory} is in use by {holder}; stop it with 'rae-auto stop', or set another RAE_STATE_DIR",
                pid,
            ) from None
        # The process id is only for messages: a full disk must not prevent a start.
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            os.write(self._descriptor, f"{os.getpid()}\n".encode())

    def _holder(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return int(os.read(self._descriptor, 32))
        return None

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def is_locked(directory: Path) -> bool:
    """Return whether a process holds the lock of a directory. Holds it for a moment itself, if it is free."""
    try:
        with (directory / "lock").open("rb+") as file:
            file_operations().lock(file.fileno())
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _lock_soon(descriptor: int) -> None:
    """Lock a file, and wait for a moment for those who only look whether it is locked."""
    for attempt in range(1, LOCK_ATTEMPTS + 1):
        try:
            file_operations().lock(descriptor)
            return
        except OSError:
            if attempt == LOCK_ATTEMPTS:
                raise
            time.sleep(LOCK_RETRY_SECONDS)
