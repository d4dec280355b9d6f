"""Looking from time to time where watching isn't possible, with watchdog's polling observer.

That observer remembers the status of every file, 90 MB for a hundred thousand of them, though the snapshot on disk has
it all. So it is shown directories only, each with a fingerprint of the files in it in the place of its time: it notices
that a directory has changed, and the comparison finds out what.
"""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from attrs import define, field, frozen
from watchdog.observers.polling import PollingObserverVFS

from rae_plugins.triggers.file.matcher import Selection
from rae_plugins.triggers.file.watch_plan import WatchedDir


@frozen
class Fingerprint:
    """A directory, as a status by which changes in it can be told."""

    st_ino: int
    st_dev: int
    st_mtime: int
    st_size: int
    st_mode: int = stat.S_IFDIR


class Entry(NamedTuple):
    """A sub-directory."""

    name: str


@define(eq=False)
class Shown:
    """What the observer of a post gets to see. Only its thread calls."""

    post: WatchedDir
    selection: Selection
    _below: dict[str, list[Entry]] = field(init=False, factory=dict)
    """Of directories whose fingerprint was taken, the sub-directories, which are asked for next."""

    def status(self, path: str) -> Fingerprint:
        """The fingerprint of a directory. Errors: OSError."""
        if path == self.post.real:
            self._below.clear()
        status = os.stat(path)
        written = self.post.written(path)
        state = self.selection.state_of(written)
        literal = self.selection.literal_names(state)
        below, digest, count = [], 0, 0
        if state:
            with os.scandir(path) as listing:
                for entry in listing:
                    name = entry.name
                    if entry.is_dir():
                        if (not entry.is_symlink() or name in literal) and self.selection.enter(state, written, name):
                            below.append(Entry(name))
                    elif self.selection.matches(state, written, name):
                        count += 1
                        # A sum, since the order of a listing may change.
                        digest += hash((name, _numbers(entry)))
        self._below[path] = below
        return Fingerprint(status.st_ino, status.st_dev, digest, count)

    def listing(self, path: str | None) -> Iterator[Any]:
        """The sub-directories of a directory whose fingerprint was taken just now."""
        return iter(self._below.pop(path or "", ()))


def _numbers(entry: "os.DirEntry[str]") -> tuple[int, ...]:
    try:
        status = entry.stat()
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def polling_observer(post: WatchedDir, selection: Selection, poll: timedelta) -> PollingObserverVFS:
    """An observer that looks at the directories of a post every so often."""
    shown = Shown(post, selection)
    return PollingObserverVFS(
        stat=shown.status,  # type: ignore[arg-type]  # no more of a status is asked for
        listdir=shown.listing,
        polling_interval=poll.total_seconds(),
    )
