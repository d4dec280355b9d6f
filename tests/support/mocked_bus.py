"""A real dbus-daemon as the system bus of a test, and services on it that the test plays by python-dbusmock."""

import asyncio
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus
from tests.support.packages import need
from tests.support.waiting import eventually

_PYTHON = "/usr/bin/python3"
"""The one that Debian's python3-dbusmock is installed for."""

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={socket}</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/>
</policy></busconfig>"""

Target = tuple[str, str, str]
"""Service, path and interface."""

LOGIND = ("org.freedesktop.login1", "/org/freedesktop/login1", "org.freedesktop.login1.Manager")
NETWORK = ("org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager", "org.freedesktop.NetworkManager")
UPOWER = ("org.freedesktop.UPower", "/org/freedesktop/UPower", "org.freedesktop.UPower")
NOTIFICATIONS = (
    "org.freedesktop.Notifications",
    "/org/freedesktop/Notifications",
    "org.freedesktop.Notifications",
)
SERVICES = {"logind": LOGIND, "networkmanager": NETWORK, "upower": UPOWER, "notification_daemon": NOTIFICATIONS}
PROPERTIES = "org.freedesktop.DBus.Properties"
DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")


def _imports(module: str) -> bool:
    """Return whether that Python has it."""
    with suppress(FileNotFoundError):
        return subprocess.run([_PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0
    return False


class MockedBus:
    """The bus. Processes that inherit the environment take its address for the system bus's."""

    def __init__(self, directory: Path) -> None:
        self._socket = directory / "bus"
        self._config = directory / "bus.conf"
        self._config.write_text(_CONFIG.format(socket=self._socket))
        self.address = f"unix:path={self._socket}"
        self._daemon: subprocess.Popen[bytes] | None = None
        self._services: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the daemon."""
        command = ["dbus-daemon", "--config-file", str(self._config), "--nofork", "--nopidfile", "--nosyslog"]
        self._daemon = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually(self._listens)

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0

    def stop(self) -> None:
        """Kill the daemon; the services go with it."""
        for template in list(self._services):
            self.stop_service(template)
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait()
            self._daemon = None
        self._socket.unlink(missing_ok=True)

    def serve(self, template: str, parameters: str = "{}") -> None:
        """Have a service of one of dbusmock's templates on it, with parameters as JSON."""
        command = [_PYTHON, "-m", "dbusmock", "--template", template, "--parameters", parameters]
        self._services[template] = subprocess.Popen(command, env=self._environment(), stdout=subprocess.DEVNULL)
        asyncio.run(self._wait_for(SERVICES[template][0]))

    async def _wait_for(self, name: str) -> None:
        async with asyncio.timeout(60):
            while not (await self.call(DAEMON, "NameHasOwner", "s", name))[0]:  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.02)

    def stop_service(self, template: str) -> None:
        """The service ends."""
        service = self._services.pop(template)
        service.kill()
        service.wait()

    def freeze_service(self, template: str) -> None:
        """Let a service answer no more, and stay."""
        self._services[template].send_signal(signal.SIGSTOP)

    async def call(self, target: Target, member: str, signature: str = "", *body: Any) -> list[Any]:
        """Return the answer of a method of a service."""
        connection = await MessageBus(bus_address=self.address, negotiate_unix_fd=True).connect()
        try:
            message = Message(*target, member, signature=signature, body=list(body))
            answer = await connection.call(message)
            assert answer.message_type is MessageType.METHOD_RETURN, answer.body
            return list(answer.body)
        finally:
            connection.disconnect()
            await connection.wait_for_disconnect()

    async def mock(self, target: Target, member: str, signature: str = "", *body: Any) -> list[Any]:
        """Have the mock of an object do something."""
        return await self.call((*target[:2], "org.freedesktop.DBus.Mock"), member, signature, *body)

    async def emit(self, target: Target, member: str, signature: str, *body: Any) -> None:
        """Have an object emit a signal."""
        values = [Variant(kind, value) for kind, value in zip(signature, body, strict=True)]
        await self.mock(target, "EmitSignal", "sssav", target[2], member, signature, values)

    def _environment(self) -> dict[str, str]:
        addresses = dict.fromkeys(("DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"), self.address)
        return {**addresses, "PATH": os.environ.get("PATH", "")}


def session(number: object) -> Target:
    return LOGIND[0], f"{LOGIND[1]}/session/{number}", "org.freedesktop.login1.Session"


async def log_in(bus: MockedBus, number: object, user: str = "anna", *, kind: str = "user") -> None:
    """Log a user in as logind does; the mock omits the signal."""
    await bus.mock(LOGIND, "AddSession", "ssusb", str(number), "seat0", 1000, user, True)
    await set_property(bus, session(number), "Class", "s", kind)
    await bus.emit(LOGIND, "SessionNew", "so", str(number), session(number)[1])


async def log_out(bus: MockedBus, number: object) -> None:
    """The user logs out."""
    await bus.mock(LOGIND, "RemoveObject", "s", session(number)[1])
    await bus.emit(LOGIND, "SessionRemoved", "so", str(number), session(number)[1])


async def set_property(bus: MockedBus, target: Target, name: str, signature: str, value: Any) -> None:
    """Change a property, which is signalled."""
    await bus.call(
        (*target[:2], PROPERTIES), "Set", "ssv", target[2], name, Variant(signature, value)
    )  # fmt: skip


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MockedBus]:
    """The system bus, without services."""
    need({"dbus-daemon": "dbus"})
    need({"dbusmock": "python3-dbusmock"}, _imports)
    mocked = MockedBus(tmp_path)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", mocked.address)
    mocked.start()
    yield mocked
    mocked.stop()
