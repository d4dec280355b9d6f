"""The mount table, and the file systems that machines or programs other than this kernel can change (Linux only).

Three questions are answered from one list. May a lock on this file system be believed? Stores refuse or warn where
`is_network` holds, because another machine may hold "the same" lock. May its locks be doubted? `rae-auto doctor` warns
on `is_shared_with_host` too, which covers the folders that a virtual machine gets from its host. Does the kernel see
every change? It does not where `is_watchable` is false: inotify reports only what goes through this kernel
(inotify(7), "Limitations and caveats"), so files there must be polled.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

MOUNT_TABLE = Path("/proc/self/mountinfo")
"""One line per mount, the format of proc_pid_mountinfo(5)."""

NETWORK_TYPES = frozenset(
    [
        "afs",
        "ceph",
        "cifs",
        "coda",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb3",
        "smbfs",
    ]
)
HOST_SHARE_TYPES = frozenset(["9p", "prl_fs", "vboxsf", "virtiofs", "vmhgfs"])

_OCTAL_ESCAPE = re.compile(r"\\([0-7]{3})")


@frozen
class Mount:
    """A mounted file system: its mount point and its type."""

    point: str
    type: str

    @property
    def is_network(self) -> bool:
        """Return whether another machine can change its files, judged by the type."""
        return self.type in NETWORK_TYPES

    @property
    def is_shared_with_host(self) -> bool:
        """Return whether it is shared with the host of a virtual machine or container."""
        return self.type in HOST_SHARE_TYPES

    @property
    def is_watchable(self) -> bool:
        """Return whether the kernel sees every change to its files."""
        return not (self.is_network or self.is_shared_with_host or self.type.startswith("fuse"))


def read_mounts() -> tuple[Mount, ...]:
    """Return the mounted file systems, for each mount point only the topmost; empty if there is no mount table."""
    try:
        lines = MOUNT_TABLE.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return ()
    mounts = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        point = _OCTAL_ESCAPE.sub(lambda match: chr(int(match[1], 8)), before.split(" ")[4])
        mounts[point] = Mount(point, after.split(" ")[0])
    return tuple(mounts.values())


def find_mount(path: Path, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that a resolved path is on, or None if the mounts are unknown."""
    above = (mount for mount in mounts if path.is_relative_to(mount.point))
    return max(above, key=lambda mount: len(mount.point), default=None)


def network_type(path: Path) -> str | None:
    """Return the file system type of a path on a network file system, or None if it is local or unknown."""
    mount = find_mount(path, read_mounts())
    return mount.type if mount is not None and mount.is_network else None
