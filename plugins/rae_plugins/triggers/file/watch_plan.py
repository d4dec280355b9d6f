"""Which directories have to be watched for a selection, and how.

Down to where a pattern stands for more than one name, each directory on the way is watched for the few names that
matter in it: so a root that doesn't exist yet, is deleted or replaced is noticed. From there on a whole tree is.
"""

import os
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from rae_auto.toolkit.mounts import Mount, find_mount, read_mounts
from rae_plugins.triggers.file.matcher import Selection, State


class Polling(StrEnum):
    """Whether directories are looked at from time to time instead of being watched."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@frozen
class WatchedDir:
    """A directory to be watched."""

    path: str
    """As it was written."""

    real: str
    """Without links."""

    identity: tuple[int, int]
    """Device and inode, which tell it from another that takes its place."""

    names: frozenset[str] | None
    """The only names that matter in it; None for all."""

    recursive: bool
    is_polled: bool
    sees_writing: bool = True
    """Whether it matters what is written to files, and not only which there are."""

    def written(self, real: str) -> str:
        """A path in it, as it was written."""
        if self.real == self.path or not real.startswith(self.real):
            return real
        return self.path + real[len(self.real) :]


def plan(selection: Selection, polling: Polling) -> tuple[WatchedDir, ...]:
    """The directories to be watched, as things are."""
    mounted = read_mounts() if polling is Polling.AUTO else ()
    found: list[WatchedDir] = []
    waiting = [(anchor, selection.start(anchor)) for anchor in selection.anchors()]
    while waiting:
        directory, state = waiting.pop()
        post = _post(selection, directory, state, polling, mounted)
        if post is None:
            continue
        found.append(post)
        if post.recursive:
            found += _mounted_below(post, mounted)
            continue
        waiting += [
            (os.path.join(directory, name), below)
            for name in sorted(selection.literal_names(state))
            if (below := selection.enter(state, directory, name))
        ]
    return tuple(found)


def _post(
    selection: Selection, directory: str, state: State, polling: Polling, mounted: Sequence[Mount]
) -> WatchedDir | None:
    try:
        status = os.stat(directory)
        real = os.path.realpath(directory)
        if not os.path.isdir(real) or not os.access(real, os.R_OK):
            # One that can only be passed through tells nothing.
            return _unseen(directory, real, status) if os.path.isdir(real) else None
    except OSError:
        return None
    names = selection.names(state)
    files = (
        [] if names is None else [name for name in selection.files_named(state) if not _is_directory(directory, name)]
    )
    return WatchedDir(
        directory,
        real,
        (status.st_dev, status.st_ino),
        names,
        selection.is_deep(state),
        polling is Polling.ALWAYS or not is_watchable(real, mounted),
        names is None or bool(files),
    )


def _unseen(directory: str, real: str, status: os.stat_result) -> WatchedDir:
    return WatchedDir(directory, real, (status.st_dev, status.st_ino), frozenset(), recursive=False, is_polled=False)


def _is_directory(directory: str, name: str) -> bool:
    return os.path.isdir(os.path.join(directory, name))


def _mounted_below(post: WatchedDir, mounted: Iterable[Mount]) -> list[WatchedDir]:
    """What of a tree lies on file systems whose changes the kernel doesn't see."""
    found = []
    for mount in mounted:
        if not mount.is_watchable and mount.point != post.real and Path(mount.point).is_relative_to(post.real):
            path = os.path.join(post.path, os.path.relpath(mount.point, post.real))
            found.append(WatchedDir(path, mount.point, (0, 0), None, recursive=True, is_polled=True))
    return [] if post.is_polled else found


def is_watchable(path: str, mounts: Sequence[Mount]) -> bool:
    """Whether the kernel sees every change in a directory, given the mounted file systems."""
    mount = find_mount(Path(path), mounts)
    return mount is None or mount.is_watchable
