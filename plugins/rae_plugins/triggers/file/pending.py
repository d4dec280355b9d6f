"""Where to look: filled by the threads of watches, emptied by the event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from attrs import define, field

BEAT = 0.02
"""Seconds between two calls into the event loop while a burst goes on."""

MOST = 100_000
"""Of more places than that none is remembered, and everything is looked at."""


@define
class ScanRequest:
    """What is to be compared."""

    files: set[str] = field(factory=set)
    """Files, or directories that need only be looked into where they are new."""

    trees: set[str] = field(factory=set)
    listings: set[str] = field(factory=set)
    """Directories in which something has changed, but not below them."""

    closed: set[str] = field(factory=set)
    """Files that their writer has closed, and that nobody has changed since."""

    everything: bool = False
    renew: str | None = None
    """Why the watches can't be trusted any more."""

    replan: bool = False
    """Whether other directories may have to be watched."""

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.files or self.trees or self.listings or self.everything or self.renew or self.replan)


@define(eq=False)
class PendingPaths:
    """Collects places. Made on the event loop.

    `first` and `last` are the times of the first and last change of a burst, as `clock` has them.
    """

    clock: Callable[[], float]
    first: float = field(init=False, default=0.0)
    last: float = field(init=False, default=0.0)
    came: asyncio.Event = field(init=False, factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(init=False, factory=asyncio.get_running_loop)
    _lock: threading.Lock = field(init=False, factory=threading.Lock)
    _places: ScanRequest = field(init=False, factory=ScanRequest)
    _count: int = field(init=False, default=0)
    _heard: int = field(init=False, default=0)
    _is_calling: bool = field(init=False, default=False)

    def file(self, path: str, *, closed: bool | None = None) -> None:
        """A file is another. `closed`: whether its writer is done with it, None where that isn't said."""
        with self._lock:
            self._places.files.add(path)
            if closed:
                self._places.closed.add(path)
            elif closed is False:
                self._places.closed.discard(path)
            self._note()

    def tree(self, path: str, *, replan: bool = False) -> None:
        """A directory has come or gone."""
        with self._lock:
            self._places.trees.add(path)
            self._places.replan |= replan
            self._note()

    def listing(self, path: str) -> None:
        """Files in a directory are others."""
        with self._lock:
            self._places.listings.add(path)
            self._note()

    def everything(self, renew: str | None = None) -> None:
        """Anything may have happened; with the reason, if so, why watches must be made anew."""
        with self._lock:
            is_known = self._places.everything and bool(renew) <= bool(self._places.renew)
            self._places.everything = True
            self._places.renew = renew or self._places.renew
            # Watchdog's answer to an overflow can be the next one, round and round: it would never get quiet.
            if not is_known:
                self._note()

    @property
    def is_everything(self) -> bool:
        """Whether everything is to be looked at."""
        return self._places.everything

    def take(self) -> ScanRequest:
        """What has come together. On the event loop."""
        with self._lock:
            places, self._places = self._places, ScanRequest()
            self.came.clear()
        return places

    def _note(self) -> None:
        self._count += 1
        places = self._places
        if len(places.files) + len(places.trees) + len(places.listings) > MOST:
            places.everything = True
            places.files.clear()
            places.trees.clear()
            places.listings.clear()
            places.closed.clear()
        if not self._is_calling:
            self._is_calling = True
            # Once: in a burst the loop would otherwise do nothing but listen.
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._hear)

    def _hear(self) -> None:
        with self._lock:
            self._heard = self._count
            self.last = self.clock()
            if not self.came.is_set():
                self.first = self.last
            if self._places:
                self.came.set()
        self._loop.call_later(BEAT, self._listen)

    def _listen(self) -> None:
        with self._lock:
            if self._count == self._heard:
                self._is_calling = False
                return
        self._hear()
