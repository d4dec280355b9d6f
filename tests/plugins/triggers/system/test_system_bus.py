"""The system trigger against a real dbus-daemon, with logind, NetworkManager and UPower played by python-dbusmock."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from dbus_fast import Variant
from tests.support.mocked_bus import DAEMON, LOGIND, NETWORK, UPOWER, MockedBus, bus, log_in, set_property
from tests.support.system_events import emitted, knows, read_memory
from tests.support.waiting import until

from rae_auto.testing.sources import Listener, RealTimer, VirtualTimer
from rae_plugins.machine import power_supply
from rae_plugins.triggers.system import SystemTrigger
from rae_plugins.triggers.system.network import read_network

__all__ = ["bus"]

DISPLAY = (UPOWER[0], "/org/freedesktop/UPower/devices/DisplayDevice", "org.freedesktop.UPower.Device")
UP, DOWN = 70, 20


async def inhibitors(bus: MockedBus) -> list[Any]:
    (listed,) = await bus.call(LOGIND, "ListInhibitors")
    return [(what, mode) for what, _, _, mode, _, _ in listed]


async def until_held(bus: MockedBus, count: int) -> None:
    """Wait until so many hold the machine back."""
    async with asyncio.timeout(30):
        while len(await inhibitors(bus)) != count:  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.01)


async def pass_until(timer: VirtualTimer, holds: Callable[[], bool]) -> float:
    """Let time pass until a condition holds; how many seconds it took."""
    began = timer.now().mono
    async with asyncio.timeout(60):
        while not holds():
            await timer.advance(0.5)
            await asyncio.sleep(0.01)
    return timer.now().mono - began


@pytest.fixture
def listener(tmp_path: Any) -> Listener:
    # Its clocks are made within the loop.
    return Listener(tmp_path / "source", RealTimer())


def test_sleep_and_resume_are_reported_and_sleep_waits_for_commit(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")
    held_during_emit = []

    async def play() -> None:
        async def emit(key: str, event: Any = None, at: Any = None) -> Any:
            held_during_emit.append((event["event"], await inhibitors(bus)))
            return await Listener.emit(listener, key, event, at)

        listener.emit = emit  # type: ignore[method-assign]  # looks what is held meanwhile
        async with listener.watching(SystemTrigger(on=["sleep", "resume"])):
            await until_held(bus, 1)
            await knows(listener, "rest")
            await bus.emit(LOGIND, "PrepareForSleep", "b", True)
            await listener.wait_for(1)
            await until_held(bus, 0)
            await bus.emit(LOGIND, "PrepareForSleep", "b", False)
            await listener.wait_for(2)
            await until_held(bus, 1)
        await until_held(bus, 0)

    asyncio.run(play())
    assert emitted(listener) == ["sleep", "resume"]
    assert held_during_emit[0] == ("sleep", [("sleep", "delay")])


def test_shutdown_is_emitted_while_the_machine_waits(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["shutdown"])):
            await knows(listener, "stopping")
            await until_held(bus, 1)
            await bus.emit(LOGIND, "PrepareForShutdown", "b", True)
            await listener.wait_for(1)
            await until_held(bus, 0)

    asyncio.run(play())
    assert emitted(listener) == ["shutdown"]


def test_the_network_goes_comes_back_and_is_another(bus: MockedBus, listener: Listener) -> None:
    bus.serve("networkmanager")

    async def connect(number: int) -> None:
        path = f"/org/freedesktop/NetworkManager/ActiveConnection/{number}"
        await bus.mock(
            NETWORK, "AddObject", "ssa{sv}a(ssss)", path, "org.freedesktop.NetworkManager.Connection.Active",
            {"Uuid": Variant("s", f"uuid-{number}")}, [],
        )  # fmt: skip
        await set_property(bus, NETWORK, "PrimaryConnection", "o", path)

    async def play() -> None:
        home = {"PrimaryConnection": Variant("o", "/")}
        await bus.mock(NETWORK, "AddProperties", "sa{sv}", NETWORK[2], home)
        await connect(1)
        async with listener.watching(SystemTrigger(on=["network-up", "network-down", "network-changed"])):
            await knows(listener, "network")
            await bus.mock(NETWORK, "SetGlobalConnectionState", "u", DOWN)
            await listener.wait_for(1)
            await bus.mock(NETWORK, "SetGlobalConnectionState", "u", UP)
            await listener.wait_for(2)
            await connect(2)
            await listener.wait_for(3)

    asyncio.run(play())
    assert emitted(listener) == ["network-down", "network-up", "network-changed"]
    assert (listener.occurrences[2].event or {})["connection"] == "uuid-2"


def test_the_power_goes_runs_low_and_comes_back(bus: MockedBus, listener: Listener) -> None:
    bus.serve("upower")

    async def battery(percent: float) -> None:
        await bus.mock(UPOWER, "SetDeviceProperties", "oa{sv}", DISPLAY[1], {"Percentage": Variant("d", percent)})

    async def play() -> None:
        await bus.mock(
            UPOWER, "SetupDisplayDevice", "uuddddxxbsu", 2, 2, 80.0, 40.0, 50.0, 10.0, 3600, 0, True, "battery", 1
        )  # fmt: skip
        async with listener.watching(SystemTrigger(on=["power-ac", "power-battery", "power-low"], low=20)):
            await knows(listener, "power")
            await set_property(bus, UPOWER, "OnBattery", "b", True)
            await listener.wait_for(1)
            for percent in (21.0, 19.5, 20.5, 19.0):  # it is low once, though the reading trembles
                await battery(percent)
            await listener.wait_for(2)
            await set_property(bus, UPOWER, "OnBattery", "b", False)
            await listener.wait_for(3)

    asyncio.run(play())
    assert emitted(listener) == ["power-battery", "power-low", "power-ac"]
    assert (listener.occurrences[1].event or {})["percent"] == 19.5


def test_bus_restart_catches_up_with_what_happened_meanwhile(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")

    async def play() -> None:
        names = ["sleep", "resume", "login", "logout", "lock", "unlock"]
        async with listener.watching(SystemTrigger(on=names)):
            await knows(listener, "rest", "sessions")
            await log_in(bus, 1)
            await bus.emit(LOGIND, "PrepareForSleep", "b", True)
            await listener.wait_for(2)
            await asyncio.to_thread(bus.stop)
            await asyncio.to_thread(bus.start)
            await asyncio.to_thread(bus.serve, "logind")  # it knows nothing of session 1, nor of any sleep
            await listener.wait_for(4)
            await log_in(bus, 2)
            await listener.wait_for(5)
            await until_held(bus, 1)

    asyncio.run(play())
    assert emitted(listener) == ["login", "sleep", "resume", "logout", "login"]


def test_a_service_that_is_restarted_is_followed_on_the_same_bus(bus: MockedBus, listener: Listener) -> None:
    bus.serve("upower")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["power-battery", "power-ac"])):
            await knows(listener, "power")
            await set_property(bus, UPOWER, "OnBattery", "b", True)
            await listener.wait_for(1)
            await asyncio.to_thread(bus.stop_service, "upower")
            await asyncio.to_thread(bus.serve, "upower")  # which begins on the mains
            await listener.wait_for(2)

    asyncio.run(play())
    assert emitted(listener) == ["power-battery", "power-ac"]


def test_a_service_that_comes_late_is_followed_from_then_on(bus: MockedBus, listener: Listener) -> None:
    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["network-down"])):
            await knows(listener, "network")  # by the interfaces
            await asyncio.to_thread(bus.serve, "networkmanager")
            await bus.mock(NETWORK, "SetGlobalConnectionState", "u", DOWN)
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["network-down"]


def test_a_bus_that_stays_away_is_stood_in_for_after_a_while(bus: MockedBus, tmp_path: Any) -> None:
    """NetworkManager said that there is no network; the interfaces of this machine say that there is."""
    if not read_network().up:
        pytest.skip("this machine has no network")
    bus.serve("networkmanager")
    timer = VirtualTimer()
    listener = Listener(tmp_path / "source", timer)

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["network-up", "network-down"])):
            await pass_until(timer, lambda: "network" in read_memory(listener))
            await bus.mock(NETWORK, "SetGlobalConnectionState", "u", DOWN)
            await pass_until(timer, lambda: emitted(listener) == ["network-down"])
            await asyncio.to_thread(bus.stop)
            assert await pass_until(timer, lambda: len(listener.occurrences) == 2) >= 20

    asyncio.run(play())
    assert emitted(listener) == ["network-down", "network-up"]


def test_a_service_that_is_there_but_answers_nothing_is_stood_in_for_too(
    bus: MockedBus, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus.serve("upower")
    battery = tmp_path / "power_supply" / "BAT0"
    battery.mkdir(parents=True)
    for name, value in (("energy_full", "100"), ("energy_now", "80"), ("status", "Discharging"), ("type", "Battery")):
        (battery / name).write_text(value)
    monkeypatch.setattr(power_supply, "SUPPLIES", battery.parent)
    timer = VirtualTimer()
    listener = Listener(tmp_path / "source", timer)

    async def play() -> None:
        await bus.mock(UPOWER, "RemoveObject", "s", DISPLAY[1])
        async with listener.watching(SystemTrigger(on=["power-low"])):
            await pass_until(timer, lambda: "power" in read_memory(listener))
            (battery / "energy_now").write_text("5")
            await pass_until(timer, lambda: emitted(listener) == ["power-low"])

    asyncio.run(play())


def test_sleep_is_emitted_without_the_right_to_delay_it(bus: MockedBus, listener: Listener, log: list[str]) -> None:
    bus.serve("logind")

    async def play() -> None:
        await bus.mock(LOGIND, "AddMethod", "sssss", LOGIND[2], "Inhibit", "ssss", "h", "raise OSError('no right')")
        async with listener.watching(SystemTrigger(on=["sleep"])):
            # The clocks report the rest too, perhaps before there is a listener to the service.
            await until(lambda: any("won't wait" in line for line in log))
            await bus.emit(LOGIND, "PrepareForSleep", "b", True)
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["sleep"]


def test_change_during_downtime_is_emitted_at_the_start(bus: MockedBus, listener: Listener) -> None:
    bus.serve("upower")
    source = SystemTrigger(on=["power-battery"])

    async def play() -> None:
        async with listener.watching(source):
            await knows(listener, "power")
        await set_property(bus, UPOWER, "OnBattery", "b", True)
        async with listener.watching(source):
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["power-battery"]


@pytest.mark.parametrize("moves_on", [True, False])
def test_event_emitted_before_a_crash_is_repeated_with_the_same_key(
    bus: MockedBus, listener: Listener, moves_on: bool
) -> None:
    """Changes during the downtime: the battery of before is charged by now, or not."""
    bus.serve("upower")
    source = SystemTrigger(on=["power-battery", "power-low"])
    keys = []
    dies = True

    async def emit(key: str, event: Any = None, at: Any = None) -> Any:
        keys.append(key)
        await Listener.emit(listener, key, event, at)
        if dies:
            raise OSError("killed right after it was durable")

    listener.emit = emit  # type: ignore[method-assign]  # a daemon that dies

    async def play() -> None:
        nonlocal dies
        async with listener.watching(source) as task:
            await knows(listener, "power")
            await set_property(bus, UPOWER, "OnBattery", "b", True)
            await asyncio.wait({task}, timeout=30)
            assert isinstance(task.exception(), OSError)
        await set_property(bus, UPOWER, "OnBattery", "b", not moves_on)
        dies = False
        async with listener.watching(source):
            await until(lambda: len(keys) == 2 and not _pending(listener))
            await until(lambda: read_memory(listener)["power"]["on_battery"] is not moves_on)
            # What is told after that is read after that.
            await set_property(bus, DISPLAY, "WarningLevel", "u", 4)
            await set_property(bus, UPOWER, "OnBattery", "b", True)
            await listener.wait_for(3 if moves_on else 2)

    asyncio.run(play())
    assert keys[0] == keys[1]
    assert emitted(listener) == ["power-battery", *(["power-battery"] if moves_on else []), "power-low"]


def _pending(listener: Listener) -> list[Any]:
    return list(json.loads((listener.directory / "system.json").read_text())["pending"])


def test_signals_forged_in_the_name_of_a_service_are_ignored(bus: MockedBus, listener: Listener) -> None:
    bus.serve("logind")
    bus.serve("upower")

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["sleep", "shutdown"])):
            await knows(listener, "rest", "stopping")
            # UPower says that logind says so.
            await bus.mock(UPOWER, "EmitSignal", "sssav", LOGIND[2], "PrepareForSleep", "b", [Variant("b", True)])
            await bus.emit(LOGIND, "PrepareForShutdown", "b", True)
            await listener.wait_for(1)

    asyncio.run(play())
    assert emitted(listener) == ["shutdown"]


def test_all_sources_of_a_loop_share_one_connection(bus: MockedBus, tmp_path: Any) -> None:
    bus.serve("logind")

    async def play() -> None:
        (before,) = await bus.call(DAEMON, "ListNames")
        one, other = Listener(tmp_path / "1", RealTimer()), Listener(tmp_path / "2", RealTimer())
        async with one.watching(SystemTrigger(on=["resume"])), other.watching(SystemTrigger(on=["lock"])):
            await knows(one, "rest")
            await knows(other, "sessions")
            (during,) = await bus.call(DAEMON, "ListNames")
        (after,) = await bus.call(DAEMON, "ListNames")
        # The caller is among them each time, under another name.
        assert (len(during), len(after)) == (len(before) + 1, len(before))

    asyncio.run(play())
