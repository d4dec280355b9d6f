"""File rights by access control lists.

The state directory gets a list of its own, which what is created in it inherits, and so does each private file.
"""

import contextlib
import os
from functools import cached_property
from pathlib import Path

from rae_auto.platforms.windows.security import AdvapiSecurity, FileSecurity
from rae_auto.platforms.windows.security_descriptor import (
    EVERYONE,
    READ_DATA,
    REPLACE_IN_FOLDER,
    WRITE_FILE,
    SecurityDescriptor,
    is_self,
    private_descriptor,
)


class WindowsRights:
    """Access control lists; the system and administrators count as root does on POSIX."""

    def __init__(self, security: FileSecurity | None = None) -> None:
        self._security = security or AdvapiSecurity()

    @cached_property
    def _own_sid(self) -> str:
        return self._security.own_sid()

    def make_private(self, path: Path) -> None:
        """Give a file or folder a list for this user and the machine."""
        self._security.write(path, private_descriptor(self._own_sid))

    def make_open_file_private(self, path: Path, descriptor: int) -> None:
        """Give a file a list of its own, because not each folder has one that its files inherit."""
        with contextlib.suppress(OSError):
            self.make_private(path)

    def find_owner_problem(self, directory: Path) -> str | None:
        """Return that the folder belongs to another user."""
        owner = self._read(directory).owner
        return None if self._is_self(owner) else f"the state directory is owned by another user ({owner})"

    def find_other_reader(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that others may read."""
        others = self._read(path).others(READ_DATA, self._own_sid)
        return f"other users can read; run '{self._repair_command(path)}'" if others else None

    def find_folder_writer(self, directory: Path) -> str | None:
        """Return who else may write to a folder."""
        others = self._read(directory).others(WRITE_FILE, self._own_sid)
        if not others:
            return None
        return f"others can write to it ({' and '.join(others)}); run '{self._repair_command(directory)}'"

    def find_public_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that everyone, or every user of the machine, may write."""
        others = self._read(path).others(WRITE_FILE, self._own_sid)
        is_public = not set(others).isdisjoint(EVERYONE)
        return f"can be written by everyone; run '{self._repair_command(path)}'" if is_public else None

    def find_other_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return how another user could change a file, or put another in its place."""
        if risk := self._describe_risk(path, WRITE_FILE):
            return f"{risk}; run '{self._repair_command(path)}'"
        directories = {*path.absolute().parents, *path.resolve().parents}
        for directory in sorted(directories, reverse=True):
            if risk := self._describe_risk(directory, REPLACE_IN_FOLDER):
                return f"its directory {directory} {risk}; run '{self._repair_command(directory)}', or move the file"
        return None

    def is_own(self, path: Path) -> bool:
        """Return whether the owner is this user or the machine, and not everyone can write."""
        return self._is_self(self._read(path).owner) and self.find_public_writer(path) is None

    def find_hidden_owner(self, directory: Path) -> str | None:
        """Return the owner of a folder that can't be listed."""
        try:
            os.listdir(directory)  # noqa: PTH208 - whether it can be
        except PermissionError:
            try:
                owner = self._read(directory).owner
            except OSError:
                return "another user"
            return None if self._is_self(owner) else f"the user {owner}"
        except OSError:
            pass
        return None

    def _describe_risk(self, path: Path, rights: int) -> str | None:
        descriptor = self._read(path)
        if not self._is_self(descriptor.owner):
            return f"is owned by another user ({descriptor.owner})"
        others = descriptor.others(rights, self._own_sid)
        if not others:
            return None
        return "is writable by everyone" if set(others) & set(EVERYONE) else f"is writable by {' and '.join(others)}"

    def _read(self, path: Path) -> SecurityDescriptor:
        try:
            return SecurityDescriptor.parse(self._security.read(path))
        except ValueError as error:
            raise OSError(None, str(error), str(path)) from None

    def _is_self(self, account: str) -> bool:
        return is_self(account, self._own_sid)

    def _repair_command(self, path: Path) -> str:
        """Return the command that takes a file or folder from other users."""
        rights = "(OI)(CI)F" if path.is_dir() else "F"
        # By number, because each shell has its own way to name the user.
        return f'icacls "{path}" /inheritance:r /grant:r "*{self._own_sid}:{rights}"'
