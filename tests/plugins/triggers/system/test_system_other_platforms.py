"""The adapters of Windows and macOS, with stand-ins for the libraries of systems that aren't here, and for no other."""

import asyncio
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.support.system_events import emitted, knows, read_memory

from rae_auto.testing.sources import Listener, RealTimer
from rae_auto.toolkit.extras import install_command
from rae_plugins.triggers.system import SystemTrigger
from rae_plugins.triggers.system.adapters.windows import Code, Message, device_name

ALL_OF_WINDOWS = [
    "sleep", "resume", "shutdown", "login", "logout", "lock", "unlock", "device-added", "device-removed",
]  # fmt: skip
ALL_OF_MACOS = ["sleep", "resume", "shutdown", "lock", "unlock"]


class FakeWindows:
    """A stand-in for pywin32: one window, whose messages a test sends."""

    def __init__(self) -> None:
        self.users = {0: "", 1: "anna", 2: ""}
        self.closed = threading.Event()
        self.receive: Callable[[int, int, int, int], int] | None = None

    def modules(self) -> dict[str, ModuleType]:
        def make_window(name: object, *_: object) -> int:
            self.receive = self.kind.lpfnWndProc
            return 7

        self.kind = SimpleNamespace()
        return {
            "win32gui": module(
                "win32gui",
                WNDCLASS=lambda: self.kind,
                RegisterClass=lambda kind: kind.lpszClassName,
                CreateWindow=make_window,
                RegisterDeviceNotification=lambda *_: 1,
                PumpMessages=lambda: self.closed.wait(30),
                PostMessage=lambda handle, message, word, long: self.send(message, word, long),
                PostQuitMessage=lambda _: self.closed.set(),
                DefWindowProc=lambda *_: 99,
            ),
            "win32gui_struct": module(
                "win32gui_struct",
                PackDEV_BROADCAST_DEVICEINTERFACE=lambda guid: guid,
                UnpackDEV_BROADCAST=lambda pointer: SimpleNamespace(name=f"\\\\?\\USB#STICK{pointer}#5&2A#{{a5dc}}"),
            ),
            "win32ts": module(
                "win32ts",
                WTSRegisterSessionNotification=lambda *_: None,
                WTSEnumerateSessions=lambda: [{"SessionId": number} for number in self.users],
                WTSQuerySessionInformation=lambda server, session, what: self.users.get(session, ""),
            ),
            "winreg": module(
                "winreg",
                HKEY_LOCAL_MACHINE=0,
                OpenKey=lambda *_: open("/dev/null"),
                QueryValueEx=lambda *_: (31, 4),
            ),
        }

    def send(self, message: int, word: int = 0, long: int = 0) -> int:
        assert self.receive is not None
        return self.receive(7, message, word, long)


def module(name: str, **contents: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(contents)
    made.__spec__ = SimpleNamespace(name=name)  # type: ignore[assignment]  # importlib asks only whether there is one
    return made


def install(monkeypatch: pytest.MonkeyPatch, platform: str, modules: dict[str, ModuleType]) -> None:
    for name, fake in modules.items():
        monkeypatch.setitem(sys.modules, name, fake)
    monkeypatch.setattr("rae_plugins.triggers.system.platform.sys", SimpleNamespace(platform=platform))


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> FakeWindows:
    fake = FakeWindows()
    install(monkeypatch, "win32", fake.modules())
    return fake


def test_windows_events_come_from_messages_to_a_window(windows: FakeWindows, tmp_path: Path) -> None:
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=ALL_OF_WINDOWS)):
            await knows(listener, "rest", "stopping", "sessions")

            async def send(*message: int) -> int:
                # Windows sends from the thread of the window, which may wait for us.
                return await asyncio.to_thread(windows.send, *message)

            assert await send(Message.POWERBROADCAST, Code.SUSPEND) == 1
            assert emitted(listener) == ["sleep"], "Windows goes to sleep when this has returned"
            await send(Message.POWERBROADCAST, Code.RESUMEAUTOMATIC)
            await send(Message.POWERBROADCAST, Code.RESUMESUSPEND)
            windows.users[3] = "ben"
            await send(Message.WTSSESSION_CHANGE, Code.LOGON, 3)
            await send(Message.WTSSESSION_CHANGE, Code.LOCK, 3)
            await send(Message.WTSSESSION_CHANGE, Code.UNLOCK, 3)
            await send(Message.WTSSESSION_CHANGE, Code.LOCK, 2)  # a session that doesn't exist
            await send(Message.WTSSESSION_CHANGE, Code.LOGOFF, 3)
            await send(Message.DEVICECHANGE, Code.ARRIVAL, 5)
            await send(Message.DEVICECHANGE, Code.ARRIVAL, 5)
            await send(Message.DEVICECHANGE, Code.REMOVECOMPLETE, 5)
            await send(Message.DEVICECHANGE, 7, 0)
            assert await send(Message.QUERYENDSESSION) == 1
            await send(Message.ENDSESSION, 1, 0x80000000)  # a user logs off, nothing else
            await send(Message.ENDSESSION, 1, 0)
            assert await send(0x1) == 99
            await listener.wait_for(9)
        assert windows.closed.is_set()

    asyncio.run(play())
    assert emitted(listener) == [
        "sleep", "resume", "login", "lock", "unlock", "logout", "device-added", "device-removed", "shutdown",
    ]  # fmt: skip
    assert listener.occurrences[2].event == {"event": "login", "user": "ben", "session": "3", "place": ""}
    assert listener.occurrences[6].event == {"event": "device-added", "subsystem": "usb", "device": "STICK5#5&2A"}


def test_a_window_that_can_not_be_made_fails_the_source(
    windows: FakeWindows, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So that the daemon tries again, and says why."""

    def refuse(*_: object) -> None:
        raise OSError("no window station")

    monkeypatch.setattr(sys.modules["win32gui"], "RegisterClass", refuse)
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["lock"])) as task:
            await asyncio.wait({task}, timeout=30)
            assert str(task.exception()) == "no window station"

    asyncio.run(play())


def test_windows_counts_its_boots(windows: FakeWindows, tmp_path: Path) -> None:
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["boot"])):
            await listener.wait_for(1)

    asyncio.run(play())
    assert listener.occurrences[0].key == "boot:31:31"


@pytest.mark.parametrize(
    ("interface", "name"),
    [
        (r"\\?\USB#VID_046D&PID_C52B#5&2A#{a5dcbf10-6530-11d2-901f-00c04fb951ed}", "usb/VID_046D&PID_C52B#5&2A"),
        (r"\\?\STORAGE#Volume#x", "storage/Volume#x"),
        ("", ""),
    ],
)
def test_a_device_of_windows_has_a_subsystem_and_a_name(interface: str, name: str) -> None:
    assert device_name(interface) == name


class FakeMacOS:
    """A stand-in for pyobjc: centres that call back what was observed."""

    def __init__(self) -> None:
        self.observed: dict[str, Callable[[object], None]] = {}
        self.turns = threading.Event()

    def modules(self) -> dict[str, ModuleType]:
        def observe(name: str, of: object, queue: object, block: Callable[[object], None]) -> str:
            self.observed[name] = block
            return name

        center = SimpleNamespace(
            addObserverForName_object_queue_usingBlock_=observe, removeObserver_=lambda name: self.observed.pop(name)
        )
        loop = SimpleNamespace(runMode_beforeDate_=lambda mode, until: self.turns.wait(0.01))
        return {
            "AppKit": module(
                "AppKit",
                NSWorkspace=SimpleNamespace(sharedWorkspace=lambda: SimpleNamespace(notificationCenter=lambda: center)),
            ),
            "Foundation": module(
                "Foundation",
                NSDate=SimpleNamespace(dateWithTimeIntervalSinceNow_=lambda seconds: seconds),
                NSDefaultRunLoopMode="default",
                NSDistributedNotificationCenter=SimpleNamespace(defaultCenter=lambda: center),
                NSRunLoop=SimpleNamespace(currentRunLoop=lambda: loop),
            ),
        }


def test_macos_events_come_from_workspace_notifications(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeMacOS()
    install(monkeypatch, "darwin", fake.modules())
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=ALL_OF_MACOS)):
            await knows(listener, "rest", "stopping", "screen")
            for name in (
                "NSWorkspaceWillSleepNotification",
                "NSWorkspaceDidWakeNotification",
                "com.apple.screenIsLocked",
                "com.apple.screenIsLocked",
                "com.apple.screenIsUnlocked",
                "NSWorkspaceWillPowerOffNotification",
            ):
                await asyncio.to_thread(lambda name=name: fake.observed[name](None))
            await listener.wait_for(5)

    asyncio.run(play())
    assert emitted(listener) == ["sleep", "resume", "lock", "unlock", "shutdown"]
    assert fake.observed == {}, "it left observers behind"


@pytest.fixture(params=["win32", "darwin", "sunos5"])
def platform(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    monkeypatch.setattr("psutil._pslinux.POWER_SUPPLY_PATH", str(tmp_path))
    modules = FakeWindows().modules()
    install(monkeypatch, request.param, {"winreg": modules["winreg"]} if request.param == "win32" else {})
    yield request.param


def test_platform_without_its_library_refuses_its_events(platform: str) -> None:
    commands = {"win32": install_command("windows"), "darwin": install_command("macos")}
    reason = re.escape(commands.get(platform, "no adapter"))
    for name in ("sleep", "resume", "lock", "unlock", "shutdown"):
        with pytest.raises(ValueError, match=f"^{name} can't be reported here: .*{reason}"):
            SystemTrigger(on=[name])
    with pytest.raises(ValueError, match=r"^power-ac can't be reported here: this machine has no battery"):
        SystemTrigger(on=["power-ac"])


def test_macos_refuses_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "darwin", FakeMacOS().modules())
    with pytest.raises(ValueError, match=r"^device-added can't be reported here: .*file trigger"):
        SystemTrigger(on=["device-added"])


def test_processes_and_networks_are_polled_on_every_platform(
    platform: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("rae_plugins.triggers.system.processes.PROC", tmp_path / "no-proc")
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        names = ["process-started", "network-down", "clock-changed"]
        if platform != "win32":
            names.append("login")
        async with listener.watching(SystemTrigger(on=names, process="[!k]*", every=timedelta(seconds=1))):
            await knows(listener, "processes", "network", *(["sessions"] if "login" in names else []))
        assert os.getpid() in [process["pid"] for process in read_memory(listener)["processes"]["processes"]]

    asyncio.run(play())


def test_the_boot_of_other_platforms_has_a_lasting_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from rae_plugins.triggers.system.adapters.macos import MacOS
    from rae_plugins.triggers.system.adapters.portable import Portable

    assert int(Portable().boot()) > 0
    asked = []

    def sysctl(command: list[str], **_: object) -> SimpleNamespace:
        asked.append(command[-1])
        return SimpleNamespace(stdout="ABCD-1234\n")

    monkeypatch.setattr("subprocess.run", sysctl)
    assert MacOS().boot() == "ABCD-1234"
    assert asked == ["kern.bootsessionuuid"]
