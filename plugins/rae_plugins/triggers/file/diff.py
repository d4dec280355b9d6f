"""Compares the disk with the snapshot: the only code that decides what has happened to a file.

Events of a watch only say where to compare, so nothing depends on their being complete: after a start, an overflow or
a suspend everything is compared, by the same code.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from itertools import islice

from attrs import define, field

from rae_plugins.triggers.file.changes import ChangeKind, FileVersion
from rae_plugins.triggers.file.matcher import Matcher, MatchState
from rae_plugins.triggers.file.snapshot import Snapshot

_CHUNK_SIZE = 400
"""Number of files that are looked up at once; SQLite binds at most 999 values."""


class ScanCancelled(Exception):
    """The scan was asked to stop; its transaction is rolled back."""


@define(eq=False)
class DirectoryDiff:
    """One comparison of directories with the snapshot, within one transaction. Changes become pending there."""

    matcher: Matcher
    snapshot: Snapshot
    scan_number: int
    """The number of this scan, by which directories are marked as seen."""

    is_baseline: Callable[[str, FileVersion], bool]
    """True if a file of this path and version that is not in the snapshot enters it without a change."""

    unmounted: Sequence[str]
    """Where file systems were mounted that are not mounted now: their files stay as they were."""

    cancel: threading.Event
    written: AbstractSet[str] = frozenset()
    """Files that were seen to be written. Such a write counts, though inode, mtime and size are as they were."""

    directories_changed: bool = field(init=False, default=False)
    unreadable: list[tuple[str, OSError]] = field(init=False, factory=list)
    _has_pending: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Note whether changes are pending already."""
        self._has_pending = self.snapshot.has_pending()

    def compare_everything(self) -> None:
        """Compare everything that can match."""
        for anchor in self.matcher.anchors():
            self.compare_tree(anchor)

    def compare_path(self, path: str) -> None:
        """Compare a file, or a directory if it is a new one."""
        if self._is_unmounted(path):
            return
        directory, name = os.path.split(path)
        state = self.matcher.state_of(directory)
        try:
            if self.matcher.matches(state, directory, name):
                self._compare_file(path)
            if not self.matcher.enter(state, directory, name):
                return
            status = _read_status(path)
        except OSError as error:
            self.unreadable.append((path, error))
            return
        if status is None or not stat.S_ISDIR(status.st_mode):
            self.compare_tree(path)
        elif os.path.islink(path) and name not in self.matcher.literal_names(state):
            return
        elif not self.snapshot.is_known_directory(path, FileVersion.from_status(status).inode):
            self.compare_tree(path)

    def compare_paths(self, trees: Iterable[str], listings: Iterable[str], files: Iterable[str]) -> None:
        """Compare trees, the entries of directories, and files; none of them twice."""
        tops: set[str] = set()
        for tree in sorted(trees, key=len):
            if not _is_below(tree, tops):
                tops.add(tree)
                self.compare_tree(tree)
        for path in listings:
            if not _is_below(path, tops) and not self._is_unmounted(path):
                # New directories in it have an event of their own.
                self._compare_directory(path, self.matcher.state_of(path))
        for path in files:
            if not tops or not _is_below(path, tops):
                self.compare_path(path)

    def compare_pending(self) -> None:
        """Compare the pending changes again: a file may have changed once more, or be as it was."""
        self.snapshot.split_moves()
        for path in self.snapshot.pending_paths():
            self.compare_path(path)

    def compare_tree(self, top: str) -> None:
        """Compare everything in a directory, which may be gone."""
        for point in self.unmounted:
            self.snapshot.mark_tree_seen(point, self.scan_number)
        if self._is_unmounted(top):
            return
        directory, name = os.path.split(top)
        if name and self.matcher.matches(self.matcher.state_of(directory), directory, name):
            with suppress(OSError):  # the walk meets it too
                self._compare_file(top)
        remaining = [(top, self.matcher.state_of(top))]
        while remaining:
            self._check_cancelled()
            directory, state = remaining.pop()
            if state and directory not in self.unmounted:
                remaining += self._compare_directory(directory, state)
        for gone in self.snapshot.unseen_directories(top, self.scan_number):
            for name, version in self.snapshot.iter_files(gone):
                self._record_absent(os.path.join(gone, name), version)
            self.snapshot.remove_directory(gone)
            self.directories_changed = True

    def _is_unmounted(self, path: str) -> bool:
        return any(path == point or path.startswith(os.path.join(point, "")) for point in self.unmounted)

    def _check_cancelled(self) -> None:
        if self.cancel.is_set():
            raise ScanCancelled

    def _compare_directory(self, directory: str, state: MatchState) -> Iterable[tuple[str, MatchState]]:
        """Compare the entries of a directory; return the sub-directories to compare next."""
        try:
            status = os.stat(directory)
            if not stat.S_ISDIR(status.st_mode):
                # Only a directory is remembered as one: those that the kernel doesn't watch are counted.
                return ()
            inode = FileVersion.from_status(status).inode
            names = self.matcher.possible_names(state)
            if names is None:
                entries = self._list_entries(directory, state)
            else:
                entries = self._look_up_entries(directory, state, names)
            self._mark_seen(directory, inode)
            below = self._compare_entries(directory, entries)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self.unreadable.append((directory, error))
            self.snapshot.mark_tree_seen(directory, self.scan_number)
            return ()
        return below

    def _mark_seen(self, directory: str, inode: int) -> None:
        self.directories_changed = self.directories_changed or not self.snapshot.is_known_directory(directory, inode)
        self.snapshot.mark_seen(directory, inode, self.scan_number)

    def _compare_entries(self, directory: str, entries: "Iterator[_Entry]") -> list[tuple[str, MatchState]]:
        below: list[tuple[str, MatchState]] = []
        still_there, known_before = 0, self.snapshot.count_files(directory)
        while chunk := list(islice(entries, _CHUNK_SIZE)):
            self._check_cancelled()
            files = {}
            for name, state, version in chunk:
                if state:
                    below.append((os.path.join(directory, name), state))
                elif version is not None:
                    files[name] = version
            known = self.snapshot.get_versions(directory, list(files)) if files else {}
            still_there += len(known)
            for name, version in files.items():
                self._record_present(os.path.join(directory, name), known.get(name), version)
        # All known files need a look only if one of them is missing.
        if still_there < known_before:
            for name, version in self.snapshot.iter_files(directory):
                self._check_cancelled()
                path = os.path.join(directory, name)
                if not self._is_matching_file(path):
                    self._record_absent(path, version)
        return below

    def _look_up_entries(self, directory: str, state: MatchState, names: Iterable[str]) -> "Iterator[_Entry]":
        """Yield the entries with these names that exist."""
        for name in sorted(names):
            status = _read_status(os.path.join(directory, name))
            if status is not None:
                yield from self._make_entry(directory, state, name, status)

    def _list_entries(self, directory: str, state: MatchState) -> "Iterator[_Entry]":
        """Yield the entries of a directory that may match."""
        literal_names = self.matcher.literal_names(state)
        with os.scandir(directory) as listing:
            for entry in listing:
                name = entry.name
                try:
                    if entry.is_dir():
                        # A link to a directory is followed only if a pattern names it: others may form a circle.
                        if not entry.is_symlink() or name in literal_names:
                            yield from self._make_entry(directory, state, name, entry.stat())
                    elif self.matcher.matches(state, directory, name):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            yield name, None, FileVersion.from_status(status)
                except OSError:
                    continue

    def _make_entry(self, directory: str, state: MatchState, name: str, status: os.stat_result) -> "Iterator[_Entry]":
        if stat.S_ISDIR(status.st_mode):
            if below := self.matcher.enter(state, directory, name):
                yield name, below, None
        elif stat.S_ISREG(status.st_mode) and self.matcher.matches(state, directory, name):
            yield name, None, FileVersion.from_status(status)

    def _compare_file(self, path: str) -> None:
        status = _read_status(path)
        known = self.snapshot.get_version(path)
        if status is not None and stat.S_ISREG(status.st_mode):
            self._record_present(path, known, FileVersion.from_status(status))
        elif known is not None:
            self._record_absent(path, known)
        elif self._has_pending:
            self.snapshot.remove_pending(path)

    def _record_present(self, path: str, known: FileVersion | None, version: FileVersion) -> None:
        if known == version:
            if path in self.written and known.changed_ns != version.changed_ns:
                self.snapshot.add_pending(path, ChangeKind.MODIFIED, version)
            elif self._has_pending:
                self.snapshot.remove_reverted(path, version)
        elif known is None and self.is_baseline(path, version):
            self.snapshot.set_version(path, version)
        else:
            self.snapshot.add_pending(path, ChangeKind.CREATED if known is None else ChangeKind.MODIFIED, version)

    def _record_absent(self, path: str, version: FileVersion) -> None:
        if self.matcher.matches_path(path):
            self.snapshot.add_pending(path, ChangeKind.DELETED, version)
        else:
            # The options have changed, and it no longer matches.
            self.snapshot.set_version(path, None)

    def _is_matching_file(self, path: str) -> bool:
        status = _read_status(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return self.matcher.matches_path(path)


_Entry = tuple[str, MatchState | None, FileVersion | None]
"""A name, with the state in it for a directory or the version for a file."""


def _is_below(path: str, tops: set[str]) -> bool:
    while path not in tops:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _read_status(path: str) -> os.stat_result | None:
    """Return the status of a path, or None if it does not exist. Errors: OSError if that is unknown."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
