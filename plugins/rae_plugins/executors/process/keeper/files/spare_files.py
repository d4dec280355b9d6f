"""Empty files that are ready to become the output files of attempts.

To create a file is what costs most of a short job: the file system looks for a free inode, and avoids those that have
just been removed. To give a file another name costs a tenth of it. So spare files are made while nothing else is to be
done, before many starts are due.

The file of a quiet attempt is removed, and not used again: who still has it open, such as a viewer that follows
the attempt, would read what another one prints.

Every file is in a folder of this keeper, and known to it alone. So what another keeper has left there, which was
killed, is never used, and is removed by the next one.

A spare file gets its name by link(2), which fails where there is such a file, as O_EXCL does: the one that creates the
output file decides on the start. Where that isn't possible, the file is created.
"""

import os
import time
from collections import deque
from contextlib import suppress

from rae_plugins.executors.process.keeper.procfs import may_token_live, own_token

FILE_FLAGS = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""Flags of all files: links are not followed, children don't inherit them, and no byte is changed on Windows."""

MAX_SPARE_FILES = 1_000
"""The most files that are kept: an empty file takes an inode, but no block."""


def create_output(path: str) -> int:
    """Create a fresh output file, and its folder if that is missing; return its descriptor. Errors: OSError."""
    # Not the file of another user: the name must be fresh, and links are not followed.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | FILE_FLAGS
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:
        make_folder(os.path.dirname(path))
        return os.open(path, flags, 0o600)


def make_folder(path: str) -> None:
    """Create a folder such as that for the output of a job, and the one above it, if missing. Errors: OSError."""
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except FileNotFoundError:
        # The folder of all jobs is missing too. Where the state directory itself is, this fails.
        for folder in (os.path.dirname(path), path):
            # Another program may make it at this very moment.
            with suppress(FileExistsError):
                os.mkdir(folder, 0o700)


class SpareFiles:
    """Makes spare files and gives them away; without a directory it has none."""

    def __init__(self, directory: str | None = None) -> None:
        """Keep the files in a folder below `directory`, which is made when it is needed."""
        self._directory = directory
        self._folder: str | None = None
        self._count = 0
        self._free: list[str] = []
        self._wanted = 0
        self._folders: deque[str] = deque()

    def open_output(self, path: str) -> int:
        """Return the descriptor of a fresh output file. Errors: OSError; FileExistsError where there is such a file."""
        if self._free and (file := _give_name(self._free.pop(), path)) is not None:
            return file
        return create_output(path)

    def expect(self, number: int, folders: list[str]) -> None:
        """Have so many files ready, and these folders of jobs, after some calls of `prepare`."""
        self._wanted = min(number, MAX_SPARE_FILES)
        self._folders.extend(folders)
        self._note_ready()

    @property
    def has_work(self) -> bool:
        """There is something for `prepare` to do."""
        return bool(self._folders or self._wanted)

    def prepare(self) -> None:
        """Make one folder or file that is expected."""
        try:
            if self._folders:
                make_folder(self._folders.popleft())
            elif (spare := self._next_name()) is not None:
                os.close(os.open(spare, os.O_RDWR | os.O_CREAT | os.O_EXCL | FILE_FLAGS, 0o600))
                self._free.append(spare)
                self._note_ready()
            else:
                self._wanted = 0
        except OSError:
            # The disk is full, for instance. The start itself says so.
            self._wanted = 0

    def _note_ready(self) -> None:
        # What is used from now on is not replaced: it was made for starts that are under way.
        if len(self._free) >= self._wanted:
            self._wanted = 0

    def close(self) -> None:
        """Remove all files, and the folder."""
        if self._folder is not None:
            _remove(self._folder)
        self._folder, self._directory, self._wanted = None, None, 0
        self._free.clear()
        self._folders.clear()

    def _next_name(self) -> str | None:
        if self._folder is None:
            self._folder = self._make_own_folder()
        if self._folder is None:
            return None
        self._count += 1
        return f"{self._folder}/{self._count}"

    def _make_own_folder(self) -> str | None:
        if self._directory is None:
            return None
        folder = f"{self._directory}/{own_token()}.{time.monotonic_ns()}"
        with suppress(OSError):
            make_folder(self._directory)
            for name in os.listdir(self._directory):
                if _is_left(name.partition(".")[0]):
                    _remove(f"{self._directory}/{name}")
            os.mkdir(folder, 0o700)
            return folder
        self._directory = None
        return None


def _give_name(spare: str, path: str) -> int | None:
    """Return the descriptor of a spare file that has become an output file; None if it can't be used.

    Errors: FileExistsError. The spare file is then given up too, for a file system may say so of its own success.
    """
    try:
        file = os.open(spare, os.O_RDWR | FILE_FLAGS)
    except OSError:
        return None
    try:
        os.link(spare, path)
    except OSError as error:
        os.close(file)
        with suppress(OSError):
            os.unlink(spare)
        if isinstance(error, FileExistsError):
            raise
        # Its folder is missing, or the file system has no links.
        return None
    with suppress(OSError):
        os.unlink(spare)
    with suppress(OSError):
        # It says when the attempt was started, until something is printed.
        os.utime(file)
    return file


def _is_left(token: str) -> bool:
    """Return whether a folder is that of a keeper that is gone; one of ours is made after all others were looked at."""
    return token in (str(os.getpid()), own_token()) or not may_token_live(token)


def _remove(folder: str) -> None:
    with suppress(OSError):
        for name in os.listdir(folder):
            os.unlink(f"{folder}/{name}")
        os.rmdir(folder)
