"""The durable snapshot: every file that is watched, as it was when it was told last; and what is about to be told.

What a comparison finds lies in the table `offer` until it was told, then it moves into `files` in one transaction.
So whenever the daemon ends, the very same is told again under the same key, and nothing else twice. Rows go by in
chunks and by directory: a hundred thousand files take no more memory than ten.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from attrs import define, field

from rae_auto.toolkit.files import open_private, private_directory
from rae_plugins.triggers.file.changes import Change, Happening, Version

FORMAT = 1

_TABLES = """
CREATE TABLE files (directory BLOB NOT NULL, name BLOB NOT NULL,
    inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    PRIMARY KEY (directory, name)) WITHOUT ROWID;
CREATE TABLE directories (path BLOB PRIMARY KEY, inode INTEGER NOT NULL, seen INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE offer (directory BLOB NOT NULL, name BLOB NOT NULL, change TEXT NOT NULL,
    inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, size INTEGER NOT NULL,
    from_directory BLOB, from_name BLOB,
    PRIMARY KEY (directory, name)) WITHOUT ROWID;
CREATE INDEX offer_by_version ON offer (inode, mtime_ns, size);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

_OFFER = """INSERT INTO offer (directory, name, change, inode, mtime_ns, size) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET change = excluded.change, inode = excluded.inode, mtime_ns = excluded.mtime_ns,
    size = excluded.size, from_directory = NULL, from_name = NULL"""
_KEEP = """INSERT INTO files VALUES (?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET inode = excluded.inode, mtime_ns = excluded.mtime_ns, size = excluded.size"""

# A new name that has the version of one that is gone.
_MOVES = """UPDATE offer AS new SET change = 'moved', (from_directory, from_name) =
    (SELECT directory, name FROM offer AS old WHERE old.change = 'deleted'
        AND (old.inode, old.mtime_ns, old.size) = (new.inode, new.mtime_ns, new.size) LIMIT 1)
    WHERE change IN ('created', 'modified') AND EXISTS (SELECT 1 FROM offer AS old WHERE old.change = 'deleted'
        AND (old.inode, old.mtime_ns, old.size) = (new.inode, new.mtime_ns, new.size))"""
_MOVED_AWAY = """DELETE FROM offer WHERE change = 'deleted' AND (directory, name) IN
    (SELECT from_directory, from_name FROM offer WHERE change = 'moved')"""

_SOURCES = """INSERT OR IGNORE INTO offer SELECT files.directory, files.name, 'deleted', files.inode, files.mtime_ns,
    files.size, NULL, NULL FROM offer JOIN files ON (files.directory, files.name) = (from_directory, from_name)
    WHERE change = 'moved'"""
_DESTINATIONS = """UPDATE offer SET from_directory = NULL, from_name = NULL, change =
    CASE WHEN EXISTS (SELECT 1 FROM files WHERE (files.directory, files.name) = (offer.directory, offer.name))
    THEN 'modified' ELSE 'created' END WHERE change = 'moved'"""


def _range(directory: bytes) -> tuple[bytes, bytes]:
    """Between these lie all paths below a directory."""
    separator = os.sep.encode()
    low = directory if directory.endswith(separator) else directory + separator
    return low, low[:-1] + bytes([low[-1] + 1])


def _place(path: str) -> tuple[bytes, bytes]:
    directory, name = os.path.split(path)
    return os.fsencode(directory), os.fsencode(name)


@define(eq=False)
class Snapshot:
    """One SQLite file. Calls block on the disk; one thread at a time."""

    path: Path
    damage: str | None = field(init=False, default=None)
    """Why what was there could not be read, if so; the file was put aside."""

    _database: sqlite3.Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Open the file, or make it. Errors: StoreError, sqlite3.Error, OSError."""
        private_directory(self.path.parent)
        try:
            self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            aside = self.path.with_name(f"{self.path.name}.corrupt")
            self.path.replace(aside)
            for suffix in ("-wal", "-shm"):
                Path(f"{self.path}{suffix}").unlink(missing_ok=True)
            self.damage = f"{self.path} is damaged ({error}); it begins anew, and what was there is kept in {aside}"
            self._connect()

    def _connect(self) -> None:
        os.close(open_private(self.path, os.O_RDWR | os.O_CREAT))
        self._database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            # A first look at many files is one large transaction: its journal need not stay as large.
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
                self._database.executescript(f"BEGIN IMMEDIATE;{_TABLES}PRAGMA user_version = {FORMAT};COMMIT;")
            elif version != FORMAT:
                raise sqlite3.DatabaseError(f"its format is {version}, not {FORMAT}")
            self._database.execute("SELECT count(*) FROM offer").fetchone()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file. Twice is no error."""
        self._database.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """All that is written within the block is there as a whole, durably, or not at all."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise

    # Facts.

    def fact(self, name: str) -> str | None:
        """Something that was noted."""
        row = self._database.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def note(self, name: str, value: str | None) -> None:
        """Note something, or forget it."""
        if value is None:
            self._database.execute("DELETE FROM facts WHERE name = ?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # Files and directories as they were.

    def version(self, path: str) -> Version | None:
        """That of a file as it was told last."""
        row = self._database.execute(
            "SELECT inode, mtime_ns, size FROM files WHERE directory = ? AND name = ?", _place(path)
        ).fetchone()
        return None if row is None else Version(*row)

    def versions(self, directory: str, names: Sequence[str]) -> dict[str, Version]:
        """Those of some files in a directory, by name: a few hundred at a time."""
        # Only question marks are put together; what comes from outside is bound.
        marks = ",".join("?" * len(names))
        rows = self._database.execute(
            f"SELECT name, inode, mtime_ns, size FROM files WHERE directory = ? AND name IN ({marks})",  # noqa: S608
            (os.fsencode(directory), *map(os.fsencode, names)),
        )
        return {os.fsdecode(name): Version(*numbers) for name, *numbers in rows}

    def count(self, directory: str) -> int:
        """How many files it knows in a directory itself."""
        place = (os.fsencode(directory),)
        (count,) = self._database.execute("SELECT count(*) FROM files WHERE directory = ?", place).fetchone()
        return int(count)

    def files_in(self, directory: str) -> Iterator[tuple[str, Version]]:
        """The files that it knows in a directory itself, in chunks, so that they may be changed meanwhile."""
        last, size = b"", 1000
        while True:
            rows = self._database.execute(
                "SELECT name, inode, mtime_ns, size FROM files WHERE directory = ? AND name > ? ORDER BY name LIMIT ?",
                (os.fsencode(directory), last, size),
            ).fetchall()
            for name, *numbers in rows:
                yield os.fsdecode(name), Version(*numbers)
            if len(rows) < size:
                return
            last = rows[-1][0]

    def keep(self, path: str, version: Version | None) -> None:
        """Take a file as it is for told; None where it is gone."""
        if version is None:
            self._database.execute("DELETE FROM files WHERE directory = ? AND name = ?", _place(path))
        else:
            self._database.execute(_KEEP, (*_place(path), version.inode, version.mtime_ns, version.size))

    def knows(self, directory: str, inode: int) -> bool:
        """Whether a directory is the one that it was."""
        row = self._database.execute("SELECT inode FROM directories WHERE path = ?", (os.fsencode(directory),))
        return bool(row.fetchone() == (inode,))

    def has_files_below(self, directory: str) -> bool:
        """Whether it knows files in a directory, or in one below it."""
        place = os.fsencode(directory)
        found = self._database.execute(
            "SELECT 1 FROM files WHERE directory = ? OR (directory > ? AND directory < ?) LIMIT 1",
            (place, *_range(place)),
        )
        return found.fetchone() is not None

    def see(self, directory: str, inode: int, walk: int) -> None:
        """A directory is there, as a walk of this number has seen."""
        self._database.execute(
            "INSERT OR REPLACE INTO directories VALUES (?, ?, ?)", (os.fsencode(directory), inode, walk)
        )

    def see_below(self, directory: str, walk: int) -> None:
        """A directory can't be read: all that was in it counts as seen."""
        place = os.fsencode(directory)
        self._database.execute(
            "UPDATE directories SET seen = ? WHERE path = ? OR (path > ? AND path < ?)", (walk, place, *_range(place))
        )

    def not_seen(self, directory: str, walk: int) -> list[str]:
        """The directories, from this one on, that a walk has not seen, or only an earlier one."""
        place = os.fsencode(directory)
        rows = self._database.execute(
            "SELECT path FROM directories WHERE (path = ? OR (path > ? AND path < ?)) AND seen <> ?",
            (place, *_range(place), walk),
        )
        return [os.fsdecode(path) for (path,) in rows]

    def forget(self, directory: str) -> None:
        """A directory is gone."""
        self._database.execute("DELETE FROM directories WHERE path = ?", (os.fsencode(directory),))

    def directories(self) -> Iterator[tuple[str, int]]:
        """All directories, with their inodes."""
        for path, inode in self._database.execute("SELECT path, inode FROM directories"):
            yield os.fsdecode(path), inode

    # What is about to be told.

    def offer(self, path: str, happening: Happening, version: Version) -> None:
        """Have a change told."""
        self._database.execute(_OFFER, (*_place(path), str(happening), version.inode, version.mtime_ns, version.size))

    def withdraw(self, path: str) -> None:
        """A file is again as it was, or nothing is to be told of it yet."""
        self._database.execute("DELETE FROM offer WHERE directory = ? AND name = ?", _place(path))

    def offers(self) -> bool:
        """Whether there is anything to tell."""
        return self._database.execute("SELECT 1 FROM offer LIMIT 1").fetchone() is not None

    def offered(self, most: int, happening: Happening | None = None, after: Change | None = None) -> list[Change]:
        """The first changes that are to be told, by path; of a kind only, or those that come after another."""
        rows = self._database.execute(
            "SELECT directory, name, change, inode, mtime_ns, size, from_directory, from_name FROM offer"
            " WHERE (?1 IS NULL OR change = ?1) AND (directory, name) > (?2, ?3) ORDER BY directory, name LIMIT ?4",
            (happening, *(_place(after.path) if after else (b"", b"")), most),
        )
        return [
            Change(
                os.fsdecode(os.path.join(directory, name)),
                Happening(change),
                Version(*numbers),
                None if from_name is None else os.fsdecode(os.path.join(from_directory, from_name)),
            )
            for directory, name, change, *numbers, from_directory, from_name in rows
        ]

    def all_offered(self) -> Iterator[Change]:
        """All of them, in chunks, so that they may be withdrawn meanwhile."""
        last: Change | None = None
        while changes := self.offered(1000, after=last):
            yield from changes
            last = changes[-1]

    def offered_paths(self) -> list[str]:
        """Of all changes that are to be told."""
        rows = self._database.execute("SELECT directory, name FROM offer").fetchall()
        return [os.fsdecode(os.path.join(*place)) for place in rows]

    def join_moves(self) -> None:
        """A file that is gone, and one of the same version that is new, have been moved."""
        self._database.execute(_MOVES)
        self._database.execute(_MOVED_AWAY)

    def part_moves(self) -> None:
        """The reverse, before another comparison."""
        self._database.execute(_SOURCES)
        self._database.execute(_DESTINATIONS)

    def told(self, changes: Iterable[Change]) -> None:
        """Changes were told, or are not wanted: the files are now as they were told."""
        for change in changes:
            if change.source is not None:
                self.keep(change.source, None)
            self.keep(change.path, None if change.happening is Happening.DELETED else change.version)
            self.withdraw(change.path)
