"""Idle time from services on D-Bus: GNOME's compositor, KDE's screen saver, and logind.

A connection is made for each reading and closed after it: readings are seconds apart, and a bus that goes away takes
nothing with it. No service is started for the sake of a reading.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rae_plugins.machine.idle_source import NotTold, is_wayland

if TYPE_CHECKING:
    from dbus_fast.aio import MessageBus

_SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
_GOODBYE = 0.5
_SESSION = "/org/freedesktop/login1/session/auto"
"""The caller's session, or that of its user which has a display (systemd 243 and later)."""


async def mutter(environment: Mapping[str, str]) -> tuple[float, str]:
    """GNOME's compositor counts milliseconds, on Wayland too."""
    async with _bus(_session_address(environment)) as bus:
        place = ("org.gnome.Mutter.IdleMonitor", "/org/gnome/Mutter/IdleMonitor/Core", "org.gnome.Mutter.IdleMonitor")
        return await _call(bus, *place, "GetIdletime") / 1000, "GNOME's compositor"


async def screen_saver(environment: Mapping[str, str]) -> tuple[float, str]:
    """KDE's screen saver tells milliseconds from KIdleTime, which on Wayland can't tell and then says 0."""
    async with _bus(_session_address(environment)) as bus:
        place = ("org.freedesktop.ScreenSaver", "/org/freedesktop/ScreenSaver", "org.freedesktop.ScreenSaver")
        milliseconds = await _call(bus, *place, "GetSessionIdleTime")
    if milliseconds == 0 and is_wayland(environment):
        raise NotTold("org.freedesktop.ScreenSaver says 0, as it does on Wayland where it doesn't know")
    return milliseconds / 1000, "the screen saver"


async def logind(environment: Mapping[str, str]) -> tuple[float, str]:
    """What a desktop has told logind: from when on it calls the session idle, so mostly less than the true time.

    One that never told anything has the value 0 for since when; then its "not idle" says nothing.
    """
    address = environment.get("DBUS_SYSTEM_BUS_ADDRESS") or _SYSTEM_BUS
    async with _bus(address) as bus:
        is_idle = await _property(bus, "IdleHint")
        since = await _property(bus, "IdleSinceHintMonotonic")
    if not since:
        raise NotTold("no desktop tells logind whether its session is idle")
    return (time.monotonic() - since / 1e6 if is_idle else 0.0), "logind"


def _session_address(environment: Mapping[str, str]) -> str:
    if address := environment.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    directory = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    path = Path(directory) / "bus"
    if not path.exists():
        raise NotTold("no session bus: DBUS_SESSION_BUS_ADDRESS is not set")
    return f"unix:path={path}"


def _is_missing(address: str) -> bool:
    path = address.removeprefix("unix:path=")
    return path != address and "," not in path and not Path(path).exists()


@asynccontextmanager
async def _bus(address: str) -> AsyncIterator["MessageBus"]:
    if _is_missing(address):
        # Told without the library, which takes some megabytes.
        raise NotTold(f"no bus at {address}")
    from dbus_fast.aio import MessageBus

    try:
        # Given up while it connects, it closes what it has opened.
        bus = await MessageBus(bus_address=address).connect()
    except Exception as error:
        raise NotTold(f"no bus at {address} ({getattr(error, 'strerror', None) or error})") from None
    try:
        yield bus
    finally:
        bus.disconnect()
        with suppress(Exception):
            async with asyncio.timeout(_GOODBYE):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _property(bus: "MessageBus", name: str) -> Any:
    arguments = ("ss", ["org.freedesktop.login1.Session", name])
    answer = await _call(
        bus, "org.freedesktop.login1", _SESSION, "org.freedesktop.DBus.Properties", "Get", arguments=arguments
    )
    return answer.value


async def _call(
    bus: "MessageBus",
    service: str,
    path: str,
    interface: str,
    member: str,
    *,
    arguments: tuple[str, list[Any]] = ("", []),
) -> Any:
    """The first thing that a method returns; NotTold with the error's name where there is no such method."""
    from dbus_fast import Message, MessageFlag, MessageType

    signature, body = arguments
    reply = await bus.call(
        Message(
            destination=service,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=body,
            flags=MessageFlag.NO_AUTOSTART,
        )
    )
    if reply is None or reply.message_type is not MessageType.METHOD_RETURN:
        name = ((reply and reply.error_name) or "nothing").rpartition(".")[2]
        raise NotTold(f"{service} answers {name}")
    return reply.body[0]
