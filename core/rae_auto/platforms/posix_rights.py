"""File rights by mode and owner."""

import contextlib
import os
import stat
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO


class PosixRights:
    """Modes and owners, as in inode(7)."""

    def make_private(self, path: Path) -> None:
        """Set the mode 0700 of a folder, 0600 of a file."""
        path.chmod(0o700 if path.is_dir() else 0o600)

    def make_open_file_private(self, path: Path, descriptor: int) -> None:
        """Set the mode 0600 of the open file."""
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, 0o600)

    def find_owner_problem(self, directory: Path) -> str | None:
        """Return why another user could change the contents of a folder.

        A user is responsible for his own parent directories. Root checks them too: the owner of one can replace what is
        in it, unless the sticky bit keeps others from that.
        """
        me, status = os.geteuid(), directory.stat()
        if status.st_uid != me:
            return f"the state directory is owned by another user (uid {status.st_uid})"
        for parent in directory.parents if me == 0 else ():
            status = parent.stat()
            is_sticky = status.st_mode & stat.S_ISVTX
            if status.st_uid != 0 or (status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not is_sticky):
                return f"{parent}, in which the state directory of root is, can be changed by another user"
        return None

    def find_other_reader(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that the group or others have any right."""
        mode = (path.stat() if status is None else status).st_mode
        return f"other users can read; run 'chmod {_private_mode(mode)} {path}'" if mode & OTHERS else None

    def find_folder_writer(self, directory: Path) -> str | None:
        """Return that the group or others may write to a folder."""
        mode = stat.S_IMODE(directory.stat().st_mode)
        if not mode & (stat.S_IWGRP | stat.S_IWOTH):
            return None
        return f"others can write to it (mode {mode:o}); run 'chmod 700 {directory}'"

    def find_public_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return that everyone may write."""
        mode = (path.stat() if status is None else status).st_mode
        return f"can be written by everyone; run 'chmod o-w {path}'" if mode & stat.S_IWOTH else None

    def find_other_writer(self, path: Path, status: os.stat_result | None = None) -> str | None:
        """Return how another user could change a file, or put another in its place.

        A group without other members counts as oneself.
        """
        status = path.stat() if status is None else status
        if risk := _describe_risk(status):
            return f"{risk}; run '{_repair_command(path, status)}'"
        directories = {*path.absolute().parents, *path.resolve().parents}
        for directory in sorted(directories, reverse=True):
            above = directory.stat()
            # In a sticky directory such as /tmp only the owner of a file can replace it.
            if (risk := _describe_risk(above)) and not (above.st_mode & stat.S_ISVTX and above.st_uid in _own_ids()):
                return f"its directory {directory} {risk}; run '{_repair_command(directory, above)}', or move the file"
        return None

    def is_own(self, path: Path) -> bool:
        """Return whether the owner is this user or root, and the mode keeps others from writing."""
        status = path.stat()
        return status.st_uid in _own_ids() and not status.st_mode & stat.S_IWOTH

    def find_hidden_owner(self, directory: Path) -> str | None:
        """Return the name of the owner of a folder, or of the one above it, that can't be entered."""
        place = directory
        while True:
            try:
                status = place.stat()
                break
            except PermissionError:
                place = place.parent
            except OSError:
                return None
        if status.st_uid == os.geteuid() or os.access(place, os.R_OK | os.X_OK):
            return None
        import pwd  # lazy: start-up

        try:
            return pwd.getpwuid(status.st_uid).pw_name
        except KeyError:
            return f"user {status.st_uid}"


def _private_mode(mode: int) -> str:
    return "700" if stat.S_ISDIR(mode) else "600"


def _own_ids() -> tuple[int, int]:
    return 0, os.geteuid()


def _describe_risk(status: os.stat_result) -> str | None:
    if status.st_uid not in _own_ids():
        return f"is owned by another user (uid {status.st_uid})"
    if status.st_mode & stat.S_IWOTH:
        return "is writable by everyone"
    if status.st_mode & stat.S_IWGRP and not _is_private_group(status):
        return "is writable by its group"
    return None


def _is_private_group(status: os.stat_result) -> bool:
    """Return whether a group has no members but the owner and root.

    Such are the groups of users on many Linux distributions, where the umask is 002, and the one that Debian's
    `/usr/local` belongs to.
    """
    import grp
    import pwd

    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    own_names = {owner.pw_name, "root"}
    return set(group.gr_mem) <= own_names and all(
        user.pw_name in own_names for user in pwd.getpwall() if user.pw_gid == group.gr_gid
    )


def _repair_command(path: Path, status: os.stat_result) -> str:
    """Return the command that takes a file or directory from other users."""
    import shlex  # lazy: start-up

    name = shlex.quote(str(path))
    if status.st_uid not in _own_ids():
        return f"sudo chown {os.geteuid()} {name}"
    return f"chmod go-w {name}" if status.st_uid == os.geteuid() else f"sudo chmod go-w {name}"
