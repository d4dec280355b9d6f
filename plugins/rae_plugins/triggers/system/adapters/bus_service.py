"""Following a service on the system bus through its restarts, the bus's own, and times without either."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from attrs import frozen
from loguru import logger

from rae_auto.api.trigger import Timer
from rae_plugins.machine.bus import Bus, BusFailure, Signals, system_bus

MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 1.0, 30.0
"""Delays before the next connection to the bus; doubled each time up to the maximum."""

RESTART_GRACE_SECONDS = 20.0
"""Time for which a service that was there may be away, as while it is restarted, before it counts as absent."""

Live = Callable[[Bus, Signals], Awaitable[None]]
"""Reads the state and follows the signals; returns when the service has another owner or none."""


def nothing() -> None:
    """Do nothing."""


@frozen
class Service:
    """A service on the bus, and the D-Bus rules for those of its signals that count."""

    name: str
    rules: Sequence[str]
    without: str
    """The consequence of its absence, for the log."""
    is_replaced: bool = True
    """True if something replaces it then."""


class Following:
    """Runs `live` whenever the service is there. `absent` is set while the service is away and must be replaced."""

    def __init__(self, service: Service, live: Live, timer: Timer, on_absence: Callable[[], None] = nothing) -> None:
        self.absent = asyncio.Event()
        self._on_absence = on_absence
        self._service = service
        self._live = live
        self._timer = timer
        self._lost_at: float | None = None
        self._served_since: float | None = None
        self._was_there = False

    async def run(self) -> None:
        """Follow until cancelled. What `live` raises passes through, but for BusFailure."""
        delay = MIN_RETRY_SECONDS
        while True:
            try:
                async with system_bus() as bus, bus.signals(self._service.name, *self._service.rules) as signals:
                    await self._attend(bus, signals)
            except BusFailure as failure:
                if self._served_well():
                    self._lost_at, delay = None, MIN_RETRY_SECONDS
                self._on_lost(str(failure))
            await self._timer.sleep(delay)
            delay = min(delay * 2, MAX_RETRY_SECONDS)

    async def _attend(self, bus: Bus, signals: Signals) -> None:
        while True:
            if signals.owner is None:
                await self._wait_for_owner(signals)
            self._was_there = True
            self._served_since = self._timer.now().mono
            self.absent.clear()
            await self._live(bus, signals)
            if self._served_well():
                self._lost_at = None

    def _served_well(self) -> bool:
        """Return whether the service could be used; one that is there but can't be queried counts as absent."""
        since, self._served_since = self._served_since, None
        return since is not None and self._timer.now().mono - since >= RESTART_GRACE_SECONDS

    async def _wait_for_owner(self, signals: Signals) -> None:
        reason = f"{self._service.name} is not on the system bus"
        self._on_lost(reason)
        if not self.absent.is_set():
            try:
                async with asyncio.timeout(RESTART_GRACE_SECONDS):
                    await signals.owned()
            except TimeoutError:
                self._give_up(reason)
        await signals.owned()

    def _on_lost(self, reason: str) -> None:
        now = self._timer.now().mono
        self._lost_at = now if self._lost_at is None else self._lost_at
        if not self._was_there or now - self._lost_at >= RESTART_GRACE_SECONDS:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        if not self.absent.is_set():
            log = logger.info if self._service.is_replaced else logger.warning
            log("{}: {}", reason, self._service.without)
            self.absent.set()
            self._on_absence()
