"""Compares what is on disk with the snapshot: the only place in which it is decided that something has happened.

What a watch sees only says where to look, so nothing depends on its being complete: after a start, an overflow or a
suspend everything is looked at, by the same code.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from attrs import define, field

from rae_plugins.triggers.file.changes import Happening, Version
from rae_plugins.triggers.file.matcher import Selection, State
from rae_plugins.triggers.file.snapshot import Snapshot

_CHUNK = 400
"""How many files are looked up at once; SQLite binds at most 999 values."""


class Stopped(Exception):
    """The comparison was told to stop."""


@define(eq=False)
class Comparison:
    """One look at the disk, within one transaction. Changes go into the snapshot's offer."""

    selection: Selection
    snapshot: Snapshot
    walk: int
    """The number of this look, another one each time."""

    is_silent: Callable[[str], bool]
    """Whether a file of this path that appears is taken for granted."""

    away: Sequence[str]
    """Where file systems were mounted that are not now: what was there is left as it was."""

    stop: threading.Event
    directories_changed: bool = field(init=False, default=False)
    unreadable: list[tuple[str, OSError]] = field(init=False, factory=list)
    _has_offers: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Begin."""
        self._has_offers = self.snapshot.offers()

    def everything(self) -> None:
        """Compare all that is meant."""
        for anchor in self.selection.anchors():
            self.tree(anchor)

    def place(self, path: str) -> None:
        """Compare one file, or a directory unless it is the one that it was."""
        if self._is_away(path):
            return
        directory, name = os.path.split(path)
        state = self.selection.state_of(directory)
        try:
            if self.selection.matches(state, directory, name):
                self._file(path)
            if not self.selection.enter(state, directory, name):
                return
            status = _status(path)
        except OSError as error:
            self.unreadable.append((path, error))
            return
        if status is None or not stat.S_ISDIR(status.st_mode):
            self.tree(path)
        elif os.path.islink(path) and name not in self.selection.literal_names(state):
            return
        elif not self.snapshot.knows(path, Version.of(status).inode):
            self.tree(path)

    def places(self, trees: Iterable[str], listings: Iterable[str], files: Iterable[str]) -> None:
        """Compare trees, what is in directories themselves, and files; none of them twice."""
        tops: set[str] = set()
        for tree in sorted(trees, key=len):
            if not _is_below(tree, tops):
                tops.add(tree)
                self.tree(tree)
        for path in listings:
            if not _is_below(path, tops) and not self._is_away(path):
                # New directories in it have been told of too.
                self._directory(path, self.selection.state_of(path))
        for path in files:
            if not tops or not _is_below(path, tops):
                self.place(path)

    def offers(self) -> None:
        """Compare what is to be told already: it may be another by now, or nothing any more."""
        self.snapshot.part_moves()
        for path in self.snapshot.offered_paths():
            self.place(path)

    def tree(self, top: str) -> None:
        """Compare all in a directory, which may be gone."""
        for point in self.away:
            self.snapshot.see_below(point, self.walk)
        if self._is_away(top):
            return
        directory, name = os.path.split(top)
        if name and self.selection.matches(self.selection.state_of(directory), directory, name):
            with suppress(OSError):  # which the walk meets too
                self._file(top)
        waiting = [(top, self.selection.state_of(top))]
        while waiting:
            self._go_on()
            directory, state = waiting.pop()
            if state and directory not in self.away:
                waiting += self._directory(directory, state)
        for gone in self.snapshot.not_seen(top, self.walk):
            for name, version in self.snapshot.files_in(gone):
                self._gone(os.path.join(gone, name), version)
            self.snapshot.forget(gone)
            self.directories_changed = True

    def _is_away(self, path: str) -> bool:
        return any(path == point or path.startswith(os.path.join(point, "")) for point in self.away)

    def _go_on(self) -> None:
        if self.stop.is_set():
            raise Stopped

    def _directory(self, directory: str, state: State) -> Iterable[tuple[str, State]]:
        """Compare what is in a directory itself; the sub-directories that are to be compared too."""
        try:
            inode = Version.of(os.stat(directory)).inode
            names = self.selection.names(state)
            entries = self._listed(directory, state) if names is None else self._named(directory, state, names)
            self._see(directory, inode)
            below = self._entries(directory, entries)
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            self.unreadable.append((directory, error))
            self.snapshot.see_below(directory, self.walk)
            return ()
        return below

    def _see(self, directory: str, inode: int) -> None:
        self.directories_changed = self.directories_changed or not self.snapshot.knows(directory, inode)
        self.snapshot.see(directory, inode, self.walk)

    def _entries(self, directory: str, entries: "Iterator[_Entry]") -> list[tuple[str, State]]:
        below: list[tuple[str, State]] = []
        found, known_before = 0, self.snapshot.count(directory)
        while chunk := list(islice(entries, _CHUNK)):
            self._go_on()
            files = {}
            for name, state, version in chunk:
                if state:
                    below.append((os.path.join(directory, name), state))
                elif version is not None:
                    files[name] = version
            known = self.snapshot.versions(directory, list(files)) if files else {}
            found += len(known)
            for name, version in files.items():
                self._is(os.path.join(directory, name), known.get(name), version)
        # Only where one is missing have all to be looked for.
        if found < known_before:
            for name, version in self.snapshot.files_in(directory):
                self._go_on()
                path = os.path.join(directory, name)
                if not self._is_file(path):
                    self._gone(path, version)
        return below

    def _named(self, directory: str, state: State, names: Iterable[str]) -> "Iterator[_Entry]":
        """What there is of these names."""
        for name in sorted(names):
            status = _status(os.path.join(directory, name))
            if status is not None:
                yield from self._entry(directory, state, name, status)

    def _listed(self, directory: str, state: State) -> "Iterator[_Entry]":
        """What there is that may be meant."""
        literal = self.selection.literal_names(state)
        with os.scandir(directory) as listing:
            for entry in listing:
                name = entry.name
                try:
                    if entry.is_dir():
                        # A link to a directory is followed where it is named, or it may lead round in a circle.
                        if not entry.is_symlink() or name in literal:
                            yield from self._entry(directory, state, name, entry.stat())
                    elif self.selection.matches(state, directory, name):
                        status = entry.stat()
                        if stat.S_ISREG(status.st_mode):
                            yield name, None, Version.of(status)
                except OSError:
                    continue

    def _entry(self, directory: str, state: State, name: str, status: os.stat_result) -> "Iterator[_Entry]":
        if stat.S_ISDIR(status.st_mode):
            if below := self.selection.enter(state, directory, name):
                yield name, below, None
        elif stat.S_ISREG(status.st_mode) and self.selection.matches(state, directory, name):
            yield name, None, Version.of(status)

    def _file(self, path: str) -> None:
        status = _status(path)
        known = self.snapshot.version(path)
        if status is not None and stat.S_ISREG(status.st_mode):
            self._is(path, known, Version.of(status))
        elif known is not None:
            self._gone(path, known)
        elif self._has_offers:
            self.snapshot.withdraw(path)

    def _is(self, path: str, known: Version | None, version: Version) -> None:
        if known == version:
            if self._has_offers:
                self.snapshot.withdraw(path)
        elif known is None and self.is_silent(path):
            self.snapshot.keep(path, version)
        else:
            self.snapshot.offer(path, Happening.CREATED if known is None else Happening.MODIFIED, version)

    def _gone(self, path: str, version: Version) -> None:
        if self.selection.holds(path):
            self.snapshot.offer(path, Happening.DELETED, version)
        else:
            # It isn't meant any more, since the options are others.
            self.snapshot.keep(path, None)

    def _is_file(self, path: str) -> bool:
        status = _status(path)
        if status is None or not stat.S_ISREG(status.st_mode):
            return False
        return self.selection.holds(path)


_Entry = tuple[str, State | None, Version | None]
"""A name; of a directory the state in it; of a file its version."""


def _is_below(path: str, tops: set[str]) -> bool:
    while path not in tops:
        above = os.path.dirname(path)
        if above == path:
            return False
        path = above
    return True


def _status(path: str) -> os.stat_result | None:
    """None for what isn't there. Errors: OSError where that can't be told."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
