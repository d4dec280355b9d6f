"""The check of what a start has left unchecked, beside the commits and reads of the store.

After an unclean stop a start checks the documents at once, because every decision rests on them. A long history follows
while the store is in use, so that it holds up no start: all entries, the numbers of them, then all pages and indexes.

- Entries are read some at a time, each time in a transaction of its own, and the thread then rests for as long as it
  has worked. Python runs one thread at a time: without rests, each call of the daemon that waits for the disk would
  wait for this thread as well. It also rests while a question is answered from the file: SQLite gives up the lock for
  each row, so that the answer would take half as long again.
- SQLite checks pages and indexes in one statement, during which other threads run. The thread gives way to all other
  work on the machine then. Meanwhile the write-ahead log can't begin again: once it is long, the statement is ended,
  and done again later. The next time the log may be twice as long, so that the check ends at some time.
- A check goes by the state that it reads. What it finds is looked at once more before it is repaired, in the store's
  own thread: an entry may have been replaced or removed meanwhile.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, RLock
from typing import TypeVar

from attrs import define, field, frozen

from rae_auto.errors import StoreError
from rae_auto.toolkit.threads.low_priority import give_way
from rae_plugins.stores.sqlite.rows import SELECT_ENTRIES, BadRow, Row, is_good_entry
from rae_plugins.stores.sqlite.schema import error_text, has_right_counts, is_damage, uri_of
from rae_plugins.stores.sqlite.verification import PROGRESS_INSTRUCTIONS, check_pages

ROWS_AT_ONCE = 100
"""Entries that are checked without a rest: half a millisecond."""

MIN_REST_SECONDS = 0.0005
"""Time of a rest at least, in which every other thread gets its turn."""

MAX_LOG_PAGES = 16_000
"""Pages of the write-ahead log, 64 MB, at which a read is ended the first time."""

PAUSE_SECONDS = 10.0
"""Time for which a read that was ended for the log is put off."""

T = TypeVar("T")


@frozen
class Findings:
    """The result of a check: a structural problem, damaged entries, and whether the numbers of entries are right."""

    problem: str | None
    bad_rows: list[BadRow]
    has_right_counts: bool

    @property
    def is_perfect(self) -> bool:
        """True if nothing at all is wrong."""
        return self.problem is None and not self.bad_rows and self.has_right_counts


class _CheckEnded(Exception):
    """The check was ended, because the store is closed or was repaired as a whole."""


@define(eq=False)
class LaterCheck:
    """Checks a file that its store has open.

    `run` belongs to a thread of its own, `note_log` to any, all else to that of the store.
    """

    path: Path
    wait_for_reads: Callable[[], object] = lambda: None
    """Waits until no question is being answered from the file, but not for long."""
    _lock: RLock = field(init=False, factory=RLock)
    """Held while the file is being read, and while the store replaces, rewrites or closes it."""
    _connection: sqlite3.Connection | None = field(init=False, default=None)
    _is_wanted: bool = field(init=False, default=False)
    """The store wants the file for itself."""
    _max_log_pages: int = field(init=False, factory=lambda: MAX_LOG_PAGES)
    _is_log_long: bool = field(init=False, default=False)
    _over: Event = field(init=False, factory=Event)
    has_passed: bool = field(init=False, default=False)
    """The check has ended, and nothing is wrong."""

    def run(self) -> Findings | None:
        """Check the file, and return what is wrong; None if the check was ended. Errors: StoreError."""
        try:
            bad_rows = list(self._check_entries())
            are_right = self._read(has_right_counts)
            # From now on the thread does nothing more that others wait for.
            give_way()
            findings = Findings(self._read(check_pages), bad_rows, are_right)
            self.has_passed = findings.is_perfect
            return findings
        except _CheckEnded:
            return None
        except sqlite3.Error as error:
            if is_damage(error):
                return Findings(error_text(error), [], True)
            raise StoreError(f"{self.path}: can't be checked ({error_text(error)})") from error
        finally:
            self._disconnect()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keep the check from the file for the time of a `with` block; what is under way is done again afterwards."""
        self._is_wanted = True
        if (connection := self._connection) is not None:
            # It may be closed at this very moment.
            with suppress(sqlite3.ProgrammingError):
                connection.interrupt()
        with self._lock:
            self._is_wanted = False
            # Otherwise the connection of the store would not be the last one.
            self._disconnect()
            yield

    def note_log(self, pages: int) -> None:
        """Have what is being read read again later if the write-ahead log, which can't begin again, has become long."""
        if self._connection is not None and pages > self._max_log_pages:
            self._max_log_pages *= 2
            self._is_log_long = True

    def end(self) -> None:
        """End the check. The file is not read any more when this returns."""
        with self.paused():
            self._over.set()

    def _check_entries(self) -> Iterator[BadRow]:
        newest = self._read(lambda database: database.execute("SELECT max(seq) FROM entries").fetchone()[0])
        last = -1
        while newest is not None and last < newest:
            self.wait_for_reads()
            began = time.perf_counter()
            rows = self._read(lambda database, last=last: _read_rows(database, last))  # type: ignore[misc]
            yield from (BadRow("entries", row[:1], row) for row in rows if not is_good_entry(row))
            last = rows[-1][0] if rows else newest
            time.sleep(max(time.perf_counter() - began, MIN_REST_SECONDS))

    def _read(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Return what a function reads, at the next time that the store doesn't want the file for itself."""
        while True:
            with self._lock:
                if self._over.is_set():
                    raise _CheckEnded
                try:
                    return function(self._connect())
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                        raise
            was_log_long, self._is_log_long = self._is_log_long, False
            self._over.wait(PAUSE_SECONDS if was_log_long else MIN_REST_SECONDS)

    def _connect(self) -> sqlite3.Connection:
        if self._connection is None:
            uri = uri_of(self.path, "mode=ro")
            database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            database.text_factory = bytes
            database.set_progress_handler(lambda: self._is_wanted or self._is_log_long, PROGRESS_INSTRUCTIONS)
            self._connection = database
        return self._connection

    def _disconnect(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _read_rows(database: sqlite3.Connection, last: int) -> list[Row]:
    rows = f"{SELECT_ENTRIES} NOT INDEXED WHERE seq > ? ORDER BY seq LIMIT {ROWS_AT_ONCE}"
    with closing(database.execute(rows, (last,))) as cursor:
        return cursor.fetchall()
