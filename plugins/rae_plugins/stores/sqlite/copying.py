"""Backup copies of a SQLite file that is open: made at once, or in a thread beside the commits, and in bounded time.

A copy and its check are made in small steps, so both can be given up. A copy that was given up, or that a kill cut off,
leaves its temporary file: that is the sign by which the next start knows that a copy is due (see `backup_copies`).
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

from attrs import define, field

from rae_auto.errors import StoreDamaged, StoreError
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.toolkit.threads.malloc_arenas import give_back_memory
from rae_plugins.stores import backup_copies
from rae_plugins.stores.sqlite.opening import connect
from rae_plugins.stores.sqlite.schema import error_text
from rae_plugins.stores.sqlite.verification import verify_file

MAX_COPY_AGE = timedelta(days=3)
"""The age of the newest copy from which it is reported as a problem, if the file has changed meanwhile."""

CHECK_SECONDS = 6.0
"""Time to look for damage in copies on behalf of a person who waits."""


@define(eq=False)
class FileCopier:
    """Makes backup copies of one file."""

    path: Path
    wait_for_reads: Callable[[], object] = lambda: None
    """Waits until no question is being answered from the file, but not for long."""
    is_suspect: bool = field(init=False, default=False)
    """A copy was damaged, so the file is."""
    has_verified: bool = field(init=False, default=False)
    """A copy was found to be good, so the file was, and what was written to it since is."""
    _thread: Thread | None = field(init=False, default=None)
    _is_awaited: bool = field(init=False, default=False)
    """The store waits for the thread, which therefore rests no longer."""
    _error: StoreError | None = field(init=False, default=None)
    _ends_at: float = field(init=False, default=float("inf"))
    """The time of the monotonic clock at which a copy is given up."""

    def start(self, now: datetime) -> None:
        """Make a copy in a thread with a connection of its own, so that commits don't wait for it.

        Raises the StoreError of the last such copy, if that failed.
        """
        if self._thread is not None and self._thread.is_alive():
            return
        error, self._error = self._error, None
        if error is not None:
            raise error
        self._thread = Thread(target=self._copy, args=(now,), name="store copy", daemon=True)
        self._thread.start()

    def _copy(self, now: datetime) -> None:
        try:
            with closing(connect(self.path)) as database:
                self._make(database, now, backup_copies.MAX_COPIES, self._rest)
            give_back_memory()
        except StoreError as error:
            self._error = error
        except sqlite3.Error as error:
            self._error = StoreError(f"{self.path}: can't be copied ({error_text(error)})")

    def wait(self) -> None:
        """Wait for a copy that is being made."""
        if self._thread is not None:
            self._is_awaited = True
            self._thread.join()
            self._thread, self._is_awaited = None, False

    def make(self, database: sqlite3.Connection, max_copies: int = backup_copies.MAX_COPIES) -> None:
        """Make a copy at once, and keep this many in all. Errors: StoreError."""
        self.wait()
        self._make(database, datetime.now(UTC), max_copies, self._is_over)

    def make_within(self, database: sqlite3.Connection, limit_seconds: float) -> bool:
        """Make a copy in this time, and return whether it was; one that is being made has to end in it too.

        A copy that fails does no harm to the file, so its error is passed over. Returns True for it.
        """
        self._ends_at = time.monotonic() + limit_seconds
        try:
            self.make(database)
        except CopyGivenUp:
            return False
        except StoreError:
            return True
        finally:
            self._ends_at = float("inf")
        return True

    def _make(self, database: sqlite3.Connection, now: datetime, max_copies: int, is_over: Callable[[], bool]) -> None:
        try:
            backup_copies.make_copy(
                database, self.path, now, max_copies, lambda copy: self._verify(copy, is_over), self._is_over
            )
            self.has_verified = True
        except backup_copies.CopyAbandoned as error:
            raise CopyGivenUp(f"{self.path}: copying it took too long, so the next start makes the copy") from error
        except StoreError:
            raise
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.path}: can't be copied ({error_text(error)})") from error

    def _is_over(self) -> bool:
        return time.monotonic() >= self._ends_at

    def _rest(self) -> bool:
        """Wait for the end of a question, then return whether the copy is given up.

        Python runs one thread at a time, and a long read beside the check of a copy would take twice as long. The
        copying itself does not rest: its read transaction keeps the write-ahead log from beginning again.
        """
        if not self._is_awaited:
            self.wait_for_reads()
        return self._is_over()

    def _verify(self, copy: Path, is_over: Callable[[], bool]) -> None:
        try:
            checked = verify_file(copy, is_over)
        except sqlite3.OperationalError as error:
            if self._is_over():
                raise backup_copies.CopyAbandoned from error
            raise
        if not checked.is_perfect:
            if self._is_over():
                raise backup_copies.CopyAbandoned
            self.is_suspect = True
            problem = checked.problem or "rows with wrong checksums"
            raise StoreDamaged(f"{self.path}: a copy of it is damaged ({problem}), so it is not kept")


class CopyGivenUp(StoreError):
    """A copy took too long."""


def find_copy_problems(path: Path, now: datetime) -> Iterator[str]:
    """Yield what is wrong with the copies of a file that may be in use: none, an old one, or a damaged one."""
    copies = backup_copies.list_copies(path)
    hint = "keep the daemon running, which makes one a day; its log says why it can't"
    try:
        changed_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError:
        return  # There is nothing to copy yet.
    newest = max((backup_copies.written_at(path, copy) for copy in copies), default=None)
    if newest is None or changed_at - newest < MAX_COPY_AGE:
        # The first copy comes with the first stop, or after an hour.
        if newest is None and now - changed_at > MAX_COPY_AGE:
            yield f"there is no copy of {path}; {hint}"
    else:
        age = format_elapsed(changed_at - newest, 1)
        yield f"the newest copy of {path} is {age} older than its last change; {hint}"
    end = time.monotonic() + CHECK_SECONDS
    for copy in copies:
        try:
            if not verify_file(copy, lambda: time.monotonic() > end).is_perfect:
                yield f"the copy {copy} is damaged; remove it: the daemon makes a new one each day"
        except sqlite3.OperationalError:
            return  # There was no time for it.
