"""The contract of file rights: who else may read, write or replace a file, and how it becomes private."""

import os
from pathlib import Path
from typing import Protocol


class FileRights(Protocol):
    """Rights of files and folders. The administrators of the machine count as oneself.

    Texts follow the name of the file, and end with the remedy. `status` is that of the open file, if it is open: what
    is checked is what is read then. Each method may raise OSError.
    """

    def make_private(self, path: Path) -> None:
        """Take a file, or a folder and what is created in it from now on, from all other users."""
        ...

    def make_open_file_private(self, path: Path, descriptor: int) -> None:
        """Take a file that has just been opened from all other users, as far as that can be; no error otherwise."""
        ...

    def find_owner_problem(self, directory: Path) -> str | None:
        """Return why others could replace the content of a folder: it is another user's, or root can be led elsewhere.

        The text has no remedy, because only its reader knows which folder should be used instead.
        """
        ...

    def find_other_reader(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that other users can read a file or folder: `other users can read; run 'chmod 600 FILE'`; or None."""
        ...

    def find_folder_writer(self, directory: Path) -> str | None:
        """Return that others can put files into a folder: `others can write to it (…); run '…'`; or None."""
        ...

    def find_public_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that everyone can write a file or folder: `can be written by everyone; run '…'`; or None."""
        ...

    def find_other_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return how others could change or replace a file: `is writable by everyone; run 'chmod go-w FILE'`; or None.

        Each folder above counts too, in which the file could be replaced by another.
        """
        ...

    def is_own(self, path: Path) -> bool:
        """Return whether a file belongs to this user or root, and not everyone can write it."""
        ...

    def find_hidden_owner(self, directory: Path) -> str | None:
        """Return the owner of a folder that this user may not look into, or None if nothing bars it."""
        ...
