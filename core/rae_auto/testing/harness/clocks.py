"""Clocks of tests: those that a test moves, and the machine's, which a test can set."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rae_auto.model.primitives.instants import Moment

if TYPE_CHECKING:
    import pytest

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class VirtualTimer:
    """Clocks that a test moves."""

    def __init__(self, start: datetime = START) -> None:
        self._now = Moment(start, 0.0)
        self._settings = 0
        self._sleepers: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []
        self._due: dict[asyncio.Future[None], datetime] = {}

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return self._now

    def begin_at(self, moment: Moment) -> None:
        """Begin with these clocks instead."""
        self._now = moment

    @property
    def sleepers(self) -> int:
        """The number of tasks that wait for these clocks; only those notice a change."""
        return len(self._sleepers)

    @property
    def next_due(self) -> datetime | None:
        """The instant at which the first task that waits for these clocks wakes up, unless they are set before."""
        return min(self._due.values(), default=None)

    async def sleep(self, seconds: float) -> None:
        """Return when the test has advanced the clocks by this many seconds."""
        until = self._now.mono + seconds
        await self._until(lambda: self._now.mono >= until, self._now.wall + timedelta(seconds=seconds))

    async def sleep_until(self, instant: datetime) -> None:
        """Return when the test has moved the clock to the instant, has set it, or has suspended the machine."""
        before = self._settings, self._now.slept
        await self._until(lambda: self._now.wall >= instant or (self._settings, self._now.slept) != before, instant)

    async def _until(self, over: Callable[[], bool], due_at: datetime) -> None:
        if over():
            await asyncio.sleep(0)
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers.append((over, future))
        self._due[future] = due_at
        try:
            await future
        finally:
            del self._due[future]

    async def advance(self, by: timedelta | float, *, step: timedelta = timedelta(seconds=1)) -> None:
        """Advance the clocks in steps, and run the tasks that wake up after each."""
        left = by if isinstance(by, timedelta) else timedelta(seconds=by)
        while left > timedelta(0):
            interval = min(step, left)
            left -= interval
            self._now = self._now.later(interval)
            await self._wake()

    async def sleep_machine(self, by: timedelta) -> None:
        """Suspend the machine for so long, and resume it."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept + by.total_seconds())
        await self._wake()

    async def set_clock(self, by: timedelta) -> None:
        """Set the wall clock forward or back."""
        self._now = Moment(self._now.wall + by, self._now.mono, self._now.slept)
        self._settings += 1
        await self._wake()

    async def _wake(self) -> None:
        for over, future in list(self._sleepers):
            if over() or future.done():
                self._sleepers.remove((over, future))
                if not future.done():
                    future.set_result(None)
        for _ in range(20):
            await asyncio.sleep(0)


class RealTimer:
    """The machine's clocks; a test can set the wall clock, and suspend the machine for what reads them."""

    def __init__(self) -> None:
        self._shift = timedelta()
        self._slept = 0.0
        self._changed = asyncio.Event()

    def now(self) -> Moment:
        """Return the time of all clocks."""
        return Moment(datetime.now(UTC) + self._shift, asyncio.get_running_loop().time(), self._slept)

    async def sleep(self, seconds: float) -> None:
        """Sleep for this many seconds."""
        await asyncio.sleep(seconds)

    async def sleep_until(self, instant: datetime) -> None:
        """Sleep until the instant, or until the test has set the clock or has suspended the machine."""
        left = (instant - self.now().wall).total_seconds()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), max(left, 0))

    async def sleep_machine(self, by: timedelta) -> None:
        """Suspend the machine for so long, and resume it."""
        self._slept += by.total_seconds()
        await self.set_clock(by)

    async def set_clock(self, by: timedelta) -> None:
        """Set the wall clock forward or back."""
        self._shift += by
        self._changed.set()
        self._changed = asyncio.Event()
        await asyncio.sleep(0)


@contextmanager
def movable_clock(monkeypatch: "pytest.MonkeyPatch") -> Iterator[Callable[[float], None]]:
    """Shift the wall clock of this process, and leave the monotonic one alone."""
    real, shift = time.time, [0.0]
    with monkeypatch.context() as patched:
        patched.setattr(time, "time", lambda: real() + shift[0])
        yield lambda seconds: shift.__setitem__(0, seconds)
