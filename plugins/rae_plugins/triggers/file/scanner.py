"""One look after the other: compares, sorts out what is wanted and whole, and leaves it in the snapshot to be told."""

import json
import threading
from collections.abc import Callable, Sequence

from attrs import define, field, frozen

from rae_auto.toolkit.mounts import read_mounts
from rae_plugins.triggers.file.changes import Happening, Origin, Version
from rae_plugins.triggers.file.debounce import Settling
from rae_plugins.triggers.file.diff import Comparison
from rae_plugins.triggers.file.matcher import Selection
from rae_plugins.triggers.file.pending import ScanRequest
from rae_plugins.triggers.file.snapshot import Snapshot

_CHUNK = 1000


@frozen
class Wanted:
    """What of the options a look needs to know."""

    paths: tuple[str, ...]
    recursive: bool
    ignore: tuple[str, ...]
    happenings: tuple[Happening, ...]
    initial: bool

    def selection(self, never: str | None) -> Selection:
        """The files that are meant. Errors: ValueError."""
        return Selection.of(self.paths, recursive=self.recursive, ignore=self.ignore, never=never)

    def noted(self) -> str:
        """As it is kept in the snapshot, to notice that other files are meant than before."""
        return json.dumps([self.paths, self.recursive, self.ignore])


@frozen
class Look:
    """What a look has come to."""

    is_whole: bool
    """Whether it was at everything."""

    has_news: bool
    directories_changed: bool
    unreadable: Sequence[tuple[str, OSError]]
    away: Sequence[str]


@define(eq=False)
class Rounds:
    """Looks, in a thread; one at a time."""

    snapshot: Snapshot
    selection: Selection
    wanted: Wanted
    settling: Settling
    stop: threading.Event = field(factory=threading.Event)

    def look(self, places: ScanRequest, now: float) -> Look:
        """Compare places at a monotonic time. Errors: Stopped, sqlite3.Error."""
        snapshot = self.snapshot
        with snapshot.writing():
            before = {change.path: change.version for change in snapshot.all_offered()}
            away = self._away()
            comparison = Comparison(self.selection, snapshot, self._walk(places), self._silence(), away, self.stop)
            if before:
                comparison.offers()
            if places.everything:
                comparison.everything()
            else:
                comparison.places(places.trees, places.listings, places.files)
            self._sort_out(places, before, now)
            has_news = any(before.get(change.path) != change.version for change in snapshot.all_offered())
            if has_news:
                snapshot.note("origin", self._origin(places))
            if places.everything:
                snapshot.note("selection", self.wanted.noted())
                self._note_mounts(away)
        return Look(places.everything, has_news, comparison.directories_changed, comparison.unreadable, away)

    def _walk(self, places: ScanRequest) -> int:
        walk = int(self.snapshot.fact("walk") or 0) + 1
        if places.everything or places.trees or places.listings:
            self.snapshot.note("walk", str(walk))
        return walk

    def _origin(self, places: ScanRequest) -> Origin:
        if self.snapshot.fact("selection") is None:
            return Origin.INITIAL
        return Origin.RESCAN if places.everything else Origin.WATCH

    def _silence(self) -> Callable[[str], bool]:
        """Which files that appear were there before anybody meant them."""
        noted = self.snapshot.fact("selection")
        if noted == self.wanted.noted() or (self.wanted.initial and not self.snapshot.damage):
            return _never
        if noted is None:
            return _always
        paths, recursive, ignore = json.loads(noted)
        try:
            before = Selection.of(paths, recursive=recursive, ignore=ignore, never=self.selection.never)
        except ValueError:  # somebody else's home
            return _always
        return lambda path: not before.holds(path)

    def _sort_out(self, places: ScanRequest, before: dict[str, Version], now: float) -> None:
        """Leave in the offer what is wanted and whole."""
        snapshot = self.snapshot
        if Happening.MOVED in self.wanted.happenings:
            snapshot.join_moves()
        for happening in Happening:
            while happening not in self.wanted.happenings and (changes := snapshot.offered(_CHUNK, happening)):
                snapshot.told(changes)
        if self.settling.rest:
            self._leave_what_is_whole(places, before, now)

    def _leave_what_is_whole(self, places: ScanRequest, before: dict[str, Version], now: float) -> None:
        growing = set()
        for change in self.snapshot.all_offered():
            if change.happening in (Happening.DELETED, Happening.MOVED) or before.get(change.path) == change.version:
                continue
            was_closed = change.path in places.closed
            if not self.settling.is_whole(change.path, change.version, now, was_closed=was_closed):
                self.snapshot.withdraw(change.path)
                growing.add(change.path)
        for path in self.settling.waiting():
            if path not in growing and (places.everything or path in places.files):
                self.settling.forget(path)

    # What is mounted: a disk that isn't there has lost no files.

    def _away(self) -> list[str]:
        noted = json.loads(self.snapshot.fact("mounts") or "[]")
        mounted = {mount.point for mount in read_mounts()}
        return [point for point in noted if mounted and point not in mounted]

    def _note_mounts(self, away: Sequence[str]) -> None:
        seen = [mount.point for mount in read_mounts() if self.snapshot.has_files_below(mount.point)]
        self.snapshot.note("mounts", json.dumps(sorted({*seen, *away} - set(self.selection.anchors()))))


def _never(_: str) -> bool:
    return False


def _always(_: str) -> bool:
    return True
