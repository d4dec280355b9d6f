"""Linux: services on the system bus where they are, the kernel itself, and psutil for the rest."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.api.trigger import Timer
from rae_plugins.machine.bus import system_bus_missing
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.adapters.bus_service import Following
from rae_plugins.triggers.system.adapters.desktop import UPOWER, NetworkWatch, UPowerWatch
from rae_plugins.triggers.system.adapters.kernel import Ends, datagrams, has_netlink, route_socket, uevent_socket
from rae_plugins.triggers.system.adapters.logind import Logind, make_logind
from rae_plugins.triggers.system.adapters.portable import (
    look_at_clocks,
    look_at_power,
    look_at_users,
    missing_without_battery,
)
from rae_plugins.triggers.system.changes import EventFilter
from rae_plugins.triggers.system.concurrency import run_together
from rae_plugins.triggers.system.devices import SYS, after, parse_uevent, read_devices
from rae_plugins.triggers.system.event_names import (
    BEFORE_DOWN,
    DEVICES,
    LOCKS,
    LOGINS,
    NETWORK,
    POWER,
    PROCESSES,
    REST,
    SESSIONS,
    EventName,
)
from rae_plugins.triggers.system.processes import read_processes

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOGIN_RECORDS = (Path("/run/utmp"), Path("/var/run/utmp"))


class Linux:
    """The adapter of Linux."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """Return the events that need the bus when there is none, and those that can't be reported otherwise."""
        found: dict[EventName, str] = {}
        if no_bus := system_bus_missing():
            needs = f"only logind reports it, and {no_bus}"
            hint = "start dbus and systemd-logind, or set DBUS_SYSTEM_BUS_ADDRESS"
            found |= dict.fromkeys(BEFORE_DOWN | LOCKS, f"{needs}; {hint}")
            if not any(path.exists() for path in _LOGIN_RECORDS):
                found |= dict.fromkeys(LOGINS, f"{needs}, and /run/utmp has no records of logins; {hint}")
            found |= missing_without_battery(names)
        if not has_netlink() or not SYS.is_dir():
            found |= dict.fromkeys(DEVICES, "the kernel's messages can't be read; mount /sys")
        return found

    def boot(self) -> str:
        """Return the kernel's boot id."""
        return BOOT_ID.read_text().strip()

    async def watch(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        """Watch what is event_filter, and nothing else."""
        names = event_filter.names
        parts: list[Coroutine[Any, Any, None]] = []
        if names & (BEFORE_DOWN | REST | SESSIONS):
            logind = Following(make_logind(names), Logind(event_filter, report, timer).live, timer)
            parts.append(logind.run())
            if names & LOGINS:
                parts.append(look_at_users(event_filter, report, timer, logind.absent))
        if names & (REST | {EventName.CLOCK_CHANGED}):
            parts.append(look_at_clocks(event_filter, report, timer))
        if names & NETWORK:
            network = NetworkWatch(report, timer)
            parts += [network.run(), network.manager.run(), _follow_links(network, event_filter, timer)]
        if names & POWER:
            power = Following(UPOWER, UPowerWatch(report).live, timer)
            parts += [power.run(), look_at_power(event_filter, report, timer, power.absent)]
        if names & DEVICES:
            parts.append(_follow_devices(event_filter, report))
        if names & PROCESSES:
            parts.append(_follow_processes(event_filter, report, timer))
        await run_together(parts)


async def _follow_links(network: NetworkWatch, event_filter: EventFilter, timer: Timer) -> None:
    """Read the network after each link or address event of the kernel; poll it where those are refused."""
    try:
        kernel = route_socket()
    except OSError as error:
        logger.warning("network events of the kernel are refused, so the network is polled: {}", error)
        while True:
            network.changed.set()
            await timer.sleep(event_filter.every.total_seconds())
    with closing(kernel):
        async for _ in datagrams(kernel):
            network.changed.set()


async def _follow_devices(event_filter: EventFilter, report: Report) -> None:
    """Report the devices, once as they are and then with each that comes or goes."""
    # The kernel is listened to before the devices are read, so that none comes in between unnoticed.
    with closing(uevent_socket()) as kernel:
        devices = await asyncio.to_thread(read_devices, event_filter)
        await report(devices)
        async for datagram in datagrams(kernel):
            if datagram is None:
                devices = await asyncio.to_thread(read_devices, event_filter)
            elif (event := parse_uevent(datagram)) is not None:
                devices = after(devices, event, event_filter)
            await report(devices)


async def _follow_processes(event_filter: EventFilter, report: Report, timer: Timer) -> None:
    """Report the processes: every so often, because starts are not signalled, and when one ends."""
    is_due = asyncio.Event()
    ends = Ends(is_due)

    async def now_and_then() -> None:
        while True:
            is_due.set()
            await timer.sleep(event_filter.every.total_seconds())

    async def read() -> None:
        while True:
            await is_due.wait()
            is_due.clear()
            found = await asyncio.to_thread(read_processes, event_filter)
            ends.follow(found.processes if EventName.PROCESS_EXITED in event_filter.names else ())
            await report(found)

    try:
        await run_together([now_and_then(), read()])
    finally:
        ends.close()
