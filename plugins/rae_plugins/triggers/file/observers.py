"""Watchdog's observers, and the failures that they do not report themselves.

Watchdog loses events without an event that says so: if the kernel's queue overflows it writes a line to a log, if
watches run out it says nothing at all, and a thread that has died simply stays dead. So this module listens to the log,
asks the kernel which inodes it watches, and checks that the threads are alive.
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

from rae_auto.toolkit.threads.watchdog_log import drop_stop_errors
from rae_plugins.triggers.file.matcher import Matcher
from rae_plugins.triggers.file.pending import FileSign, PendingPaths
from rae_plugins.triggers.file.polling import make_polling_observer
from rae_plugins.triggers.file.watch_plan import WatchedDir

_WATCHDOG_LOG = "watchdog.observers"
"""The parent of `watchdog.observers.inotify_c`, which reports overflows."""

_FILE_SIGNS = {"modified": FileSign.WRITTEN, "closed": FileSign.CLOSED}
"""The signs of a writer, by type of event. Before version 7, watchdog took new permissions for a write too."""

_DESCRIPTOR_INFO = Path("/proc/self/fdinfo")

_ENTRY_EVENTS = [
    "DirCreatedEvent",
    "DirDeletedEvent",
    "DirMovedEvent",
    "FileCreatedEvent",
    "FileDeletedEvent",
    "FileMovedEvent",
]
_WRITE_EVENTS = ["FileClosedEvent", "FileModifiedEvent", "FileAttribEvent"]
_POLLED_EVENTS = ["DirCreatedEvent", "DirDeletedEvent", "DirMovedEvent", "DirModifiedEvent"]


def _event_classes(names: Iterable[str]) -> list[type[FileSystemEvent]]:
    # Opening and reading are left out, or jobs that read a file would start themselves. Older versions lack some.
    return [getattr(events, name) for name in names if hasattr(events, name)]


class OverflowHandler(logging.Handler):
    """Requests a full scan when the kernel's queue overflows; the log does not show whose watches lost events."""

    def __init__(self, pending: PendingPaths) -> None:
        super().__init__(logging.WARNING)
        self._pending = pending

    def emit(self, record: logging.LogRecord) -> None:
        """Handle a log record; called in one of watchdog's threads."""
        message = record.getMessage()
        if "overflow" in message:
            self._pending.add_everything(rewatch_reason="the kernel's queue of file events overflowed")
        elif record.levelno >= logging.ERROR:
            self._pending.add_everything(rewatch_reason=f"watching failed ({message})")
        else:
            logger.debug("watchdog: {}", message)

    def __enter__(self) -> "OverflowHandler":
        """Start listening to watchdog's log."""
        log = logging.getLogger(_WATCHDOG_LOG)
        if not log.isEnabledFor(logging.WARNING):
            log.setLevel(logging.WARNING)
        log.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        logging.getLogger(_WATCHDOG_LOG).removeHandler(self)


@define(eq=False)
class EventHandler(FileSystemEventHandler):
    """Adds the paths of watchdog's events to the pending ones. An exception would end the thread that calls it."""

    watched: WatchedDir
    matcher: Matcher
    pending: PendingPaths

    def dispatch(self, event: FileSystemEvent) -> None:
        """Handle an event; called by watchdog for everything that it sees."""
        try:
            self._handle(event)
        except Exception:
            self.pending.add_everything()

    def _handle(self, event: FileSystemEvent) -> None:
        if source := self._pattern_path(event.src_path):
            self._add(source, event, _FILE_SIGNS.get(event.event_type))
        if target := self._pattern_path(event.dest_path):
            self._add(target, event, FileSign.RENAMED)

    def _add(self, path: str, event: FileSystemEvent, sign: FileSign | None) -> None:
        watched = self.watched
        if event.event_type == "modified" and event.is_directory:
            self.pending.add_listing(path)
        elif watched.names is not None:
            if os.path.dirname(path) == watched.path and os.path.basename(path) not in watched.names:
                return
            if event.event_type in ("closed", "modified", "attrib"):
                self.pending.add_file(path, sign)
            else:
                if sign is FileSign.RENAMED:
                    self.pending.add_file(path, sign)
                self.pending.add_tree(path, replan=True)
        elif event.is_directory:
            is_top = path == watched.path
            if is_top or self.matcher.is_relevant(path):
                self.pending.add_tree(path, replan=is_top or self._may_need_watch(path))
        elif self.matcher.is_relevant(path):
            self.pending.add_file(path, sign)

    def _may_need_watch(self, path: str) -> bool:
        """Return whether a directory may need a watch of its own."""
        directory, name = os.path.split(path)
        return not self.watched.recursive and name in self.matcher.literal_names(self.matcher.state_of(directory))

    def _pattern_path(self, event_path: bytes | str) -> str | None:
        path = os.fsdecode(event_path)
        return self.watched.to_pattern_path(path) if path else None


@frozen
class WatchHandle:
    """The running watches of one trigger, until they are closed."""

    directories: tuple[WatchedDir, ...]
    observers: tuple[BaseObserver, ...]

    def close(self) -> None:
        """Stop watching. Blocks until the threads have ended."""
        for observer in self.observers:
            observer.stop()
        for observer in self.observers:
            if observer.is_alive():
                observer.join()

    def is_alive(self) -> bool:
        """Return whether all threads are alive."""
        return all(
            observer.is_alive() and all(emitter.is_alive() for emitter in list(observer.emitters))
            for observer in self.observers
        )

    def find_unwatched(self, directories: Iterable[tuple[str, int]]) -> list[str]:
        """Return those of some directories (path, inode) that the kernel does not watch; empty if that is unknown."""
        inodes = [known for observer in self.observers if (known := read_watched_inodes(observer)) is not None]
        polled = tuple(os.path.join(watched.path, "") for watched in self.directories if watched.is_polled)
        tops = {watched.path for watched in self.directories if not watched.is_polled and watched.names is None}
        if not inodes or not tops:
            return []
        watched_inodes = set[int]().union(*inodes)
        roots = [watched for watched in self.directories if not watched.is_polled and watched.names != frozenset()]
        if not {watched.identity[1] % (1 << 64) for watched in roots} <= watched_inodes:
            # The file system gives its directories other numbers than the kernel does.
            return []
        below_tops = tuple(os.path.join(top, "") for top in tops)
        return [
            path
            for path, inode in directories
            if (path in tops or path.startswith(below_tops))
            and not os.path.join(path, "").startswith(polled)
            and inode % (1 << 64) not in watched_inodes
        ]


def read_watched_inodes(observer: BaseObserver) -> set[int] | None:
    """Return the inodes that the kernel watches for an observer, or None if it does not use inotify.

    Source: the `inotify wd:… ino:…` lines of /proc/PID/fdinfo, proc_pid_fdinfo(5).
    """
    # Watchdog has no public way to its descriptor.
    descriptor: Any = getattr(getattr(observer, "_inotify_fd", None), "_inotify_fd", None)
    if not isinstance(descriptor, int):
        return None
    try:
        with (_DESCRIPTOR_INFO / str(descriptor)).open() as lines:
            return {
                int(line.split(" ", 3)[2].removeprefix("ino:"), 16) for line in lines if line.startswith("inotify wd:")
            }
    except (OSError, ValueError, IndexError):
        return None


def start_watching(
    directories: Sequence[WatchedDir], matcher: Matcher, pending: PendingPaths, poll: timedelta
) -> WatchHandle:
    """Start watching. Blocks until the kernel watches the directories. Errors: OSError if watches run out."""
    drop_stop_errors()
    # The text of watchdog's warning would be the table of all watches.
    warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"watchdog\.")
    observers: list[BaseObserver] = []
    # A directory without read permission reports no events.
    readable = [watched for watched in directories if watched.names != frozenset()]
    not_polled = [watched for watched in readable if not watched.is_polled]
    try:
        if not_polled:
            observers.append(Observer())
            _schedule(observers[-1], not_polled, matcher, pending)
        for watched in readable:
            if watched.is_polled:
                observers.append(make_polling_observer(watched, matcher, poll))
                _schedule(observers[-1], [watched], matcher, pending)
    except BaseException:
        WatchHandle(tuple(directories), tuple(observers)).close()
        raise
    return WatchHandle(tuple(directories), tuple(observers))


def _schedule(
    observer: BaseObserver, directories: Iterable[WatchedDir], matcher: Matcher, pending: PendingPaths
) -> None:
    observer.start()
    for watched in directories:
        handler = EventHandler(watched, matcher, pending)
        if watched.is_polled:
            names = _POLLED_EVENTS
        else:
            names = _ENTRY_EVENTS + _WRITE_EVENTS if watched.reports_writes else _ENTRY_EVENTS
        try:
            observer.schedule(
                handler, watched.real_path, recursive=watched.recursive, event_filter=_event_classes(names)
            )
        except (FileNotFoundError, NotADirectoryError):
            # It has disappeared since the plan was made.
            pending.add_everything(rewatch_reason="a watched directory disappeared")
