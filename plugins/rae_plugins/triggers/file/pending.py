"""The paths to scan next: filled by the threads of observers, emptied by the event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum

from attrs import define, field

NOTIFY_INTERVAL_SECONDS = 0.02
"""Time between two calls into the event loop while a burst goes on."""

MAX_PATHS = 100_000
"""If more paths are pending, none is remembered and everything is scanned."""


class FileSign(Enum):
    """The signs that an event gives of how far the writer of a file is."""

    WRITTEN = "written"
    CLOSED = "closed"
    RENAMED = "renamed"


@define
class ScanRequest:
    """A request to compare some paths, or everything, with the snapshot."""

    files: set[str] = field(factory=set)
    """Files, or directories that only need a scan if they are new."""

    trees: set[str] = field(factory=set)
    listings: set[str] = field(factory=set)
    """Directories whose own entries have changed, but nothing below them."""

    closed: set[str] = field(factory=set)
    """Files that their writer has closed and that have not changed after that."""

    renamed: set[str] = field(factory=set)
    """Files that were moved into place and have not changed after that: they are complete."""

    written: set[str] = field(factory=set)
    """Files that were seen to be written."""

    everything: bool = False
    rewatch_reason: str | None = None
    """Why the watches can no longer be trusted; an empty text if that needs no message."""

    replan: bool = False
    """True if other directories may need a watch."""

    def __bool__(self) -> bool:
        """Return whether there is anything to do."""
        return bool(self.files or self.trees or self.listings or self.everything or self.rewatch_reason or self.replan)


@define(eq=False)
class PendingPaths:
    """Collects paths to scan. Create it on the event loop; its `add_` methods may be called from any thread.

    `first` and `last` are the times of the first and last change of a burst, as `clock` shows them.
    """

    clock: Callable[[], float]
    first: float = field(init=False, default=0.0)
    last: float = field(init=False, default=0.0)
    available: asyncio.Event = field(init=False, factory=asyncio.Event)
    """Set while there is something to scan."""

    _loop: asyncio.AbstractEventLoop = field(init=False, factory=asyncio.get_running_loop)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _request: ScanRequest = field(init=False, factory=ScanRequest)
    _added: int = field(init=False, default=0)
    _published: int = field(init=False, default=0)
    _is_notifying: bool = field(init=False, default=False)

    def add_file(self, path: str, sign: FileSign | None = None) -> None:
        """Add a changed file, with the sign of its writer that the event gives."""
        with self._lock:
            request = self._request
            request.files.add(path)
            if sign is FileSign.WRITTEN:
                request.written.add(path)
                request.closed.discard(path)
                request.renamed.discard(path)
            elif sign is not None:
                (request.closed if sign is FileSign.CLOSED else request.renamed).add(path)
            self._notify()

    def add_tree(self, path: str, *, replan: bool = False) -> None:
        """Add a directory that has appeared or disappeared."""
        with self._lock:
            self._request.trees.add(path)
            self._request.replan |= replan
            self._notify()

    def add_listing(self, path: str) -> None:
        """Add a directory whose own entries have changed."""
        with self._lock:
            self._request.listings.add(path)
            self._notify()

    def add_everything(self, rewatch_reason: str | None = None) -> None:
        """Request a scan of everything; with a reason, also new watches."""
        with self._lock:
            is_known = self._request.everything and bool(rewatch_reason) <= bool(self._request.rewatch_reason)
            self._request.everything = True
            self._request.rewatch_reason = rewatch_reason or self._request.rewatch_reason
            # Watchdog may answer one overflow with the next, round and round: it would never become quiet.
            if not is_known:
                self._notify()

    @property
    def is_everything(self) -> bool:
        """Return whether everything is to be scanned."""
        return self._request.everything

    def pop_request(self) -> ScanRequest:
        """Return what has been collected, and start over. Call it on the event loop."""
        with self._lock:
            request, self._request = self._request, ScanRequest()
            self.available.clear()
        return request

    def _notify(self) -> None:
        self._added += 1
        request = self._request
        if len(request.files) + len(request.trees) + len(request.listings) > MAX_PATHS:
            request.everything = True
            request.files.clear()
            request.trees.clear()
            request.listings.clear()
            request.closed.clear()
            request.renamed.clear()
            request.written.clear()
        if not self._is_notifying:
            self._is_notifying = True
            # Once per burst: otherwise the event loop would do nothing else.
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._publish)

    def _publish(self) -> None:
        with self._lock:
            self._published = self._added
            self.last = self.clock()
            if not self.available.is_set():
                self.first = self.last
            if self._request:
                self.available.set()
        self._loop.call_later(NOTIFY_INTERVAL_SECONDS, self._publish_again)

    def _publish_again(self) -> None:
        with self._lock:
            if self._added == self._published:
                self._is_notifying = False
                return
        self._publish()
