"""The directories that need a watch, and the kind of watch each one gets.

Down to the first segment that stands for more than one name, each directory on the way is watched for the few names
that matter in it: so a root that does not exist yet, is deleted or is replaced is noticed. Below that, the whole tree
is watched.
"""

import os
from collections.abc import Container, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from rae_auto.toolkit.mounts import Mount, find_mount, read_mounts
from rae_plugins.triggers.file.matcher import Matcher, MatchState


class Polling(StrEnum):
    """The directories that are polled instead of watched."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@frozen
class WatchedDir:
    """A directory to watch."""

    path: str
    """Its path as the patterns name it."""

    real_path: str
    """Its path without symbolic links."""

    identity: tuple[int, int]
    """Device and inode, which distinguish it from another directory in its place."""

    names: frozenset[str] | None
    """The only names that matter in it; None for all, empty if it cannot be read."""

    recursive: bool
    is_polled: bool
    reports_writes: bool = True
    """True if writes to files matter, and not only their creation, deletion and renaming."""

    def to_pattern_path(self, real_path: str) -> str:
        """Return a path in the directory as the patterns name it."""
        if self.real_path == self.path or not real_path.startswith(self.real_path):
            return real_path
        return self.path + real_path[len(self.real_path) :]


def plan_watches(matcher: Matcher, polling: Polling) -> tuple[WatchedDir, ...]:
    """Return the directories to watch, given the directories that exist now."""
    mounts = read_mounts() if polling is Polling.AUTO else ()
    planned: list[WatchedDir] = []
    remaining = [(anchor, matcher.start_state(anchor)) for anchor in matcher.anchors()]
    while remaining:
        directory, state = remaining.pop()
        watched = _plan_directory(matcher, directory, state, polling, mounts)
        if watched is None:
            continue
        planned.append(watched)
        if watched.recursive:
            planned += _plan_mounts_below(watched, mounts)
            continue
        remaining += [
            (os.path.join(directory, name), below)
            for name in sorted(matcher.literal_names(state))
            if (below := matcher.enter(state, directory, name))
        ]
    return tuple(planned)


def count_watches(matcher: Matcher, polling: Polling) -> int:
    """Return the number of directories that the kernel has to watch; the names in a watched tree don't matter to it."""
    polled_or_not = plan_watches(matcher, polling)
    watched = [one for one in polled_or_not if not one.is_polled and one.names != frozenset()]
    polled = {one.real_path for one in polled_or_not if one.is_polled}
    return sum(_count_directories(one.real_path, polled) if one.recursive else 1 for one in watched)


def _count_directories(top: str, polled: Container[str]) -> int:
    count = 0
    for directory, names, _ in os.walk(top):
        count += 1
        names[:] = [name for name in names if os.path.join(directory, name) not in polled]
    return count


def _plan_directory(
    matcher: Matcher, directory: str, state: MatchState, polling: Polling, mounts: Sequence[Mount]
) -> WatchedDir | None:
    try:
        status = os.stat(directory)
        real_path = os.path.realpath(directory)
        if not os.path.isdir(real_path) or not os.access(real_path, os.R_OK):
            # A directory without read permission can be traversed but reports no events.
            return _traversed_only(directory, real_path, status) if os.path.isdir(real_path) else None
    except OSError:
        return None
    names = matcher.possible_names(state)
    file_names = (
        []
        if names is None
        else [name for name in matcher.literal_file_names(state) if not os.path.isdir(os.path.join(directory, name))]
    )
    return WatchedDir(
        directory,
        real_path,
        (status.st_dev, status.st_ino),
        names,
        matcher.needs_tree(state),
        polling is Polling.ALWAYS or not is_watchable(real_path, mounts),
        names is None or bool(file_names),
    )


def _traversed_only(directory: str, real_path: str, status: os.stat_result) -> WatchedDir:
    identity = (status.st_dev, status.st_ino)
    return WatchedDir(directory, real_path, identity, frozenset(), recursive=False, is_polled=False)


def _plan_mounts_below(watched: WatchedDir, mounts: Iterable[Mount]) -> list[WatchedDir]:
    """Return the mount points in a watched tree that have to be polled."""
    if watched.is_polled:
        return []
    planned = []
    for mount in mounts:
        is_below = mount.point != watched.real_path and Path(mount.point).is_relative_to(watched.real_path)
        if is_below and not mount.is_watchable:
            path = os.path.join(watched.path, os.path.relpath(mount.point, watched.real_path))
            planned.append(WatchedDir(path, mount.point, (0, 0), None, recursive=True, is_polled=True))
    return planned


def is_watchable(path: str, mounts: Sequence[Mount]) -> bool:
    """Return whether the kernel sees every change in a directory, given the mounted file systems."""
    mount = find_mount(Path(path), mounts)
    return mount is None or mount.is_watchable
