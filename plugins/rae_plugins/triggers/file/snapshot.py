"""The durable snapshot: every watched file as it was last delivered, and the changes still to be delivered.

One SQLite file per trigger, four tables:

- `files`: the version (inode, mtime, size) of each file as it was when its last change was delivered, and when its
  inode had changed last.
- `directories`: the directories on the way, with their inodes and the number of the last scan that saw them.
- `pending`: the differences between the disk and `files` that a scan has found and that are not delivered yet.
- `metadata`: `options` (which files match), `scan_number`, `origin`, `refusals`, `mounts`, `id` (random) and `since`
  (both made with the file), `last_number` (of a pending change).

Invariants:

1. `files` plus `pending` is the disk as the last scan saw it. A path is in `pending` at most once: a second change of
   it replaces the first, and a file that is again as it was leaves `pending` without a trace. Only a write that was
   seen, and that left inode, mtime and size as they were, stays.
2. A row of `files` changes only together with the removal of its `pending` row, in one transaction (`mark_delivered`).
   The exceptions have no event: the baseline of a first start, which is what was there at `since`, and files that no
   longer match after the options change.
3. The key of an event depends on nothing but the `pending` rows in it, `id` and `refusals`. So the same rows are always
   delivered under the same key, and the engine decides about a key once.
4. A row of `pending` has a number that no earlier row had. A file that is moved away and back has the version that it
   had before, but is another change: its key is a new one.

Moves are found by comparing versions, never by pairing rename events, because those can be lost or split over two
reads. After each comparison `join_moves` turns a deleted row and a created row of the same version into one moved row.
Before the next comparison `split_moves` turns it back into the two, because either end may have changed in between. A
rename to another file system, or one followed by a write before the scan, stays a deletion and a creation.

An overflow of the kernel's queue loses events, so it leads to new watches and a scan of everything. That needs nothing
of its own: events only say where to compare, and a scan of everything compares with the same rows. Directories that
such a scan does not see are gone, with all their files. A directory that cannot be read, and what was on a file system
that is not mounted now, are marked as seen: not to know is not to have lost.

After `kill -9` at any moment:

- during a scan: its transaction is rolled back, and the next start compares again;
- after a scan, before the delivery: the rows are pending, and the next start delivers them before it scans;
- after the engine has decided, before `mark_delivered`: they are delivered again under the same key, which the engine
  recognises, so no second run starts;
- after a refusal, before `refusals` is counted: the engine recognises the key and has no run for it, which counts as
  the refusal, so the next attempt has a new key.

Rows are read in chunks and by directory, so a hundred thousand files take no more memory than ten.
"""

import contextlib
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from attrs import define, field

from rae_auto.toolkit.files import create_private_directory, open_private
from rae_plugins.triggers.file.changes import ChangeKind, FileChange, FileVersion

FORMAT_VERSION = 4

_CHUNK_SIZE = 1000

_TABLES = """
CREATE TABLE files (directory BLOB NOT NULL, name BLOB NOT NULL,
    inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    PRIMARY KEY (directory, name)) WITHOUT ROWID;
CREATE TABLE directories (path BLOB PRIMARY KEY, inode INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE pending (directory BLOB NOT NULL, name BLOB NOT NULL, change TEXT NOT NULL,
    inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL, changed_ns INTEGER NOT NULL,
    from_directory BLOB, from_name BLOB, number INTEGER NOT NULL,
    PRIMARY KEY (directory, name)) WITHOUT ROWID;
CREATE INDEX pending_by_version ON pending (inode, mtime_ns, size);
CREATE TABLE metadata (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_ADD_PENDING = """INSERT INTO pending (directory, name, change, inode, mtime_ns, size, changed_ns, number)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET change = excluded.change, inode = excluded.inode, mtime_ns = excluded.mtime_ns,
    size = excluded.size, changed_ns = excluded.changed_ns, from_directory = NULL, from_name = NULL"""
_SET_VERSION = """INSERT INTO files VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET inode = excluded.inode, mtime_ns = excluded.mtime_ns, size = excluded.size,
    changed_ns = excluded.changed_ns"""

# A new path that has the version of a path that is gone.
_JOIN_MOVES = """UPDATE pending AS new SET change = 'moved', (from_directory, from_name) =
    (SELECT directory, name FROM pending AS old WHERE old.change = 'deleted'
        AND (old.inode, old.mtime_ns, old.size) = (new.inode, new.mtime_ns, new.size) LIMIT 1)
    WHERE change IN ('created', 'modified') AND EXISTS (SELECT 1 FROM pending AS old WHERE old.change = 'deleted'
        AND (old.inode, old.mtime_ns, old.size) = (new.inode, new.mtime_ns, new.size))"""
_REMOVE_JOINED_SOURCES = """DELETE FROM pending WHERE change = 'deleted' AND (directory, name) IN
    (SELECT from_directory, from_name FROM pending WHERE change = 'moved')"""

_RESTORE_SOURCES = """INSERT OR IGNORE INTO pending SELECT
    files.directory, files.name, 'deleted', files.inode, files.mtime_ns, files.size, files.changed_ns,
    NULL, NULL, number
    FROM pending JOIN files ON (files.directory, files.name) = (from_directory, from_name)
    WHERE change = 'moved'"""
_RESTORE_DESTINATIONS = """UPDATE pending SET from_directory = NULL, from_name = NULL, change =
    CASE WHEN EXISTS (SELECT 1 FROM files WHERE (files.directory, files.name) = (pending.directory, pending.name))
    THEN 'modified' ELSE 'created' END WHERE change = 'moved'"""


def _range(directory: bytes) -> tuple[bytes, bytes]:
    """Return bounds between which all paths below a directory lie."""
    separator = os.sep.encode()
    low = directory if directory.endswith(separator) else directory + separator
    return low, low[:-1] + bytes([low[-1] + 1])


def _split(path: str) -> tuple[bytes, bytes]:
    directory, name = os.path.split(path)
    return os.fsencode(directory), os.fsencode(name)


def _numbers(version: FileVersion) -> tuple[int, int, int, int]:
    return version.inode, version.mtime_ns, version.size, version.changed_ns


@define(eq=False)
class Snapshot:
    """The snapshot of one trigger. Calls block on the disk; only one thread at a time may call."""

    path: Path
    since: datetime
    """When the job got the trigger, and so what was there before; a file that exists remembers its own."""

    damage: str | None = field(init=False, default=None)
    """Why the previous file could not be read, if so; it was renamed."""

    id: str = field(init=False)
    """A random id of the file, which distinguishes the keys of its events from those of another one."""

    _last_number: int = field(init=False)
    """The number of the last pending change that was added."""

    _database: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the file, or create it. Errors: StoreError, sqlite3.Error, OSError."""
        create_private_directory(self.path.parent)
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self.damage = (
                f"{self.path} is damaged ({error}); a new snapshot was started, and the damaged file is now {aside}"
            )
            self._connect()

    def _connect(self) -> None:
        os.close(open_private(self.path, os.O_RDWR | os.O_CREAT))
        self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            # The first scan of many files is one large transaction: the journal need not stay that large.
            settings = (
                "journal_mode = WAL",
                "synchronous = FULL",
                "cache_size = -1024",
                "journal_size_limit = 1048576",
            )
            for setting in settings:
                self._database.execute(f"PRAGMA {setting}")
            (version,) = self._database.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._database.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {FORMAT_VERSION};COMMIT;")
            elif version != FORMAT_VERSION:
                raise sqlite3.DatabaseError(f"its format is {version}, not {FORMAT_VERSION}")
            self._database.execute("SELECT count(*) FROM pending").fetchone()
            self._last_number = int(self.get_metadata("last_number") or 0)
            self.id = self.get_metadata("id") or ""
            if not self.id:
                self.id = uuid.uuid4().hex
                self.set_metadata("since", self.since.isoformat())
                self.set_metadata("id", self.id)
            self.since = datetime.fromisoformat(self.get_metadata("since") or self.since.isoformat())
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file. Closing it twice is allowed."""
        self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in one durable transaction, which an exception rolls back."""
        number = self._last_number
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            if self._last_number != number:
                self.set_metadata("last_number", str(self._last_number))
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    def get_metadata(self, name: str) -> str | None:
        """Return a value, or None if it was never set."""
        row = self._database.execute("SELECT value FROM metadata WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_metadata(self, name: str, value: str | None) -> None:
        """Set a value; None deletes it."""
        if value is None:
            self._database.execute("DELETE FROM metadata WHERE name = ?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO metadata VALUES (?, ?)", (name, value))

    # Files and directories as they were last delivered.

    def get_version(self, path: str) -> FileVersion | None:
        """Return the version of a file, or None if it is unknown."""
        row = self._database.execute(
            "SELECT inode, mtime_ns, size, changed_ns FROM files WHERE directory = ? AND name = ?", _split(path)
        ).fetchone()
        return None if row is None else FileVersion(*row)

    def get_versions(self, directory: str, names: Sequence[str]) -> dict[str, FileVersion]:
        """Return the versions of some files in a directory by name, for a few hundred names at most."""
        # Only question marks are interpolated; values from outside are bound.
        marks = ",".join("?" * len(names))
        rows = self._database.execute(
            f"SELECT name, inode, mtime_ns, size, changed_ns FROM files WHERE directory = ? AND name IN ({marks})",  # noqa: S608
            (os.fsencode(directory), *map(os.fsencode, names)),
        )
        return {os.fsdecode(name): FileVersion(*numbers) for name, *numbers in rows}

    def count_files(self, directory: str) -> int:
        """Return the number of known files in a directory itself."""
        place = (os.fsencode(directory),)
        (count,) = self._database.execute("SELECT count(*) FROM files WHERE directory = ?", place).fetchone()
        return int(count)

    def iter_files(self, directory: str) -> Iterator[tuple[str, FileVersion]]:
        """Yield the known files in a directory itself, in chunks, so that the caller may change them."""
        last_name = b""
        while True:
            rows = self._database.execute(
                "SELECT name, inode, mtime_ns, size, changed_ns FROM files WHERE directory = ? AND name > ?"
                " ORDER BY name LIMIT ?",
                (os.fsencode(directory), last_name, _CHUNK_SIZE),
            ).fetchall()
            for name, *numbers in rows:
                yield os.fsdecode(name), FileVersion(*numbers)
            if len(rows) < _CHUNK_SIZE:
                return
            last_name = rows[-1][0]

    def set_version(self, path: str, version: FileVersion | None) -> None:
        """Set the version of a file; None removes it."""
        if version is None:
            self._database.execute("DELETE FROM files WHERE directory = ? AND name = ?", _split(path))
        else:
            self._database.execute(_SET_VERSION, (*_split(path), *_numbers(version)))

    def is_known_directory(self, directory: str, inode: int) -> bool:
        """Return whether a directory is known and still the same inode."""
        row = self._database.execute("SELECT inode FROM directories WHERE path = ?", (os.fsencode(directory),))
        return bool(row.fetchone() == (inode,))

    def has_files_below(self, directory: str) -> bool:
        """Return whether files in a directory, or below it, are known."""
        place = os.fsencode(directory)
        found = self._database.execute(
            "SELECT 1 FROM files WHERE directory = ? OR (directory > ? AND directory < ?) LIMIT 1",
            (place, *_range(place)),
        )
        return found.fetchone() is not None

    def mark_seen(self, directory: str, inode: int, scan_number: int) -> None:
        """Note that a scan has seen a directory."""
        self._database.execute(
            "INSERT OR REPLACE INTO directories VALUES (?, ?, ?)", (os.fsencode(directory), inode, scan_number)
        )

    def mark_tree_seen(self, directory: str, scan_number: int) -> None:
        """Mark the known directories in a tree as seen, because it cannot be read."""
        place = os.fsencode(directory)
        self._database.execute(
            "UPDATE directories SET seen = ? WHERE path = ? OR (path > ? AND path < ?)",
            (scan_number, place, *_range(place)),
        )

    def unseen_directories(self, directory: str, scan_number: int) -> list[str]:
        """Return the known directories in a tree, its top included, that this scan has not seen."""
        place = os.fsencode(directory)
        rows = self._database.execute(
            "SELECT path FROM directories WHERE (path = ? OR (path > ? AND path < ?)) AND seen <> ?",
            (place, *_range(place), scan_number),
        )
        return [os.fsdecode(path) for (path,) in rows]

    def remove_directory(self, directory: str) -> None:
        """Remove a directory that is gone."""
        self._database.execute("DELETE FROM directories WHERE path = ?", (os.fsencode(directory),))

    def iter_directories(self) -> Iterator[tuple[str, int]]:
        """Yield all known directories with their inodes."""
        for path, inode in self._database.execute("SELECT path, inode FROM directories"):
            yield os.fsdecode(path), inode

    # Pending changes.

    def add_pending(self, path: str, kind: ChangeKind, version: FileVersion) -> None:
        """Add a change to deliver; it replaces a pending one of the same path."""
        self._last_number += 1
        self._database.execute(_ADD_PENDING, (*_split(path), str(kind), *_numbers(version), self._last_number))

    def remove_pending(self, path: str) -> None:
        """Remove a pending change without delivering it."""
        self._database.execute("DELETE FROM pending WHERE directory = ? AND name = ?", _split(path))

    def remove_reverted(self, path: str, version: FileVersion) -> None:
        """Remove a pending change of a file that is again as it was delivered; a write that was seen stays."""
        self._database.execute(
            "DELETE FROM pending WHERE directory = ? AND name = ?"
            " AND NOT (change = 'modified' AND (inode, mtime_ns, size) = (?, ?, ?))",
            (*_split(path), version.inode, version.mtime_ns, version.size),
        )

    def has_pending(self) -> bool:
        """Return whether any change is pending."""
        return self._database.execute("SELECT 1 FROM pending LIMIT 1").fetchone() is not None

    def get_pending(
        self, limit: int, kind: ChangeKind | None = None, after: FileChange | None = None
    ) -> list[FileChange]:
        """Return the first pending changes in the order of their paths, optionally of one kind or after another one."""
        directory, name = _split(after.path) if after else (b"", b"")
        rows = self._database.execute(
            "SELECT directory, name, change, inode, mtime_ns, size, changed_ns, from_directory, from_name, number"
            " FROM pending WHERE (:kind IS NULL OR change = :kind) AND (directory, name) > (:directory, :name)"
            " ORDER BY directory, name LIMIT :limit",
            {"kind": kind, "directory": directory, "name": name, "limit": limit},
        )
        return [
            FileChange(
                os.fsdecode(os.path.join(directory, name)),
                ChangeKind(change),
                FileVersion(*numbers),
                None if from_name is None else os.fsdecode(os.path.join(from_directory, from_name)),
                number,
            )
            for directory, name, change, *numbers, from_directory, from_name, number in rows
        ]

    def iter_pending(self) -> Iterator[FileChange]:
        """Yield all pending changes, in chunks, so that the caller may remove them."""
        last: FileChange | None = None
        while changes := self.get_pending(_CHUNK_SIZE, after=last):
            yield from changes
            last = changes[-1]

    def pending_paths(self) -> list[str]:
        """Return the paths of all pending changes."""
        rows = self._database.execute("SELECT directory, name FROM pending").fetchall()
        return [os.fsdecode(os.path.join(*place)) for place in rows]

    def join_moves(self) -> None:
        """Turn a deletion and a creation of the same version into a move."""
        self._database.execute(_JOIN_MOVES)
        self._database.execute(_REMOVE_JOINED_SOURCES)

    def split_moves(self) -> None:
        """Turn moves back into deletions and creations, before another comparison."""
        self._database.execute(_RESTORE_SOURCES)
        self._database.execute(_RESTORE_DESTINATIONS)

    def mark_delivered(self, changes: Iterable[FileChange]) -> None:
        """Take over changes that were delivered, or are not wanted, into the known versions."""
        for change in changes:
            if change.source is not None:
                self.set_version(change.source, None)
            self.set_version(change.path, None if change.kind is ChangeKind.DELETED else change.version)
            self.remove_pending(change.path)
