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
            needs = f"it is logind that tells, and {no_bus}"
            hint = "start dbus and systemd-logind, or set DBUS_SYSTEM_BUS_ADDRESS"
            found |= dict.fromkeys(BEFORE_DOWN | LOCKS, f"{needs}; {hint}")
            if not any(path.exists() for path in _LOGIN_RECORDS):
                found |= dict.fromkeys(LOGINS, f"{needs}, nor are there records of logins in /run/utmp; {hint}")
            found |= missing_without_battery(names)
        if not has_netlink() or not SYS.is_dir():
            found |= dict.fromkeys(DEVICES, "the kernel's messages can't be read; mount /sys")
        return found

    def boot(self) -> str:
        """Return the kernel's boot id."""
        return BOOT_ID.read_text().strip()

    async def watch(self, wanted: EventFilter, report: Report, timer: Timer) -> None:
        """Watch what is wanted, and nothing else."""
        names = wanted.names
        parts: list[Coroutine[Any, Any, None]] = []
        if names & (BEFORE_DOWN | REST | SESSIONS):
            logind = Following(make_logind(names), Logind(wanted, report, timer).live, timer)
            parts.append(logind.run())
            if names & LOGINS:
                parts.append(look_at_users(wanted, report, timer, logind.absent))
        if names & (REST | {EventName.CLOCK_CHANGED}):
            parts.append(look_at_clocks(wanted, report, timer))
        if names & NETWORK:
            network = NetworkWatch(report, timer)
            parts += [network.run(), network.manager.run(), _follow_links(network, wanted, timer)]
        if names & POWER:
            power = Following(UPOWER, UPowerWatch(report).live, timer)
            parts += [power.run(), look_at_power(wanted, report, timer, power.absent)]
        if names & DEVICES:
            parts.append(_follow_devices(wanted, report))
        if names & PROCESSES:
            parts.append(_follow_processes(wanted, report, timer))
        await run_together(parts)


async def _follow_links(network: NetworkWatch, wanted: EventFilter, timer: Timer) -> None:
    """Have the network looked at whenever the kernel tells of a link or an address; every so often where it may not."""
    try:
        kernel = route_socket()
    except OSError as error:
        logger.warning("the kernel may not tell of the network, so it is looked at: {}", error)
        while True:
            network.changed.set()
            await timer.sleep(wanted.every.total_seconds())
    with closing(kernel):
        async for _ in datagrams(kernel):
            network.changed.set()


async def _follow_devices(wanted: EventFilter, report: Report) -> None:
    """Report the devices, once as they are and then with each that comes or goes."""
    # The kernel is listened to before the devices are read, so that none comes in between unnoticed.
    with closing(uevent_socket()) as kernel:
        devices = await asyncio.to_thread(read_devices, wanted)
        await report(devices)
        async for datagram in datagrams(kernel):
            if datagram is None:
                devices = await asyncio.to_thread(read_devices, wanted)
            elif (event := parse_uevent(datagram)) is not None:
                devices = after(devices, event, wanted)
            await report(devices)


async def _follow_processes(wanted: EventFilter, report: Report, timer: Timer) -> None:
    """Report the processes: every so often, since nobody tells of a start, and when one ends."""
    call_with_timeout = asyncio.Event()
    ends = Ends(call_with_timeout)

    async def now_and_then() -> None:
        while True:
            call_with_timeout.set()
            await timer.sleep(wanted.every.total_seconds())

    async def read() -> None:
        while True:
            await call_with_timeout.wait()
            call_with_timeout.clear()
            found = await asyncio.to_thread(read_processes, wanted)
            ends.follow(found.processes if EventName.PROCESS_EXITED in wanted.names else ())
            await report(found)

    try:
        await run_together([now_and_then(), read()])
    finally:
        ends.close()
