"""Proofs that a file of the SQLite store is what was written.

Costs, measured with 280,000 entries in 330 MB: the checksum of all bytes 0.2 s, `quick_check` 0.3 s, `integrity_check`
1.2 s, the checksums of all rows 0.9 s. So a clean stop leaves the checksum of all bytes, which proves everything at
the next start; only a file without that proof is checked by SQLite (`integrity_check`, because `quick_check` doesn't
hold indexes against their table) and row by row. A copy is checked in the same way before it replaces an older one.
Of a long history, that check comes after the start (see `later_check`).
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

from attrs import field, frozen

from rae_auto.toolkit.files import write_atomically
from rae_plugins.stores.commit_line import CommitLine
from rae_plugins.stores.sqlite.rows import BadRow, find_bad_documents, find_bad_rows
from rae_plugins.stores.sqlite.schema import as_bytes, error_text, has_our_tables, is_damage, read_last_commit, uri_of

_CHUNK_BYTES = 1 << 20

PROGRESS_INSTRUCTIONS = 100_000
"""Instructions of SQLite between two looks at the clock, which are some milliseconds."""

STEP_INSTRUCTIONS = 5_000
"""The same for the check of a copy, which rests meanwhile: Python looks at 400 rows in so many, for 2 milliseconds."""


@frozen
class Verification:
    """The result of a check: a structural problem, the rows with wrong checksums, and the last commit."""

    problem: str | None
    bad_rows: list[BadRow] = field(factory=list)
    commit: CommitLine | None = None

    @property
    def is_perfect(self) -> bool:
        """True if nothing at all is wrong."""
        return self.problem is None and not self.bad_rows and self.commit is not None


def verify(database: sqlite3.Connection) -> Verification:
    """Check a file: its tables, all its pages and indexes, and every row. Errors: sqlite3.Error of the disk."""
    return _verify(database, (None,), find_bad_rows)


def verify_documents(database: sqlite3.Connection) -> Verification:
    """Check a file as `verify` does, but of the rows only documents and the last commit, with their pages."""
    return _verify(database, ("documents", "last_commit", "entry_counts"), find_bad_documents)


def _verify(
    database: sqlite3.Connection,
    tables: tuple[str | None, ...],
    find_bad: Callable[[sqlite3.Connection], Iterable[BadRow]],
) -> Verification:
    """Check the pages of these tables, None for those of all, and the rows that `find_bad` looks at."""
    factory, database.text_factory = database.text_factory, bytes
    try:
        if not has_our_tables(database):
            return Verification("it doesn't have the tables of this format")
        for table in tables:
            if (problem := check_pages(database, table)) is not None:
                return Verification(problem)
        return Verification(None, list(find_bad(database)), read_last_commit(database))
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        return Verification(error_text(error))
    finally:
        database.text_factory = factory


def check_pages(database: sqlite3.Connection, table: str | None = None) -> str | None:
    """Have SQLite check all pages and indexes, or those of a table; return the first problem. Errors: sqlite3.Error."""
    (result,) = database.execute(f"PRAGMA integrity_check({1 if table is None else table})").fetchone()
    return None if as_bytes(result) == b"ok" else " ".join(as_bytes(result).decode(errors="replace").split())


def verify_file(path: Path, is_over: Callable[[], bool] | None = None) -> Verification:
    """Check a file that nothing writes to, and leave no files beside it.

    Once `is_over`, the check ends with sqlite3.OperationalError.
    """
    with closing(connect_immutable(path)) as database:
        if is_over is not None:
            database.set_progress_handler(is_over, STEP_INSTRUCTIONS)
        return verify(database)


def connect_immutable(path: Path) -> sqlite3.Connection:
    """Open a file that nothing writes to, without its log."""
    return sqlite3.connect(uri_of(path, "immutable=1"), uri=True, check_same_thread=False)


def write_proof(proof: Path, path: Path) -> None:
    """Write the checksum of all bytes of a file beside it, durably. Errors: OSError."""
    write_atomically(proof, _proof_of(path))


def has_proof(proof: Path, path: Path) -> bool:
    """Return whether a file has the checksum that was written beside it."""
    try:
        return proof.read_bytes() == _proof_of(path)
    except OSError:
        return False


def _proof_of(path: Path) -> bytes:
    checksum, size = 0, 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK_BYTES):
            checksum, size = zlib.crc32(chunk, checksum), size + len(chunk)
    return b"%d bytes, crc32 %08x\n" % (size, checksum)
