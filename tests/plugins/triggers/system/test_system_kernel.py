"""The system trigger without any bus: by the kernel of this machine, psutil and the clocks."""

import asyncio
import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.machine import alone, in_namespaces
from tests.support.system_events import asleep, emitted, knows, read_memory
from tests.support.waiting import until

from rae_auto.testing.sources import Listener, RealTimer, VirtualTimer
from rae_plugins.machine import power_supply
from rae_plugins.triggers.system import SystemTrigger

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")


@pytest.mark.parametrize("damage", ["[]", "{}", '{"boot": "b", "states": {"rest": 5}, "count": 0, "pending": []}', "{"])
def test_damaged_memory_is_replaced_by_a_new_one(tmp_path: Path, damage: str) -> None:
    listener = Listener(tmp_path / "source", VirtualTimer())
    listener.directory.mkdir()
    (listener.directory / "system.json").write_text(damage)

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["resume"])):
            await until(lambda: read_memory(listener).get("rest") == {"asleep": False, "slept": 0.0})
            await asleep(listener)
            await listener.timer.sleep_machine(timedelta(hours=2))
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["resume"]


def test_next_watcher_waits_for_the_end_of_the_one_before(tmp_path: Path) -> None:
    """As on a reload, when one that was told to end has not yet."""
    listener = Listener(tmp_path / "source", VirtualTimer())
    source = SystemTrigger(on=["boot", "resume"])

    async def play() -> None:
        emitting, go_on = asyncio.Event(), asyncio.Event()

        async def emit(key: str, event: Any = None, at: Any = None) -> Any:
            emitting.set()
            await go_on.wait()
            return await Listener.emit(listener, key, event, at)

        listener.emit = emit  # type: ignore[method-assign]  # a daemon that takes its time
        async with listener.watching(source):
            await emitting.wait()
            emitting.clear()
            async with listener.watching(source):
                await listener.timer.advance(1)
                assert not emitting.is_set(), "both tell at the same time"
                go_on.set()
                await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["boot"]


def test_boot_is_emitted_once_for_each_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(tmp_path / "source")
    source = SystemTrigger(on=["boot", "resume"])

    another = tmp_path / "boot_id"
    another.write_text("00000000-0000-0000-0000-000000000001\n")

    async def watch() -> None:
        listener.timer = VirtualTimer()
        async with listener.watching(source):
            await asleep(listener)  # after the boot was emitted, if it was a new one

    async def play() -> None:
        await watch()
        await watch()
        # This machine is not booted for a test.
        monkeypatch.setattr("rae_plugins.triggers.system.adapters.linux.BOOT_ID", another)
        await watch()

    asyncio.run(play())
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert [occurrence.key for occurrence in listener.occurrences] == [
        f"boot:{boot}:{boot}",
        "boot:00000000-0000-0000-0000-000000000001:00000000-0000-0000-0000-000000000001",
    ]


def test_what_was_before_a_boot_is_not_compared_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listener = Listener(tmp_path / "source", VirtualTimer())
    source = SystemTrigger(on=["resume"])

    async def watch() -> None:
        async with listener.watching(source):
            await knows(listener, "rest")

    asyncio.run(watch())
    another = tmp_path / "boot_id"
    another.write_text("00000000-0000-0000-0000-000000000001\n")
    monkeypatch.setattr("rae_plugins.triggers.system.adapters.linux.BOOT_ID", another)
    asyncio.run(listener.timer.sleep_machine(timedelta(hours=1)))
    asyncio.run(watch())
    assert listener.occurrences == []


def test_a_resume_is_seen_by_the_clocks_alone(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "source", VirtualTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["resume", "clock-changed"])):
            await knows(listener, "rest")
            await asleep(listener)
            await listener.timer.sleep_machine(timedelta(hours=2))
            await listener.wait_for(1)
            await listener.timer.advance(timedelta(minutes=30), step=timedelta(minutes=1))
            await asleep(listener)
            await listener.timer.sleep_machine(timedelta(minutes=1))
            await listener.wait_for(2)

    asyncio.run(play())
    assert [(emitted or {})["slept"] for emitted in (o.event for o in listener.occurrences)] == [7200.0, 60.0]
    assert emitted(listener) == ["resume", "resume"]


def test_clock_step_is_reported_with_its_size_and_slewing_is_not(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "source", VirtualTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["resume", "clock-changed"])):
            await knows(listener, "rest")
            await asleep(listener)
            for _ in range(5):
                await listener.timer.set_clock(timedelta(seconds=0.5))
            await listener.timer.set_clock(timedelta(hours=-1))
            await listener.wait_for(1)
            await listener.timer.set_clock(timedelta(hours=1))
            await listener.wait_for(2)

    asyncio.run(play())
    assert [occurrence.event for occurrence in listener.occurrences] == [
        {"event": "clock-changed", "by": -3600.0},
        {"event": "clock-changed", "by": 3600.0},
    ]


class AskedDevice:
    """A device about which the kernel tells what it is asked to: a real message about one that stays.

    It tells all who listen: two tests that make it tell have to be kept apart.
    """

    def __init__(self, name: str) -> None:
        self._file = Path("/sys/class/mem") / name / "uevent"
        try:
            self.say("change")
        except OSError as error:
            pytest.skip(f"the kernel can't be asked for a message: {error}")

    def say(self, *actions: str) -> None:
        """Have the kernel tell these."""
        for action in actions:
            self._file.write_text(action)


@pytest.fixture
def null() -> Iterator[AskedDevice]:
    with alone("devices"):
        yield AskedDevice("null")


@in_namespaces("user", "net")
def test_an_address_that_comes_changes_the_network(tmp_path: Path) -> None:
    listener = Listener(tmp_path / "source", RealTimer())
    if (ip := shutil.which("ip")) is None:
        pytest.skip("needs ip, of iproute2")
    subprocess.run([ip, "link", "set", "lo", "up"], check=True)

    async def play() -> None:
        # Nothing is looked at before an hour has passed: it is the kernel that tells.
        async with listener.watching(SystemTrigger(on=["network-changed", "network-up"], every="1h")):
            await knows(listener, "network")
            await asyncio.to_thread(subprocess.run, [ip, "address", "add", "198.51.100.1/32", "dev", "lo"], check=True)
            await listener.wait_for(1)

    asyncio.run(play())
    assert "lo 198.51.100.1" in (listener.occurrences[0].event or {})["addresses"]


def test_network_is_polled_where_netlink_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sandbox without netlink."""

    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("rae_plugins.triggers.system.adapters.linux.route_socket", refuse)
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["network-up"])) as task:
            await knows(listener, "network")
            assert not task.done()

    asyncio.run(play())


def test_device_events_of_the_kernel_are_emitted_once(tmp_path: Path, null: AskedDevice) -> None:
    zero = AskedDevice("zero")
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        source = SystemTrigger(on=["device-added", "device-removed"], device="mem/nul*")
        async with listener.watching(source):
            await knows(listener, "devices")
            assert read_memory(listener)["devices"]["names"] == ["mem/null"]
            null.say("add", "remove", "remove", "change", "add", "add")
            zero.say("remove")
            await listener.wait_for(2)
            null.say("remove")
            await listener.wait_for(3)
        # This one was not reported, but it exists.
        async with listener.watching(source):
            await listener.wait_for(4)

    asyncio.run(play())
    assert emitted(listener) == ["device-removed", "device-added", "device-removed", "device-added"]
    assert listener.occurrences[0].event == {"event": "device-removed", "subsystem": "mem", "device": "null"}


def test_devices_are_read_again_after_a_netlink_overflow(
    tmp_path: Path, null: AskedDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The smallest that the kernel gives: some messages fill it.
    monkeypatch.setattr("rae_plugins.triggers.system.adapters.kernel._BUFFER", 1)
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["device-removed", "device-added"], device="mem/null")):
            await knows(listener, "devices")
            null.say("remove")
            await listener.wait_for(1)
            # The loop is held up meanwhile, so the socket overflows. That the device is there, none of these says.
            null.say(*["change"] * 200)
            await listener.wait_for(2)

    asyncio.run(play())
    assert emitted(listener) == ["device-removed", "device-added"]


def test_what_other_processes_send_as_the_kernel_does_not_count(tmp_path: Path, null: AskedDevice) -> None:
    listener = Listener(tmp_path / "source", RealTimer())
    forged = b"add@/devices/virtual/forged/one\0ACTION=add\0DEVPATH=/devices/virtual/forged/one\0SUBSYSTEM=forged\0"

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["device-added", "device-removed"], device="*/[on]*")):
            await knows(listener, "devices")
            with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 15) as another:
                another.sendto(forged, (0, 1))
            null.say("remove")
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["device-removed"]


def test_battery_is_read_without_upower(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files such as a laptop's kernel shows: this machine has no battery."""
    supply = tmp_path / "power_supply"
    battery, mains = supply / "BAT0", supply / "AC0"
    for directory in (battery, mains):
        directory.mkdir(parents=True)

    def show(percent: int, *, online: int) -> None:
        (battery / "capacity").write_text(f"{percent}\n")
        (battery / "status").write_text("Charging\n" if online else "Discharging\n")
        (mains / "online").write_text(f"{online}\n")

    monkeypatch.setattr(power_supply, "SUPPLIES", supply)
    (mains / "type").write_text("Mains\n")
    for name, value in (("type", "Battery"), ("energy_full", 100), ("energy_now", 80)):
        (battery / name).write_text(f"{value}\n")
    show(80, online=1)
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["power-ac", "power-battery", "power-low"], every="1s")):
            await knows(listener, "power")
            (battery / "energy_now").write_text("10\n")
            show(10, online=0)
            await listener.wait_for(2)
            show(10, online=1)
            await listener.wait_for(3)

    asyncio.run(play())
    assert emitted(listener) == ["power-battery", "power-low", "power-ac"]


def _login_record(line: str, user: str) -> bytes:
    """A record of utmp(5) for a session of this process."""
    text = struct.pack("hi32s4s32s256s", 7, os.getpid(), line.encode(), b"1", user.encode(), b"far.example")
    return text + struct.pack("hhiii4i20s", 0, 0, 0, int(time.time()), 0, 0, 0, 0, 0, b"")


@in_namespaces("user", "mount")
def test_logins_are_read_from_the_records_without_logind(tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    utmp = Path("/run/utmp")
    utmp.write_bytes(_login_record("tty1", "anna"))
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["login", "logout"], every="1s")):
            await knows(listener, "sessions")
            # Neither can be seen half done.
            with utmp.open("ab") as file:  # noqa: ASYNC230 - a record in memory
                file.write(_login_record("pts/7", "ben"))
            await listener.wait_for(1)
            os.truncate(utmp, 0)
            await listener.wait_for(3)

    asyncio.run(play())
    assert emitted(listener) == ["login", "logout", "logout"]
    assert (listener.occurrences[0].event or {})["user"] == "ben"
