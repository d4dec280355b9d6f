"""Scans: compares with the snapshot, keeps the changes that are wanted and stable, and leaves them pending there."""

import json
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from attrs import define, field, frozen

from rae_auto.model.primitives.instants import Moment
from rae_auto.toolkit.mounts import read_mounts
from rae_plugins.triggers.file.changes import ChangeKind, ChangeOrigin, FileVersion
from rae_plugins.triggers.file.debounce import StabilityTracker
from rae_plugins.triggers.file.diff import DirectoryDiff
from rae_plugins.triggers.file.matcher import Matcher
from rae_plugins.triggers.file.pending import ScanRequest
from rae_plugins.triggers.file.snapshot import Snapshot

_CHUNK_SIZE = 1000


@frozen
class ScanOptions:
    """The options of the trigger that a scan needs."""

    paths: tuple[str, ...]
    recursive: bool
    ignore: tuple[str, ...]
    ignore_temporary: bool
    kinds: tuple[ChangeKind, ...]
    initial: bool
    is_complete_if_closed: bool

    def make_matcher(self, excluded_directory: str | None) -> Matcher:
        """Return the matcher for the paths. Errors: ValueError."""
        return Matcher.from_paths(
            self.paths,
            recursive=self.recursive,
            ignore=self.ignore,
            ignore_temporary=self.ignore_temporary,
            excluded_directory=excluded_directory,
        )

    def to_json(self) -> str:
        """Return the options that decide which files match, to notice in the snapshot that they have changed."""
        return json.dumps([self.paths, self.recursive, self.ignore, self.ignore_temporary])


@frozen
class ScanResult:
    """The outcome of a scan."""

    is_full: bool
    """True if everything was scanned."""

    has_new_changes: bool
    directories_changed: bool
    unreadable: Sequence[tuple[str, OSError]]
    unmounted: Sequence[str]


@define(eq=False)
class Scanner:
    """Runs scans, in a thread; one at a time."""

    snapshot: Snapshot
    matcher: Matcher
    options: ScanOptions
    stability: StabilityTracker
    cancel: threading.Event = field(factory=threading.Event)
    _held_writes: set[str] = field(init=False, factory=set)
    """Files that were seen to be written and are not stable yet."""

    def scan(self, request: ScanRequest, now: Moment) -> ScanResult:
        """Run a scan in one transaction. Errors: ScanCancelled, sqlite3.Error."""
        snapshot = self.snapshot
        with snapshot.transaction():
            before = {change.path: change.version for change in snapshot.iter_pending()}
            unmounted = self._find_unmounted()
            diff = DirectoryDiff(
                self.matcher,
                snapshot,
                self._next_scan_number(request),
                self._baseline(now.wall),
                unmounted,
                self.cancel,
                request.written | self._held_writes,
            )
            if before:
                diff.compare_pending()
            if request.everything:
                diff.compare_everything()
            else:
                diff.compare_paths(request.trees, request.listings, request.files)
            self._filter_pending(request, before, now.mono)
            has_new_changes = any(before.get(change.path) != change.version for change in snapshot.iter_pending())
            if has_new_changes:
                snapshot.set_metadata("origin", self._origin(request))
            if request.everything:
                snapshot.set_metadata("options", self.options.to_json())
                self._save_mounts(unmounted)
        return ScanResult(request.everything, has_new_changes, diff.directories_changed, diff.unreadable, unmounted)

    def _next_scan_number(self, request: ScanRequest) -> int:
        number = int(self.snapshot.get_metadata("scan_number") or 0) + 1
        if request.everything or request.trees or request.listings:
            self.snapshot.set_metadata("scan_number", str(number))
        return number

    def _origin(self, request: ScanRequest) -> ChangeOrigin:
        if self.snapshot.get_metadata("options") is None:
            return ChangeOrigin.INITIAL
        return ChangeOrigin.RESCAN if request.everything else ChangeOrigin.WATCH

    def _baseline(self, now: datetime) -> Callable[[str, FileVersion], bool]:
        """Return a predicate for files that may have been there before they matched.

        They enter the snapshot without a change: at the first start (unless `initial`), and after the options have
        changed those that did not match before. What has changed between the start and this scan counts as a change,
        unless the clock says that it happens later than now: then it says nothing.
        """
        previous_options = self.snapshot.get_metadata("options")
        if previous_options == self.options.to_json() or (self.options.initial and not self.snapshot.damage):
            return lambda *_: False
        if previous_options is None:
            since_ns, now_ns = (int(instant.timestamp() * 1_000_000) * 1_000 for instant in (self.snapshot.since, now))
            return lambda _, version: not since_ns <= version.changed_ns <= now_ns
        paths, recursive, ignore, ignore_temporary = json.loads(previous_options)
        try:
            previous = Matcher.from_paths(
                paths,
                recursive=recursive,
                ignore=ignore,
                ignore_temporary=ignore_temporary,
                excluded_directory=self.matcher.excluded_directory,
            )
        except ValueError:  # a home directory that no longer exists
            return lambda *_: True
        return lambda path, _: not previous.matches_path(path)

    def _filter_pending(self, request: ScanRequest, before: dict[str, FileVersion], now: float) -> None:
        """Leave only those changes pending that are wanted and stable."""
        snapshot = self.snapshot
        if ChangeKind.MOVED in self.options.kinds:
            snapshot.join_moves()
        for kind in ChangeKind:
            while kind not in self.options.kinds and (changes := snapshot.get_pending(_CHUNK_SIZE, kind)):
                snapshot.mark_delivered(changes)
        if self.stability.rest_seconds:
            self._remove_unstable(request, before, now)

    def _remove_unstable(self, request: ScanRequest, before: dict[str, FileVersion], now: float) -> None:
        unstable = set()
        for change in self.snapshot.iter_pending():
            if change.kind in (ChangeKind.DELETED, ChangeKind.MOVED) or before.get(change.path) == change.version:
                continue
            path, was_written = change.path, change.path in request.written
            # What is empty may have been closed before it is copied.
            is_closed = self.options.is_complete_if_closed and path in request.closed and change.version.size > 0
            is_complete = is_closed or path in request.renamed
            if not self.stability.is_stable(
                path, change.version, now, is_complete=is_complete, was_written=was_written
            ):
                self.snapshot.remove_pending(path)
                unstable.add(path)
                if was_written:
                    self._held_writes.add(path)
        for path in self.stability.paths():
            if path not in unstable and (request.everything or path in request.files):
                self.stability.discard(path)
        self._held_writes &= set(self.stability.paths())

    # A disk that is not mounted has lost no files, so the mount points with known files are remembered.

    def _find_unmounted(self) -> list[str]:
        remembered = json.loads(self.snapshot.get_metadata("mounts") or "[]")
        mounted = {mount.point for mount in read_mounts()}
        return [point for point in remembered if mounted and point not in mounted]

    def _save_mounts(self, unmounted: Sequence[str]) -> None:
        in_use = [mount.point for mount in read_mounts() if self.snapshot.has_files_below(mount.point)]
        points = {*in_use, *unmounted} - set(self.matcher.anchors())
        self.snapshot.set_metadata("mounts", json.dumps(sorted(points)))
