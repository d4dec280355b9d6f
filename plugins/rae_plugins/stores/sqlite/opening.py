"""Opening the file of the SQLite store: created, proven, checked or repaired. The order of steps is the package's."""

import json
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import define, field

from rae_auto.api.store import Setback
from rae_auto.errors import StoreDamaged
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import format_count
from rae_auto.toolkit.files import open_private, sync_directory, write_atomically
from rae_plugins.stores.commit_line import CommitLine, CommitMark
from rae_plugins.stores.sqlite.checkpointing import MAX_LOG_PAGES
from rae_plugins.stores.sqlite.recovery import (
    TIME_FORMAT,
    Repair,
    Survey,
    check_owner,
    finish_move,
    has_copy_of_newest,
    repair,
    repaired_path,
    survey,
)
from rae_plugins.stores.sqlite.rows import BadRow, guess_kind
from rae_plugins.stores.sqlite.schema import COUNT_REPLACED, fill, finish_new_file, uri_of
from rae_plugins.stores.sqlite.verification import connect_immutable, has_proof, verify, verify_documents

MAX_BYTES_CHECKED_FIRST = 32 << 20
"""Size of a file up to which a start without the proof of a clean stop checks all of it: in some 0.3 s."""

LARGE_COMMIT = 1_000
"""Number of changes from which on the pages of a commit leave the cache: a start writes thousands, once."""

_WAL_SETTINGS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "cache_size = -1024",
    "temp_store = MEMORY",
    f"wal_autocheckpoint = {MAX_LOG_PAGES}",
    # Many builds of SQLite write zeros over each page that gets free, which doubles what pruning writes.
    "secure_delete = FAST",
)


def trim_cache(database: sqlite3.Connection, changes: int) -> None:
    """Give back the memory of SQLite's cache, up to 1 MB, after a commit of so many changes if it was a large one."""
    if changes >= LARGE_COMMIT:
        with suppress(sqlite3.Error):
            database.execute("PRAGMA shrink_memory")


def connect(path: Path) -> sqlite3.Connection:
    """Open a file that has been checked. Text is read as bytes. Every commit is synced."""
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=32)
    try:
        for setting in _WAL_SETTINGS:
            database.execute(f"PRAGMA {setting}")
        database.execute(COUNT_REPLACED)
    except BaseException:
        database.close()
        raise
    database.text_factory = bytes
    return database


def create(path: Path, line: CommitLine) -> None:
    """Create a store without contents, whole or not at all. Errors: OSError, sqlite3.Error."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    os.close(open_private(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL))
    try:
        with closing(sqlite3.connect(temporary, isolation_level=None)) as database:
            fill(database, line)
        finish_new_file(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def connect_for_reading(path: Path, *, is_in_use: bool) -> tuple[sqlite3.Connection, list[str]]:
    """Open a file without changing anything, and return messages about damage that a daemon would repair.

    A file that a daemon has open is read through its log, like by any other process. Text is read as bytes.
    """
    messages = []
    found = survey(path, mark_path(path))
    if not is_in_use and not found.is_new and (problem := found.find_problem()) is not None:
        messages.append(f"{path} {problem}; the next start of the daemon repairs it, until then some may be missing")
    if not found.size:
        database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        fill(database, CommitLine.first())
    elif found.wal_content or is_in_use:
        database = sqlite3.connect(uri_of(path, "mode=ro"), uri=True, isolation_level=None, check_same_thread=False)
    else:
        database = connect_immutable(path)
    database.text_factory = bytes
    return database, messages


def mark_path(path: Path) -> Path:
    """Return the path of the mark beside a database."""
    return path.with_name(f"{path.stem}.commits")


@define
class FileOpener:
    """Makes sure that a file may be opened, and holds what was found out meanwhile."""

    path: Path
    setback: Setback | None = field(init=False, default=None)
    floor: int = field(init=False, default=0)
    is_checked: bool = field(init=False, default=False)
    """The file had no proof of a clean stop, or was repaired."""
    is_history_unchecked: bool = field(init=False, default=False)
    """Only the documents were checked, and the entries have to be."""
    bad_entries: list[int] = field(init=False, factory=list)
    """The places of damaged entries, which have been set aside and can be deleted."""
    bad_documents: list[tuple[Any, ...]] = field(init=False, factory=list)
    """The kinds and keys of damaged documents that can be deleted, once `changed_kinds` are corrected."""
    changed_kinds: list[tuple[Any, ...]] = field(init=False, factory=list)
    """The kind that a document had before damage, the kind that it has now, and its key."""
    messages: list[str] = field(init=False, factory=list)
    """Repairs so far, and what was set aside, a line each."""
    _mark: CommitLine | None = field(init=False, default=None)

    @property
    def proof(self) -> Path:
        """The file with the proof of a clean stop."""
        return self.path.with_name(f"{self.path.stem}.clean")

    def prepare(self, damage: str = "") -> Sequence[str]:
        """Create, prove, check or repair the file; return messages. `damage` is an error that use has shown.

        Errors: StoreDamaged, with nothing changed; OSError and sqlite3.Error of the disk.
        """
        if repaired_path(self.path).exists():
            aside = finish_move(self.path)
            self.messages.append(f"{self.path}: a repair was interrupted and is finished now, {_describe_aside(aside)}")
        found = survey(self.path, mark_path(self.path))
        self._mark = found.mark
        self.floor = 0 if found.mark is None else found.mark.number
        if found.is_new:
            create(self.path, CommitLine.first())
            return self.messages
        problem = found.find_problem() or (f"is damaged ({damage})" if damage else None)
        if problem is None and not self._is_proven(found):
            self.is_history_unchecked = self._may_check_later(found)
            self.is_checked = not self.is_history_unchecked
            problem = self._check(found)
        if problem is not None:
            self.is_checked, self.is_history_unchecked = True, False
            self._repair(problem, found)
        self.proof.unlink(missing_ok=True)
        return self.messages

    def _is_proven(self, found: Survey) -> bool:
        return not found.wal_content and has_proof(self.proof, self.path)

    def _may_check_later(self, found: Survey) -> bool:
        """Return whether the entries can be checked while the store is in use: many, and with no sign of damage.

        A proof that doesn't fit is such a sign. A copy of the newest state is the one moment at which it can replace
        a damaged file at no loss.
        """
        return found.size > MAX_BYTES_CHECKED_FIRST and not self.proof.exists() and not has_copy_of_newest(found)

    def _check(self, found: Survey) -> str | None:
        """Check the file with its log by SQLite and row by row; return the problem, if there is one."""
        # Only a connection that can't write leaves log and file as they are.
        with closing(sqlite3.connect(uri_of(self.path, "mode=ro"), uri=True)) as database:
            checked = (verify_documents if self.is_history_unchecked else verify)(database)
        if checked.problem is not None:
            return f"is damaged ({checked.problem})"
        if checked.bad_rows and has_copy_of_newest(found):
            return "has rows with wrong checksums"
        self.set_aside(checked.bad_rows)
        return None

    def _repair(self, problem: str, found: Survey) -> None:
        made = repair(self.path, found)
        if made is None:
            check_owner(self.path, found)
            hint = "restore a backup of it"
            if not found.size:
                hint = f"restore it, or remove {mark_path(self.path)} to start with an empty store"
            raise StoreDamaged(f"{self.path} {problem}; {hint}")
        self.messages.append(f"{self.path} {problem}: {self._describe(made)}")
        self.set_aside(made.candidate.checked.bad_rows)

    def _describe(self, made: Repair) -> str:
        last = made.candidate.expected
        assert last is not None
        since = last.at.isoformat(timespec="seconds")
        if made.candidate.is_partial:
            self.setback = Setback(made.candidate.complete_until, None)
            loss = "some of what was written before may be lost"
            if made.candidate.complete_until is not None:
                until = made.candidate.complete_until.isoformat(timespec="seconds")
                loss = f"some of what was written after {until} may be lost"
        elif self._mark is None or self._mark.store != last.store:
            self.setback = Setback(last.at, None)
            loss = f"everything written after {since} may be lost"
        elif last.number >= self._mark.number:
            loss = "no commit is lost"
        else:
            lost = self._mark.number - last.number
            self.setback = Setback(last.at, lost)
            loss = f"everything written after {since} is lost, {format_count(lost, 'commit')}"
        return f"{made.candidate.name} replaces it; {loss}; {_describe_aside(made.aside)}"

    def set_aside(self, bad_rows: Sequence[BadRow]) -> None:
        """Keep damaged rows in a file, each once; damaged documents stay in the store too, for the next load.

        One whose very kind is damaged would never be loaded, and keep copies from being made: its kind is corrected,
        so that the next load returns it, or it goes.
        """
        self.bad_entries = [row.place[0] for row in bad_rows if row.table == "entries"]
        guesses = [(guess_kind(row.values, documents.KINDS), row.place) for row in bad_rows if row.table == "documents"]
        wrong = [(kind, place) for kind, place in guesses if kind is None or kind.encode() != place[0]]
        self.changed_kinds = [(kind.encode(), *place) for kind, place in wrong if kind is not None]
        self.bad_documents = [place for _, place in wrong]
        kept = self._read_kept_rows()
        bad_rows = [row for row in bad_rows if _identify(row) not in kept]
        if not bad_rows:
            return
        aside = self.path.with_name(f"rows.corrupt-{datetime.now(UTC):{TIME_FORMAT}}.json")
        write_atomically(aside, json.dumps([row.describe() for row in bad_rows], indent=1).encode())
        count = format_count(len(bad_rows), "row")
        self.messages.append(f"{self.path}: the checksums of {count} are wrong; they are kept in {aside}")

    def _read_kept_rows(self) -> set[str]:
        found: set[str] = set()
        for path in self.path.parent.glob("rows.corrupt-*.json"):
            with suppress(OSError, ValueError):
                found |= {json.dumps(row) for row in json.loads(path.read_bytes())}
        return found

    def open_mark(self, last: CommitLine) -> CommitMark:
        """Open the mark, or write a new one where there is none of this store. Errors: OSError."""
        mark = CommitMark(mark_path(self.path))
        if self._mark is None or self._mark.store != last.store:
            mark.create(last)
        mark.open()
        return mark


def _identify(row: BadRow) -> str:
    return json.dumps(row.describe())


def _describe_aside(aside: Path | None) -> str:
    return "there was no damaged file" if aside is None else f"the damaged file is kept as {aside}"
