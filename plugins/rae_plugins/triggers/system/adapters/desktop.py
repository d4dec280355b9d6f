"""NetworkManager and UPower: the network and the power, from those who manage them."""

import asyncio

from rae_auto.api.trigger import Timer
from rae_plugins.machine.bus import PROPERTIES, Bus, BusFailure, Signals, Target
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.adapters.bus_service import Following, Service
from rae_plugins.triggers.system.network import read_network
from rae_plugins.triggers.system.power import PowerState

_NM = "org.freedesktop.NetworkManager"
_NM_MANAGER = Target(_NM, "/org/freedesktop/NetworkManager", _NM)
_NM_CONNECTION = f"{_NM}.Connection.Active"

NETWORK_MANAGER = Service(
    _NM,
    (
        f"path='{_NM_MANAGER.path}',interface='{PROPERTIES}',arg0='{_NM}'",
        f"path='{_NM_MANAGER.path}',interface='{_NM}',member='StateChanged'",
    ),
    "the interface state is used instead",
)

MIN_ROUTED_STATE = 60
"""NetworkManager's state (NMState) from which on there is a default route: CONNECTED_SITE; 70 is CONNECTED_GLOBAL."""

_UP = "org.freedesktop.UPower"
_UP_MANAGER = Target(_UP, "/org/freedesktop/UPower", _UP)
_UP_DISPLAY = Target(_UP, "/org/freedesktop/UPower/devices/DisplayDevice", f"{_UP}.Device")

UPOWER = Service(
    _UP,
    (
        f"path='{_UP_MANAGER.path}',interface='{PROPERTIES}',arg0='{_UP}'",
        f"path='{_UP_DISPLAY.path}',interface='{PROPERTIES}',arg0='{_UP_DISPLAY.interface}'",
    ),
    "the kernel's report of the battery is used instead",
)

SETTLING_SECONDS = 0.3
"""Seconds after which a change of the network, which comes in many steps, is looked at."""


class NetworkWatch:
    """Reports the network after each signal of a change."""

    def __init__(self, report: Report, timer: Timer) -> None:
        self.changed = asyncio.Event()
        """Set to have the network read again."""
        self.manager = Following(NETWORK_MANAGER, self._live, timer, self.changed.set)
        self._report = report
        self._timer = timer
        self._state: tuple[bool, str] | None = None
        """The state of the network according to NetworkManager; None until it has reported it."""

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            await self.changed.wait()
            await self._timer.sleep(SETTLING_SECONDS)
            self.changed.clear()
            if self.manager.absent.is_set():
                await self._report(await asyncio.to_thread(read_network))
            elif self._state is not None:
                up, connection = self._state
                await self._report(await asyncio.to_thread(read_network, connection, up))

    async def _live(self, bus: Bus, signals: Signals) -> None:
        owner = signals.owner
        while signals.owner == owner:
            properties = await bus.properties(_NM_MANAGER)
            up = int(properties.get("State", 0)) >= MIN_ROUTED_STATE
            self._state = up, await self._connection(bus, str(properties.get("PrimaryConnection", "/")))
            self.changed.set()
            await signals.next()

    async def _connection(self, bus: Bus, path: str) -> str:
        """Return the lasting name of a connection, whose path changes each time."""
        if path == "/":
            return ""
        try:
            properties = await bus.properties(Target(_NM, path, _NM_CONNECTION))
        except BusFailure:
            if bus.is_lost:
                raise
            return ""  # it has gone meanwhile
        return str(properties.get("Uuid") or properties.get("Id") or "")


class UPowerWatch:
    """Reports the power when UPower signals a change."""

    def __init__(self, report: Report) -> None:
        self._report = report

    async def live(self, bus: Bus, signals: Signals) -> None:
        """Follow it while it has the same owner. Errors: BusFailure."""
        owner = signals.owner
        manager, display = await bus.properties(_UP_MANAGER), await bus.properties(_UP_DISPLAY)
        while signals.owner == owner:
            percent = float(display.get("Percentage", 100)) if display.get("IsPresent") else None
            warning = int(display.get("WarningLevel", 0))
            await self._report(PowerState(bool(manager.get("OnBattery")), percent, warning))
            # The values are in the signal: what is read again may be later ones already.
            match (signal := await signals.next()).body:
                case (_, dict(changed), _):
                    (manager if signal.path == _UP_MANAGER.path else display).update(changed)
