"""A running file trigger: waits for changes, scans, and delivers them.

The trigger is one loop on the event loop of the daemon. Its states:

| state     | leaves it when                                                        | goes to   |
| --------- | --------------------------------------------------------------------- | --------- |
| idle      | paths are pending, or a timer is due (see `_wait`)                     | debounce  |
| debounce  | `quiet` has passed without an event, or `max_wait` since the first     | watching  |
| watching  | the watches fit the directories that exist now                        | scanning  |
| scanning  | the disk has been compared with the snapshot, in one transaction      | delivery  |
| delivery  | nothing is pending, or the engine refuses                             | idle      |

It starts with a delivery, because changes found before the last end must go out as they were then, followed by a
round that scans everything. Observers fill `PendingPaths` in their threads at any time; only `idle` waits for it, so
rounds never overlap, and only one thread at a time uses the snapshot.

Races, and how they are closed:

- *New watches*: what happens between two sets of watches has no event. So watches are started before the scan, and a
  round that has started any scans everything.
- *New directories*: files written before the kernel watches a new directory have no event. The diff descends into
  every directory that it does not know, whatever the event said.
- *Running out of watches*: the kernel reports nothing. After a scan the known directories are compared with those that
  it watches (`_check_unwatched`); watches of new directories arrive after the directories, so only those that are
  missing for `WATCH_SETUP_SECONDS` count, and then everything is polled for `POLLING_FALLBACK_SECONDS`.
- *Suspend*: events may be lost while the machine sleeps, so a jump of its sleep counter scans everything.
- *Cancellation*: a thread cannot be interrupted and uses the snapshot, so `_run_in_thread` asks it to stop and waits
  before the snapshot is closed.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, evolve, field
from loguru import logger

from rae_auto.api import TriggerContext
from rae_auto.errors import StoreError
from rae_auto.model.primitives.clock_jumps import has_slept
from rae_plugins.triggers.file.debounce import Burst, Complete, StabilityTracker
from rae_plugins.triggers.file.delivery import Delivery
from rae_plugins.triggers.file.observers import OverflowHandler, WatchHandle, start_watching
from rae_plugins.triggers.file.pending import PendingPaths, ScanRequest
from rae_plugins.triggers.file.scanner import Scanner, ScanOptions, ScanResult
from rae_plugins.triggers.file.snapshot import Snapshot
from rae_plugins.triggers.file.watch_plan import Polling, WatchedDir, plan_watches

if TYPE_CHECKING:
    from rae_plugins.triggers.file import FileTrigger

T = TypeVar("T")

HEALTH_CHECK_INTERVAL = timedelta(seconds=30)
"""Interval of the checks that the threads live, and that the watches still fit the directories."""

MIN_QUIET_BEFORE_FULL_SCAN = timedelta(milliseconds=500)

WATCH_SETUP_SECONDS = 6.0
"""A directory that the kernel has not watched for so long will not be watched any more."""

POLLING_FALLBACK_SECONDS = 3600.0
"""Time for which everything is polled after watching has failed."""


@define(eq=False)
class FileWatcher:
    """The watcher of one trigger."""

    options: "FileTrigger"
    context: TriggerContext
    _pending: PendingPaths = field(init=False)
    _scanner: Scanner = field(init=False)
    _delivery: Delivery = field(init=False)
    _watches: WatchHandle = field(init=False, default=WatchHandle((), ()))
    _slept: float = field(init=False)
    _polling_until: float | None = field(init=False, default=None)
    """The monotonic time until which everything is polled, because watching has failed."""

    _unwatched: frozenset[str] = field(init=False, default=frozenset())
    _unwatched_since: float | None = field(init=False, default=None)
    _unwatched_warnings: set[str] = field(init=False, factory=set)
    _warnings_given: set[str] = field(init=False, factory=set)
    _unreadable: set[str] = field(init=False, factory=set)
    """Paths that could not be read, to be scanned again."""

    async def run(self) -> None:
        """Watch until cancelled. Raises StoreError if the snapshot can't be written, as on a full disk."""
        path = self.context.directory / "snapshot.sqlite"
        try:
            await self._run(path)
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path}: can't be read or written ({error}); check the disk") from error

    async def _run(self, snapshot_path: Path) -> None:
        timer, options = self.context.timer, self.options
        self._slept = timer.now().slept
        self._pending = PendingPaths(lambda: timer.now().mono)
        snapshot = await asyncio.to_thread(Snapshot, snapshot_path, self.context.since or timer.now().wall)
        if snapshot.damage:
            self._warn(snapshot.damage)
        try:
            scan_options = ScanOptions(
                paths=options.paths,
                recursive=options.recursive,
                ignore=options.ignore,
                ignore_temporary=options.ignore_temporary,
                kinds=options.events,
                initial=options.initial,
                is_complete_if_closed=options.complete is Complete.CLOSED,
            )
            matcher = scan_options.make_matcher(excluded_directory=_find_state_directory(self.context.directory))
            self._scanner = Scanner(snapshot, matcher, scan_options, StabilityTracker(options.stable.total_seconds()))
            self._delivery = Delivery(self.context, snapshot, self._run_in_thread, options.has_event_per_file)
            with OverflowHandler(self._pending):
                try:
                    await self._delivery.deliver()
                    await self._run_round(ScanRequest(everything=True, rewatch_reason=""))
                    while True:
                        await self._wait()
                        await self._run_round(self._pending.pop_request())
                finally:
                    await asyncio.shield(asyncio.to_thread(lambda: self._watches.close()))
        finally:
            await asyncio.shield(asyncio.to_thread(snapshot.close))

    async def _run_in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._scanner.cancel.set()
            await asyncio.wait({task})
            raise

    # Rounds.

    async def _run_round(self, request: ScanRequest) -> None:
        """Update the watches, scan, and deliver."""
        if request.rewatch_reason:
            self._warn(f"{request.rewatch_reason}; everything is scanned")
        if await self._update_watches(is_forced=request.rewatch_reason is not None):
            request.everything = True
        if not (request.everything or request.trees or request.listings or request.files):
            return
        result = await self._run_in_thread(self._scanner.scan, request, self.context.timer.now())
        self._warn_of_gaps(result)
        scope = "all files" if request.everything else "what was reported"
        self.context.trace(f"looked at {scope}; {'files have' if result.has_new_changes else 'no file has'} changed")
        if result.has_new_changes:
            await self._delivery.deliver()
        if result.directories_changed or request.everything:
            await self._check_unwatched()

    async def _update_watches(self, *, is_forced: bool) -> bool:
        """Replace the watches if the directories have changed; return whether they were replaced."""
        directories = await self._run_in_thread(self._plan)
        if not is_forced and directories == self._watches.directories and self._watches.is_alive():
            return False
        old, self._watches = self._watches, WatchHandle((), ())
        await self._run_in_thread(old.close)
        self._unwatched, self._unwatched_since = frozenset(), None
        try:
            self._watches = await self._start_watches(directories)
        except OSError as error:
            reason = f"can't watch ({error.strerror or error})"
            if self.options.polling is Polling.NEVER:
                # The next health check tries again.
                self._warn_of_unwatched(reason)
                return False
            self._start_polling(reason)
            self._watches = await self._start_watches(await self._run_in_thread(self._plan))
        return True

    async def _start_watches(self, directories: Sequence[WatchedDir]) -> WatchHandle:
        task = asyncio.ensure_future(
            asyncio.to_thread(start_watching, directories, self._scanner.matcher, self._pending, self.options.poll)
        )
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Keep the handle, or the watches could never be closed.
            with suppress(OSError):
                self._watches = await task
            raise

    def _plan(self) -> tuple[WatchedDir, ...]:
        directories = plan_watches(self._scanner.matcher, self.options.polling)
        if self._polling_until is None:
            return directories
        return tuple(evolve(directory, is_polled=True) for directory in directories)

    async def _check_unwatched(self) -> None:
        """Start polling if the kernel has left directories unwatched for too long."""
        unwatched = frozenset(await self._run_in_thread(self._find_unwatched))
        now = self.context.timer.now().mono
        if not unwatched:
            self._unwatched, self._unwatched_since = unwatched, None
            return
        if self._unwatched_since is None or not self._unwatched & unwatched:
            self._unwatched_since = now
            self._unwatched = unwatched
            return
        self._unwatched &= unwatched
        if now - self._unwatched_since >= WATCH_SETUP_SECONDS:
            count = "1 directory is" if len(unwatched) == 1 else f"{len(unwatched)} directories are"
            reason = f"the kernel has no watches left ({count} not watched; raise fs.inotify.max_user_watches)"
            if self.options.polling is Polling.NEVER:
                self._warn_of_unwatched(reason)
                return
            self._start_polling(reason)
            self._pending.add_everything()

    def _find_unwatched(self) -> list[str]:
        return self._watches.find_unwatched(self._scanner.snapshot.iter_directories())

    def _start_polling(self, reason: str) -> None:
        self._polling_until = self.context.timer.now().mono + POLLING_FALLBACK_SECONDS
        self._unwatched, self._unwatched_since = frozenset(), None
        self._warn(f"{reason}; polling every {self.options.poll.total_seconds():g} s instead")

    def _warn_of_unwatched(self, reason: str) -> None:
        """Warn, once for each reason, of changes that nothing sees, because polling is forbidden."""
        self._unwatched, self._unwatched_since = frozenset(), None
        text = f'{reason}; changes there are not seen, because polling = "never"'
        if text not in self._unwatched_warnings:
            self._unwatched_warnings.add(text)
            self._warn(text)

    def _warn_of_gaps(self, result: ScanResult) -> None:
        """Warn once of paths that could not be scanned."""
        previous = set() if result.is_full else self._unreadable
        self._unreadable = {path for path, _ in result.unreadable} | previous
        warnings = {
            f"{path} can't be read ({error.strerror or error}); changes in it are not seen"
            for path, error in result.unreadable
        }
        warnings |= {
            f"nothing is mounted at {point}; its files count as unchanged until it is mounted again"
            for point in result.unmounted
        }
        for text in sorted(warnings - self._warnings_given):
            self._warn(text)
        self._warnings_given = warnings if result.is_full else self._warnings_given | warnings

    def _warn(self, text: str) -> None:
        logger.bind(job=self.context.job).warning("trigger {}: {}", self.context.trigger, text)

    # Between rounds.

    async def _wait(self) -> None:
        """Return when paths are pending and the burst is over."""
        while not self._pending.available.is_set():
            now = self.context.timer.now()
            dues = [self._scanner.stability.next_due(), self._delivery.retry_at, self._polling_until]
            if self._unwatched_since is not None:
                dues.append(now.mono + WATCH_SETUP_SECONDS / 2)
            due = min((due for due in dues if due is not None), default=None)
            await _wait_for_first(
                self._pending.available.wait(),
                self.context.timer.sleep_until(now.wall + HEALTH_CHECK_INTERVAL),
                *([] if due is None else [self.context.timer.sleep(max(due - now.mono, 0.0))]),
            )
            await self._handle_timers()
        await self._wait_until_quiet()

    async def _handle_timers(self) -> None:
        """Do the work that no event announces: suspends, retries, files to check again."""
        now = self.context.timer.now()
        if has_slept(self._slept, now.slept):
            self._pending.add_everything()
        self._slept = now.slept
        if self._polling_until is not None and now.mono >= self._polling_until:
            self._polling_until = None
        retry_at, stability_due = self._delivery.retry_at, self._scanner.stability.next_due()
        if retry_at is not None and now.mono >= retry_at:
            await self._delivery.deliver()
        if stability_due is not None and now.mono >= stability_due:
            await self._run_round(ScanRequest(files=set(self._scanner.stability.paths())))
        if not self._pending.available.is_set():
            unreadable, self._unreadable = self._unreadable, set()
            await self._run_round(ScanRequest(trees=unreadable))
        if self._unwatched_since is not None:
            await self._check_unwatched()

    async def _wait_until_quiet(self) -> None:
        quiet, max_wait = self.options.quiet, self.options.max_wait
        while True:
            if self._pending.is_everything:
                quiet = max(quiet, MIN_QUIET_BEFORE_FULL_SCAN)
                max_wait = max(max_wait, 2 * MIN_QUIET_BEFORE_FULL_SCAN)
            now = self.context.timer.now().mono
            due = Burst(self._pending.first, self._pending.last).scan_due(quiet, max_wait)
            if now >= due:
                return
            await self.context.timer.sleep(due - now)


async def _wait_for_first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _find_state_directory(directory: Path) -> str:
    """Return the daemon's state directory, which is never watched: the daemon writes there after every event."""
    for parent in directory.parents:
        if parent.name == "triggers":
            return os.path.realpath(parent.parent)
    return os.path.realpath(directory)
