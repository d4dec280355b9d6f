"""Checkpoints of the write-ahead log, in a thread beside the commits.

SQLite moves what is in the log into the file by itself, in the commit after which the log has so many pages. That
commit then takes as long as two syncs of the disk and a write of each page, and so do the starts that wait for it. A
checkpoint by another connection holds up no commit: it moves what was committed before it, and the first commit after
it begins the log again. Where commits come faster than checkpoints, SQLite's own is the limit of the log
(`MAX_LOG_PAGES`). A kill in the middle of either leaves the log as it is.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from threading import Thread

from attrs import define, field

CHECKPOINT_CHANGES = 500
"""Number of changed rows after which a checkpoint is made; each changes about three pages."""

MAX_PASSES = 5
"""Number of times that what was committed meanwhile is moved, too: the log begins again only if all of it was moved."""

MAX_LOG_PAGES = 4000
"""Number of pages from which on a commit makes the checkpoint itself."""


@define(eq=False)
class Checkpointer:
    """Makes checkpoints of the file that a store has open. `connect` opens a connection to it."""

    _connect: Callable[[], sqlite3.Connection]
    _connection: sqlite3.Connection | None = field(init=False, default=None)
    _thread: Thread | None = field(init=False, default=None)
    on_log: Callable[[int], None] | None = field(init=False, default=None)
    """Called, in the thread of a checkpoint, with the number of pages in the log if a read keeps it from ending."""
    _changes: int = field(init=False, default=0)
    """The number of changes of the store's connection at the last checkpoint."""

    def note_commit(self, database: sqlite3.Connection) -> None:
        """Begin a checkpoint if enough was committed by the store's connection since the last one."""
        changes = database.total_changes
        if changes - self._changes < CHECKPOINT_CHANGES or (self._thread is not None and self._thread.is_alive()):
            return
        self._changes = changes
        # What is wrong with the file, the store's own connection meets as well, and deals with it.
        with suppress(sqlite3.Error):
            # Opened here, where the file was just found in its place.
            self._connection = self._connection or self._connect()
            self._thread = Thread(target=self._make, args=(self._connection,), name="store checkpoint", daemon=True)
            self._thread.start()

    def _make(self, connection: sqlite3.Connection) -> None:
        before = None
        with suppress(sqlite3.Error):
            for _ in range(MAX_PASSES):
                (_, pages, moved) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if moved < pages and self.on_log is not None:
                    self.on_log(pages)
                if pages == before:
                    return
                before = pages

    def wait(self) -> None:
        """Wait for a checkpoint that is being made."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def close(self) -> None:
        """Close the connection, so that that of the store is the last one."""
        self.wait()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._changes = 0
