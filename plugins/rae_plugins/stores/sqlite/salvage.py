"""Reading rows out of a database that fails its check, into a new one.

The new database begins with the rows of the best state that passes its check (an older one: a copy, or the log up to
its damage), and every row that can be read in the damaged one and has a right checksum is written over them.

- If only indexes are damaged, the tables are complete: nothing is lost, and only the rows of the damaged one count.
- Otherwise a table is read from both ends, and past what can't be read. Rows of the older state stay where nothing
  newer was read, also documents that were deleted since. So this is a step back, though a smaller one than the older
  state would be.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from attrs import define

from rae_plugins.stores.commit_line import CommitLine
from rae_plugins.stores.sqlite.rows import SELECT_DOCUMENTS, SELECT_ENTRIES, Row, is_good_document, is_good_entry
from rae_plugins.stores.sqlite.schema import as_bytes, fill, finish_new_file, is_damage
from rae_plugins.stores.sqlite.verification import connect_immutable

_INDEX_DAMAGE = re.compile(rb"row \d+ missing from index|wrong # of entries in index|non-unique entry in index")

_MAX_JUMPS = 64
"""Attempts to read on behind an entry that can't be read; each is twice as far."""

_PUT_DOCUMENT = "INSERT OR REPLACE INTO documents VALUES (CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?)"
_PUT_ENTRY = (
    "INSERT OR REPLACE INTO entries (log, key, job, state, at, ended, body, crc) VALUES (CAST(? AS TEXT), "
    "CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), ?)"
)


@define
class SalvageReport:
    """The outcome of a salvage: the number of rows that were read, and whether they are all there were."""

    rows: int = 0
    is_complete: bool = False


def salvage(damaged: Path, older: Path | None, target: Path, line: CommitLine) -> SalvageReport:
    """Make a new database of what can be read. Errors: OSError, sqlite3.Error of the disk."""
    report = SalvageReport()
    target.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(target, isolation_level=None)) as database,
        closing(connect_immutable(damaged)) as source,
    ):
        source.text_factory = bytes
        fill(database, line)
        database.execute("BEGIN")
        report.is_complete = _has_whole_tables(source)
        if older is not None and not report.is_complete:
            with closing(connect_immutable(older)) as base:
                base.text_factory = bytes
                _write(database, base)
        report.rows = _write(database, source)
        database.execute("COMMIT")
    finish_new_file(target)
    return report


def _has_whole_tables(source: sqlite3.Connection) -> bool:
    """Return whether all that SQLite finds wrong is about indexes."""
    try:
        problems = [as_bytes(text) for (text,) in source.execute("PRAGMA integrity_check(1000)")]
    except sqlite3.DatabaseError:
        return False
    return len(problems) < 1000 and all(map(_INDEX_DAMAGE.match, problems))


def _write(database: sqlite3.Connection, source: sqlite3.Connection) -> int:
    count = 0
    for row in _read_documents(source):
        if is_good_document(row):
            database.execute(_PUT_DOCUMENT, row)
            count += 1
    for row in _read_entries(source):
        if is_good_entry(row):
            database.execute(_PUT_ENTRY, row[1:])
            count += 1
    return count


def _read_documents(source: sqlite3.Connection) -> Iterator[Row]:
    for order in ("", " DESC"):
        try:
            yield from source.execute(f"{SELECT_DOCUMENTS} ORDER BY kind{order}, key{order}")
            return
        except sqlite3.DatabaseError as error:
            _check_damage(error)


def _read_entries(source: sqlite3.Connection) -> Iterator[Row]:
    last, step = -1, 1
    for _ in range(_MAX_JUMPS):
        try:
            for row in source.execute(f"{SELECT_ENTRIES} NOT INDEXED WHERE seq > ? ORDER BY seq", (last,)):
                last, step = max(last, row[0]), 1
                yield row
            return
        except sqlite3.DatabaseError as error:
            _check_damage(error)
            last, step = last + step, step * 2
        except OverflowError:
            return


def _check_damage(error: sqlite3.DatabaseError) -> None:
    if not is_damage(error):
        raise error
