"""Detects that the configuration file has changed since it was read (`watch_config = true`).

Editors replace files rather than write them, so directories are watched instead of the file. Only the entries on the
way to the file count: its own name, and those of the symbolic links that lead to it. The event itself says little;
after a quiet time the caller is asked to compare the file with the one it has read.
"""

import asyncio
import glob
import os
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from loguru import logger
from watchdog.events import (
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from rae_auto.config.files.fragments import find_watched_folders
from rae_auto.daemon.reloading.directory_entries import find_directory_entries
from rae_auto.toolkit.threads.watchdog_log import drop_stop_errors

QUIET_SECONDS = 0.3
"""The file counts as complete after this time without a change."""

MAX_DELAY_SECONDS = 3.0
"""The file is compared after this time even if it goes on changing."""

_CHANGES = [
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]


def list_watched(main: Path, files: Iterable[Path], include: Iterable[str]) -> dict[Path, set[str]]:
    """Return the entries of directories that make a configuration: the files, links to them, and what is included.

    Names are patterns, as `fnmatch` takes them.
    """
    entries: dict[Path, set[str]] = {}
    for path in {main, *files}:
        for directory, names in find_directory_entries(path).items():
            entries.setdefault(directory, set()).update(map(glob.escape, names))
    for directory, pattern in find_watched_folders(main, include):
        entries.setdefault(directory, set()).add(pattern)
    return entries


class ConfigWatcher(FileSystemEventHandler):
    """Calls `on_change` on the event loop after the file may have changed. Belongs to that loop."""

    def __init__(self, list_entries: Callable[[], Mapping[Path, set[str]]], on_change: Callable[[], object]) -> None:
        """Start watching the entries of directories, of which `list_entries` returns names and patterns of names.

        Errors: OSError if a directory can't be watched.
        """
        self._list_entries = list_entries
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._first_change_at = 0.0
        self._closed = False
        drop_stop_errors()
        self._observer = Observer()
        self._entries: dict[Path, set[str]] = {}
        self._observer.start()
        try:
            self._watch_entries()
        except BaseException:
            self.close()
            raise
        # A change between reading the file and this point has caused no event.
        self._schedule()

    def close(self) -> None:
        """Stop watching."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._observer.stop()

    def refresh(self) -> None:
        """List the entries again soon, because the files of the configuration may be others."""
        self._schedule()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Schedule a comparison if the event is about an entry that counts. Runs in a thread of the observer."""
        for path in (event.src_path, event.dest_path):
            directory, name = os.path.split(os.fsdecode(path))
            if any(fnmatchcase(name, pattern) for pattern in self._entries.get(Path(directory), ())):
                self._loop.call_soon_threadsafe(self._schedule)
                return

    def _schedule(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        if self._timer is None:
            self._first_change_at = now
        else:
            self._timer.cancel()
        wait = min(QUIET_SECONDS, max(self._first_change_at + MAX_DELAY_SECONDS - now, 0.0))
        self._timer = self._loop.call_later(wait, self._compare)

    def _compare(self) -> None:
        self._timer = None
        try:
            self._watch_entries()
        except OSError as error:
            what = "changes of the configuration may go unnoticed: {}; 'rae-auto reload' reads it again"
            logger.warning(what, error)
        self._on_change()

    def _watch_entries(self) -> None:
        """Watch the directories on the way to the file; a link may lead elsewhere than before."""
        entries = dict(self._list_entries())
        if entries.keys() != self._entries.keys():
            self._observer.unschedule_all()
            for directory in entries:
                self._observer.schedule(self, str(directory), event_filter=_CHANGES)
        self._entries = entries
