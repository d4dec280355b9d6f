"""Windows: messages to a hidden window, by pywin32; psutil and the clocks for the rest.

Written by Microsoft's documentation and tested with stand-ins for pywin32 only; it has not been run on Windows yet.
"""

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import Any

from attrs import evolve

from rae_auto.api.trigger import Timer
from rae_auto.model.primitives.instants import format_instant
from rae_plugins.triggers.system.adapter import Report
from rae_plugins.triggers.system.adapters.portable import library_missing, missing_without_battery, polls
from rae_plugins.triggers.system.adapters.thread_bridge import Make, ThreadBridge
from rae_plugins.triggers.system.changes import EventFilter, Rest, ShuttingDown, SystemState
from rae_plugins.triggers.system.concurrency import run_together
from rae_plugins.triggers.system.devices import DeviceEvent
from rae_plugins.triggers.system.event_names import (
    BEFORE_DOWN,
    DEVICES,
    REST,
    SESSIONS,
    EventName,
)
from rae_plugins.triggers.system.sessions import Session, Sessions

MESSAGES = BEFORE_DOWN | REST | SESSIONS | DEVICES
"""Events that only a window receives."""

_LOGOFF = 0x80000000
"""The flag of END_SESSION that says that it is the session alone that ends."""

_ALL_SESSIONS, _USER_NAME, _ALL_CLASSES = 1, 5, 4


class Message(IntEnum):
    """Messages to a window; the names are those of Windows without `WM_`."""

    CLOSE = 0x10
    QUERYENDSESSION = 0x11
    ENDSESSION = 0x16
    POWERBROADCAST = 0x218
    DEVICECHANGE = 0x219
    WTSSESSION_CHANGE = 0x2B1


class Code(IntEnum):
    """Codes of messages: power (`PBT_APM`), sessions (`WTS_SESSION`) and devices (`DBT_DEVICE`)."""

    SUSPEND = 0x4
    RESUMESUSPEND = 0x7
    RESUMEAUTOMATIC = 0x12
    LOGON = 0x5
    LOGOFF = 0x6
    LOCK = 0x7
    UNLOCK = 0x8
    ARRIVAL = 0x8000
    REMOVECOMPLETE = 0x8004


_BOOT_ID = r"SYSTEM\CurrentControlSet\Control\Session Manager\Memory Management\PrefetchParameters"


class Windows:
    """The adapter of Windows."""

    def missing(self, names: Collection[EventName]) -> Mapping[EventName, str]:
        """Return the events that need pywin32 when it isn't installed, and power events without a battery."""
        reason = library_missing("win32gui", "windows")
        found: dict[EventName, str] = dict.fromkeys(MESSAGES, reason) if reason else {}
        return found | missing_without_battery(names)

    def boot(self) -> str:
        """Return Windows' own count of its boots; the time of the boot where it keeps none, as Wine."""
        import winreg as registry

        import psutil

        winreg: Any = registry  # of which type checkers elsewhere know nothing
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _BOOT_ID) as key:
                return str(winreg.QueryValueEx(key, "BootId")[0])
        except OSError:
            return f"{psutil.boot_time():.0f}"

    async def watch(self, event_filter: EventFilter, report: Report, timer: Timer) -> None:
        """Watch what is event_filter, and nothing else."""
        parts = polls(event_filter, report, timer, but=MESSAGES)
        if event_filter.names & MESSAGES:
            bridge = ThreadBridge()
            window = Window(event_filter, bridge, timer)
            parts.append(bridge.serve(window.run, window.close, report))
        await run_together(parts)


class Window:
    """A hidden window, and the states that its messages report.

    Its messages come in the thread that runs it; the states are made on the event loop.
    """

    def __init__(self, event_filter: EventFilter, bridge: ThreadBridge, timer: Timer) -> None:
        self._event_filter = event_filter
        self._bridge = bridge
        self._timer = timer
        self._sessions: dict[int, Session] = {}
        self._present: dict[str, bool] = {}
        self._handle = 0
        self._is_over = False

    def run(self) -> None:
        """Make the window, report the present state, and serve its messages until it is closed."""
        import win32gui
        import win32ts

        kind = win32gui.WNDCLASS()
        kind.lpszClassName = "rae-auto system events"
        kind.lpfnWndProc = self.receive
        # Not a message-only window: those get no broadcasts.
        self._handle = win32gui.CreateWindow(win32gui.RegisterClass(kind), "rae-auto", 0, 0, 0, 0, 0, 0, 0, 0, None)
        win32ts.WTSRegisterSessionNotification(self._handle, _ALL_SESSIONS)
        self._follow_devices()
        self._bridge.put(self._rests(False))
        self._bridge.put(lambda: ShuttingDown(False))
        for found in win32ts.WTSEnumerateSessions():
            self._log_on(int(found["SessionId"]))
        self._bridge.put(self._all_sessions)
        if not self._is_over:
            win32gui.PumpMessages()

    def close(self) -> None:
        """End the loop of messages; for another thread."""
        import win32gui

        self._is_over = True
        if self._handle:
            win32gui.PostMessage(self._handle, Message.CLOSE, 0, 0)

    def receive(self, handle: int, message: int, word: int, long: int) -> int:
        """Serve one message."""
        import win32gui

        match message:
            case Message.POWERBROADCAST:
                self._power_changed(word)
            case Message.ENDSESSION:
                if word and not long & _LOGOFF:
                    self._bridge.put(lambda: ShuttingDown(True), wait=True)
            case Message.WTSSESSION_CHANGE:
                self._bridge.put(lambda: self._session_changed(word, long))
            case Message.DEVICECHANGE:
                if word in (Code.ARRIVAL, Code.REMOVECOMPLETE) and long:
                    self._device_changed(word == Code.ARRIVAL, long)
            case Message.CLOSE:
                win32gui.PostQuitMessage(0)
            case Message.QUERYENDSESSION:
                pass
            case _:
                return int(win32gui.DefWindowProc(handle, message, word, long))
        return 1

    def _power_changed(self, code: int) -> None:
        if code == Code.SUSPEND:
            self._bridge.put(self._rests(True), wait=True)
        elif code in (Code.RESUMESUSPEND, Code.RESUMEAUTOMATIC):  # often both
            self._bridge.put(self._rests(False))

    def _rests(self, asleep: bool) -> Make:
        return lambda: Rest(asleep, self._timer.now().slept)

    def _session_changed(self, code: int, session: int) -> SystemState:
        known = self._sessions.get(session)
        if code == Code.LOGON:
            self._log_on(session)
        elif code == Code.LOGOFF:
            self._sessions.pop(session, None)
        elif code in (Code.LOCK, Code.UNLOCK) and known is not None:
            locked = format_instant(self._timer.now().wall) if code == Code.LOCK else None
            self._sessions[session] = evolve(known, locked=locked)
        return self._all_sessions()

    def _log_on(self, session: int) -> None:
        import win32ts

        # Session 0 is of services, and one without a user waits for a login.
        user = win32ts.WTSQuerySessionInformation(0, session, _USER_NAME)
        if session and user:
            self._sessions[session] = Session(str(session), str(user), "")

    def _all_sessions(self) -> SystemState:
        return Sessions("windows", tuple(self._sessions[number] for number in sorted(self._sessions)))

    def _follow_devices(self) -> None:
        import win32gui
        import win32gui_struct

        anything = win32gui_struct.PackDEV_BROADCAST_DEVICEINTERFACE("{00000000-0000-0000-0000-000000000000}")
        win32gui.RegisterDeviceNotification(self._handle, anything, _ALL_CLASSES)

    def _device_changed(self, arrived: bool, pointer: int) -> None:
        import win32gui_struct

        name = device_name(str(getattr(win32gui_struct.UnpackDEV_BROADCAST(pointer), "name", "") or ""))
        # Each interface of a device reports, and some report more than once.
        if name and self._event_filter.is_device(name) and self._present.get(name) != arrived:
            self._present[name] = arrived
            self._bridge.put(lambda: DeviceEvent(name, arrived))


def device_name(interface: str) -> str:
    r"""`subsystem/name` from the name of a device's interface: `\\?\USB#VID_046D&PID_C52B#5&2A#{a5dcbf10-…}`."""
    subsystem, _, rest = interface.removeprefix("\\\\?\\").partition("#")
    name = rest.rpartition("#{")[0] or rest
    return f"{subsystem.lower()}/{name}" if name else ""
