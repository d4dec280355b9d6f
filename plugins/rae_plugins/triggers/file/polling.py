"""Polling of directories that cannot be watched, with watchdog's polling observer.

That observer remembers the status of every file, 90 MB for a hundred thousand of them, though the snapshot on disk
has it all. So it is shown directories only, each with a fingerprint of the files in it in place of its modification
time: it notices that a directory has changed, and the diff finds out which files have.
"""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from attrs import define, field, frozen
from watchdog.observers.polling import PollingObserverVFS

from rae_plugins.triggers.file.matcher import Matcher
from rae_plugins.triggers.file.watch_plan import WatchedDir


@frozen
class DirectoryFingerprint:
    """A status that watchdog takes for the directory's: `st_mtime` is a digest of the files, `st_size` their number."""

    st_ino: int
    st_dev: int
    st_mtime: int
    st_size: int
    st_mode: int = stat.S_IFDIR


class SubdirectoryEntry(NamedTuple):
    """An entry of a directory listing, as watchdog expects it."""

    name: str


@define(eq=False)
class PolledTree:
    """The view of a watched tree that the observer gets. Only the observer's thread calls it."""

    watched: WatchedDir
    matcher: Matcher
    _subdirectories: dict[str, list[SubdirectoryEntry]] = field(init=False, factory=dict)
    """The sub-directories of directories whose fingerprint was taken; watchdog asks for them next."""

    def status(self, path: str) -> DirectoryFingerprint:
        """Return the fingerprint of a directory. Errors: OSError."""
        if path == self.watched.real_path:
            self._subdirectories.clear()
        status = os.stat(path)
        pattern_path = self.watched.to_pattern_path(path)
        state = self.matcher.state_of(pattern_path)
        literal_names = self.matcher.literal_names(state)
        subdirectories, digest, count = [], 0, 0
        if state:
            with os.scandir(path) as listing:
                for entry in listing:
                    name = entry.name
                    if entry.is_dir():
                        is_followed = not entry.is_symlink() or name in literal_names
                        if is_followed and self.matcher.enter(state, pattern_path, name):
                            subdirectories.append(SubdirectoryEntry(name))
                    elif self.matcher.matches(state, pattern_path, name):
                        count += 1
                        # A sum, because the order of a listing may change.
                        digest += hash((name, _numbers(entry)))
        self._subdirectories[path] = subdirectories
        return DirectoryFingerprint(status.st_ino, status.st_dev, digest, count)

    def listing(self, path: str | None) -> Iterator[Any]:
        """Return the sub-directories of a directory whose fingerprint has just been taken."""
        return iter(self._subdirectories.pop(path or "", ()))


def _numbers(entry: "os.DirEntry[str]") -> tuple[int, ...]:
    try:
        status = entry.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def make_polling_observer(watched: WatchedDir, matcher: Matcher, poll: timedelta) -> PollingObserverVFS:
    """Return an observer that polls a watched tree every `poll`."""
    tree = PolledTree(watched, matcher)
    return PollingObserverVFS(
        stat=tree.status,  # type: ignore[arg-type]  # watchdog reads no other field of a status
        listdir=tree.listing,
        polling_interval=poll.total_seconds(),
    )
