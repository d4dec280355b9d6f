"""Notices that the configuration's file is another than the one that was read: `watch_config = true`.

Only directories can be watched for files that editors replace, and only their entries on the way to the file count: its
own name, and those of links that lead to it. What happened to them says little, so after a quiet time the file is
looked at, and read again if it isn't the one that was read last.
"""

import asyncio
import os
from collections.abc import Callable
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

from rae_auto.daemon.file_identity import entries_to

QUIET = 0.3
"""Seconds without a change after which the file is taken for whole."""

PATIENCE = 3.0
"""Seconds after which it is looked at though it goes on changing."""

_CHANGES = [
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
]


class ConfigWatch(FileSystemEventHandler):
    """Calls `settled` on the event loop after the file may have changed. Belongs to that loop."""

    def __init__(self, path: Path, settled: Callable[[], None]) -> None:
        """Begin. Errors: OSError where the directory can't be watched."""
        self._path = path
        self._settled = settled
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._since = 0.0
        self._closed = False
        self._observer = Observer()
        self._entries: dict[Path, set[str]] = {}
        self._observer.start()
        try:
            self._follow()
        except BaseException:
            self.close()
            raise
        # What happened before the watch began has made no event.
        self._changed()

    def close(self) -> None:
        """Watch no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._observer.stop()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Called in a thread of the observer's."""
        for place in (event.src_path, event.dest_path):
            directory, name = os.path.split(os.fsdecode(place))
            if name in self._entries.get(Path(directory), ()):
                self._loop.call_soon_threadsafe(self._changed)
                return

    def _changed(self) -> None:
        if self._closed:
            return
        now = self._loop.time()
        if self._timer is None:
            self._since = now
        else:
            self._timer.cancel()
        wait = min(QUIET, max(self._since + PATIENCE - now, 0.0))
        self._timer = self._loop.call_later(wait, self._settle)

    def _settle(self) -> None:
        self._timer = None
        try:
            self._follow()
        except OSError as error:
            logger.warning("changes of {} may go unnoticed: {}", self._path, error)
        self._settled()

    def _follow(self) -> None:
        """Watch what leads to the file now; a link may lead elsewhere than before."""
        entries = entries_to(self._path)
        if entries.keys() != self._entries.keys():
            self._observer.unschedule_all()
            for directory in entries:
                self._observer.schedule(self, str(directory), event_filter=_CHANGES)
        self._entries = entries
