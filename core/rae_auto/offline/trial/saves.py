"""Detects that a source file was saved: written, or replaced as editors do. Uses watchdog, without polling."""

import asyncio
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from watchdog.events import FileModifiedEvent, FileOpenedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from rae_auto.toolkit.threads.watchdog_log import drop_stop_errors

QUIET_SECONDS = 0.02
"""A file that was closed or replaced is complete after this time."""

WRITING_SECONDS = 0.1
"""A file that was written, and may be written further, is taken as complete after this time."""


class SaveWatch(FileSystemEventHandler):
    """Calls `on_save` on the event loop when one of the files has changed. Belongs to that loop."""

    def __init__(self, on_save: Callable[[], object]) -> None:
        self._on_save = on_save
        self._loop = asyncio.get_running_loop()
        self._files: dict[Path, object] = {}
        self._folders: set[Path] = set()
        self._timer: asyncio.TimerHandle | None = None
        drop_stop_errors()
        self._observer = Observer()
        self._observer.start()

    def add(self, files: Iterable[Path]) -> None:
        """Watch these files too. Raises OSError if the folder of one can't be watched."""
        for file in files:
            for path in {Path.cwd() / file, file.resolve()}:
                self._files.setdefault(path, _stamp(path))
                if path.parent not in self._folders:
                    self._observer.schedule(self, str(path.parent))
                    self._folders.add(path.parent)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
        self._observer.stop()

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Compare the files soon. Runs in a thread of the observer."""
        if isinstance(event, FileOpenedEvent):
            return
        paths = (Path(os.fsdecode(path)) for path in (event.src_path, event.dest_path) if path)
        if any(path in self._files for path in paths):
            wait = WRITING_SECONDS if isinstance(event, FileModifiedEvent) else QUIET_SECONDS
            self._loop.call_soon_threadsafe(self._schedule, wait)

    def _schedule(self, wait: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(wait, self._compare)

    def _compare(self) -> None:
        self._timer = None
        stamps = {path: _stamp(path) for path in self._files}
        if stamps != self._files:
            self._files = stamps
            self._on_save()


def _stamp(path: Path) -> object:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
