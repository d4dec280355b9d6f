"""A file trigger at work: waits for changes, looks, and has them told."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define, evolve, field
from loguru import logger

from rae_auto.api import TriggerContext
from rae_plugins.triggers.file.debounce import Burst, Settling
from rae_plugins.triggers.file.delivery import Telling
from rae_plugins.triggers.file.observers import Overflows, Watches, watch
from rae_plugins.triggers.file.pending import PendingPaths, ScanRequest
from rae_plugins.triggers.file.scanner import Look, Rounds, Wanted
from rae_plugins.triggers.file.snapshot import Snapshot
from rae_plugins.triggers.file.watch_plan import WatchedDir, plan

if TYPE_CHECKING:
    from rae_plugins.triggers.file import FileTrigger

T = TypeVar("T")

SUPERVISION = timedelta(seconds=30)
"""How often it is looked whether the threads live, and whether directories came that can't be watched for."""

CALM = timedelta(milliseconds=500)
"""Before everything is looked at there must be quiet for at least so long."""

AT_LEAST_SLEPT = 2.0

PATIENCE_WITH_KERNEL = 6.0
"""Seconds after which a directory that isn't watched won't be any more."""

RECOVERY = 3600.0
"""Seconds after which watching is tried again where it was not possible."""


@define(eq=False)
class Watcher:
    """Watches for one trigger."""

    options: "FileTrigger"
    watch: TriggerContext
    _dirt: PendingPaths = field(init=False)
    _rounds: Rounds = field(init=False)
    _telling: Telling = field(init=False)
    _watches: Watches = field(init=False, default=Watches((), ()))
    _slept: float = field(init=False)
    _polls_until: float | None = field(init=False, default=None)
    """Until then all is polled, since there are no watches left."""

    _missing: frozenset[str] = field(init=False, default=frozenset())
    _missing_since: float | None = field(init=False, default=None)
    _told_of: set[str] = field(init=False, factory=set)
    _unreadable: set[str] = field(init=False, factory=set)
    """What could not be looked at, and is to be again."""

    async def run(self) -> None:
        """Until cancelled."""
        timer = self.watch.timer
        self._slept = timer.now().slept
        self._dirt = PendingPaths(lambda: timer.now().mono)
        snapshot = await asyncio.to_thread(Snapshot, self.watch.directory / "snapshot.sqlite")
        if snapshot.damage:
            self._warn(snapshot.damage)
        try:
            options = self.options
            wanted = Wanted(options.paths, options.recursive, options.ignore, options.events, options.initial)
            selection = wanted.selection(never=_state_directory(self.watch.directory))
            self._rounds = Rounds(snapshot, selection, wanted, Settling(self.options.stable.total_seconds()))
            self._telling = Telling(self.watch, snapshot, self._work, self.options.tells_each)
            with Overflows(self._dirt):
                # What was found before the end of another process is told first, as it was then.
                await self._telling.tell()
                await self._round(ScanRequest(everything=True, renew=""))
                while True:
                    await self._wait()
                    await self._round(self._dirt.take())
        finally:
            await asyncio.shield(asyncio.to_thread(self._close, snapshot))

    def _close(self, snapshot: Snapshot) -> None:
        self._watches.close()
        snapshot.close()

    async def _work(self, function: Callable[..., T], *arguments: object) -> T:
        """Have it done in a thread, and don't go before that has ended: it uses what is closed then."""
        task = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._rounds.stop.set()
            await asyncio.wait({task})
            raise

    # One round.

    async def _round(self, places: ScanRequest) -> None:
        """Watch what is to be watched, look, and tell what was found."""
        if places.renew:
            self._warn(f"{places.renew}; everything is looked at")
        if await self._renewed(is_forced=places.renew is not None):
            # What happened until they began has made no event.
            places.everything = True
        if not (places.everything or places.trees or places.listings or places.files):
            return
        look = await self._work(self._rounds.look, places, self.watch.timer.now().mono)
        self._tell_of(look)
        where = "everywhere" if places.everything else "where something happened"
        self.watch.trace(f"looked {where}: {'files have changed' if look.has_news else 'nothing to tell'}")
        if look.has_news:
            await self._telling.tell()
        if look.directories_changed or places.everything:
            await self._ask_the_kernel()

    async def _renewed(self, *, is_forced: bool) -> bool:
        """Have the watches that are needed as things are; whether they are new ones."""
        posts = await self._work(self._posts)
        if not is_forced and posts == self._watches.posts and self._watches.is_alive():
            return False
        old, self._watches = self._watches, Watches((), ())
        await self._work(old.close)
        self._missing, self._missing_since = frozenset(), None
        try:
            self._watches = await self._begin(posts)
        except OSError as error:
            self._poll_for_now(f"can't watch ({error.strerror or error})")
            self._watches = await self._begin(await self._work(self._posts))
        return True

    async def _begin(self, posts: Sequence[WatchedDir]) -> Watches:
        # In the hands of nobody if it were cancelled.
        task = asyncio.ensure_future(
            asyncio.to_thread(watch, posts, self._rounds.selection, self._dirt, self.options.poll)
        )
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            with suppress(OSError):
                self._watches = await task
            raise

    def _posts(self) -> tuple[WatchedDir, ...]:
        posts = plan(self._rounds.selection, self.options.polling)
        if self._polls_until is None:
            return posts
        return tuple(evolve(post, is_polled=True) for post in posts)

    async def _ask_the_kernel(self) -> None:
        """Poll, if after a while there are still directories that the kernel doesn't watch."""
        missing = frozenset(await self._work(self._unwatched))
        now = self.watch.timer.now().mono
        if not missing:
            self._missing, self._missing_since = missing, None
            return
        # Watches of new directories come after the directories: only what stays away is missing.
        if self._missing_since is None or not self._missing & missing:
            self._missing_since = now
            self._missing = missing
            return
        self._missing &= missing
        if now - self._missing_since >= PATIENCE_WITH_KERNEL:
            self._poll_for_now(
                f"the kernel has no watches left ({len(missing)} directories are without; "
                "raise fs.inotify.max_user_watches)"
            )
            self._dirt.everything()

    def _unwatched(self) -> list[str]:
        return self._watches.unwatched(self._rounds.snapshot.directories())

    def _poll_for_now(self, why: str) -> None:
        self._polls_until = self.watch.timer.now().mono + RECOVERY
        self._missing, self._missing_since = frozenset(), None
        self._warn(f"{why}; looks every {self.options.poll.total_seconds():g} s instead")

    def _tell_of(self, look: Look) -> None:
        """Say once what can't be seen."""
        self._unreadable = {path for path, _ in look.unreadable} | (set() if look.is_whole else self._unreadable)
        found = {
            f"{path} can't be read ({error.strerror or error}); it is left as it was" for path, error in look.unreadable
        }
        found |= {f"nothing is mounted at {point}; its files are left as they were" for point in look.away}
        for text in sorted(found - self._told_of):
            self._warn(text)
        self._told_of = found if look.is_whole else self._told_of | found

    def _warn(self, text: str) -> None:
        logger.bind(job=self.watch.job).warning("trigger {}: {}", self.watch.trigger, text)

    # Between rounds.

    async def _wait(self) -> None:
        """Until there is something to look at, and the burst is over."""
        while not self._dirt.came.is_set():
            now = self.watch.timer.now()
            dues = [self._rounds.settling.due(), self._telling.retry_at, self._polls_until]
            if self._missing_since is not None:
                dues.append(now.mono + PATIENCE_WITH_KERNEL / 2)
            due = min((due for due in dues if due is not None), default=None)
            await _first_of(
                self._dirt.came.wait(),
                self.watch.timer.sleep_until(now.wall + SUPERVISION),
                *([] if due is None else [self.watch.timer.sleep(max(due - now.mono, 0.0))]),
            )
            await self._look_around()
        await self._settle()

    async def _look_around(self) -> None:
        """What no event tells of."""
        now = self.watch.timer.now()
        slept, self._slept = now.slept - self._slept, now.slept
        if slept >= AT_LEAST_SLEPT:
            self._dirt.everything()
        if self._polls_until is not None and now.mono >= self._polls_until:
            self._polls_until = None
        retry_at, due = self._telling.retry_at, self._rounds.settling.due()
        if retry_at is not None and now.mono >= retry_at:
            await self._telling.tell()
        if due is not None and now.mono >= due:
            await self._round(ScanRequest(files=set(self._rounds.settling.waiting())))
        if not self._dirt.came.is_set():
            again, self._unreadable = self._unreadable, set()
            await self._round(ScanRequest(trees=again))
        if self._missing_since is not None:
            await self._ask_the_kernel()

    async def _settle(self) -> None:
        """Until the burst is over, or lasts too long."""
        quiet, longest = self.options.quiet, self.options.max_wait
        while True:
            if self._dirt.is_everything:
                quiet, longest = max(quiet, CALM), max(longest, 2 * CALM)
            now = self.watch.timer.now().mono
            due = Burst(self._dirt.first, self._dirt.last).looks_at(quiet, longest)
            if now >= due:
                return
            await self.watch.timer.sleep(due - now)


async def _first_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _state_directory(directory: Path) -> str:
    """What is never watched: the daemon's own files, which it writes whenever something happens."""
    for parent in directory.parents:
        if parent.name == "triggers":
            return os.path.realpath(parent.parent)
    return os.path.realpath(directory)
