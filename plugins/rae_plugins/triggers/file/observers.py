"""The watches themselves: watchdog's observers, and what they don't tell of their own failures.

Watchdog loses events without an event that says so: when the kernel's queue overflows it writes a line into a log, when
watches run out it says nothing at all, and a thread of it that has died is only dead. So the log is listened to, the
kernel is asked what it watches, and threads are asked whether they live.
"""

import logging
import os
import warnings
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import define, frozen
from loguru import logger
from watchdog import events
from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from rae_plugins.triggers.file.matcher import Selection
from rae_plugins.triggers.file.pending import PendingPaths
from rae_plugins.triggers.file.polling import polling_observer
from rae_plugins.triggers.file.watch_plan import WatchedDir

_LOG = "watchdog.observers"
"""Above `watchdog.observers.inotify_c`, which tells of overflows."""

_DESCRIPTORS = Path("/proc/self/fdinfo")

_ENTRIES = [
    "DirCreatedEvent",
    "DirDeletedEvent",
    "DirMovedEvent",
    "FileCreatedEvent",
    "FileDeletedEvent",
    "FileMovedEvent",
]
_WRITING = ["FileClosedEvent", "FileModifiedEvent", "FileAttribEvent"]
_POLLED = ["DirCreatedEvent", "DirDeletedEvent", "DirMovedEvent", "DirModifiedEvent"]


def _classes(names: Iterable[str]) -> list[type[FileSystemEvent]]:
    # Opening and reading are left out, or jobs that read a file would start themselves. Older versions lack some.
    return [getattr(events, name) for name in names if hasattr(events, name)]


class Overflows(logging.Handler):
    """Hears of overflows of the kernel's queue, of whosoever's watches: that can't be told."""

    def __init__(self, dirt: PendingPaths) -> None:
        super().__init__(logging.WARNING)
        self._dirt = dirt

    def emit(self, record: logging.LogRecord) -> None:
        """Called in a thread of watchdog's."""
        if "overflow" in record.getMessage():
            self._dirt.everything(renew="the kernel's queue of file events overflowed")
        else:
            logger.debug("watchdog: {}", record.getMessage())

    def __enter__(self) -> "Overflows":
        """Begin to listen."""
        log = logging.getLogger(_LOG)
        if not log.isEnabledFor(logging.WARNING):
            log.setLevel(logging.WARNING)
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Listen no more."""
        logging.getLogger(_LOG).removeHandler(self)


@define(eq=False)
class Handler(FileSystemEventHandler):
    """Notes where something happened. Its methods are called in threads of watchdog's, which an exception would end."""

    post: WatchedDir
    selection: Selection
    dirt: PendingPaths

    def dispatch(self, event: FileSystemEvent) -> None:
        """What watchdog calls for everything that it sees."""
        try:
            self._note(event)
        except Exception:
            self.dirt.everything()

    def _note(self, event: FileSystemEvent) -> None:
        kind = event.event_type
        if source := self._path(event.src_path):
            self._at(source, event, closed=kind == "closed" if kind in ("closed", "modified") else None)
        if target := self._path(event.dest_path):
            # What takes the place of another by being renamed is whole.
            self._at(target, event, closed=True)

    def _at(self, path: str, event: FileSystemEvent, *, closed: bool | None) -> None:
        post = self.post
        if event.event_type == "modified" and event.is_directory:
            self.dirt.listing(path)
        elif post.names is not None:
            if os.path.dirname(path) == post.path and os.path.basename(path) not in post.names:
                return
            if event.event_type in ("closed", "modified", "attrib"):
                self.dirt.file(path, closed=closed)
            else:
                if closed:
                    self.dirt.file(path, closed=True)
                self.dirt.tree(path, replan=True)
        elif event.is_directory:
            is_top = path == post.path
            if is_top or self.selection.concerns(path):
                self.dirt.tree(path, replan=is_top or self._may_be_literal(path))
        elif self.selection.concerns(path):
            self.dirt.file(path, closed=closed)

    def _may_be_literal(self, path: str) -> bool:
        """Whether other watches may be needed because of a directory."""
        directory, name = os.path.split(path)
        return not self.post.recursive and name in self.selection.literal_names(self.selection.state_of(directory))

    def _path(self, seen: bytes | str) -> str | None:
        """As it was written."""
        path = os.fsdecode(seen)
        return self.post.written(path) if path else None


@frozen
class Watches:
    """The watches of one selection, until they are closed."""

    posts: tuple[WatchedDir, ...]
    observers: tuple[BaseObserver, ...]

    def close(self) -> None:
        """Watch no more. Blocks until the threads have ended."""
        for observer in self.observers:
            observer.stop()
        for observer in self.observers:
            if observer.is_alive():
                observer.join()

    def is_alive(self) -> bool:
        """Whether all threads are."""
        return all(
            observer.is_alive() and all(emitter.is_alive() for emitter in list(observer.emitters))
            for observer in self.observers
        )

    def unwatched(self, directories: Iterable[tuple[str, int]]) -> list[str]:
        """Which of these directories (with their inodes) the kernel doesn't watch; empty where that can't be told."""
        inodes = [found for observer in self.observers if (found := watched_inodes(observer)) is not None]
        polled = tuple(os.path.join(post.path, "") for post in self.posts if post.is_polled)
        tops = {post.path for post in self.posts if not post.is_polled and post.names is None}
        if not inodes or not tops:
            return []
        watched = set[int]().union(*inodes)
        below = tuple(os.path.join(top, "") for top in tops)
        return [
            path
            for path, inode in directories
            if (path in tops or path.startswith(below))
            and not os.path.join(path, "").startswith(polled)
            and inode % (1 << 64) not in watched
        ]


def watched_inodes(observer: BaseObserver) -> set[int] | None:
    """The inodes that the kernel watches for an observer; None where it has no inotify."""
    # There is no public way to it.
    descriptor: Any = getattr(getattr(observer, "_inotify_fd", None), "_inotify_fd", None)
    if not isinstance(descriptor, int):
        return None
    try:
        with (_DESCRIPTORS / str(descriptor)).open() as lines:
            return {
                int(line.split(" ", 3)[2].removeprefix("ino:"), 16) for line in lines if line.startswith("inotify wd:")
            }
    except (OSError, ValueError, IndexError):
        return None


def watch(posts: Sequence[WatchedDir], selection: Selection, dirt: PendingPaths, poll: timedelta) -> Watches:
    """Begin to watch. Blocks while the kernel gets to know the directories. Errors: OSError where watches run out."""
    # Its text would be the table of all watches.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    observers: list[BaseObserver] = []
    # What can only be passed through tells nothing.
    seen = [post for post in posts if post.names != frozenset()]
    watched = [post for post in seen if not post.is_polled]
    try:
        if watched:
            observers.append(Observer())
            _schedule(observers[-1], watched, selection, dirt)
        for post in seen:
            if post.is_polled:
                observers.append(polling_observer(post, selection, poll))
                _schedule(observers[-1], [post], selection, dirt)
    except BaseException:
        Watches(tuple(posts), tuple(observers)).close()
        raise
    return Watches(tuple(posts), tuple(observers))


def _schedule(observer: BaseObserver, posts: Iterable[WatchedDir], selection: Selection, dirt: PendingPaths) -> None:
    observer.start()
    for post in posts:
        handler = Handler(post, selection, dirt)
        filters = _classes(_POLLED if post.is_polled else _ENTRIES + _WRITING if post.sees_writing else _ENTRIES)
        try:
            observer.schedule(handler, post.real, recursive=post.recursive, event_filter=filters)
        except (FileNotFoundError, NotADirectoryError):
            # It went just now.
            dirt.everything(renew="a directory went")
