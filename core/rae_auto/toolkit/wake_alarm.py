"""An alarm that wakes the machine from sleep at an instant: the same shape on each platform.

| platform | means | needs |
|---|---|---|
| Linux | a timerfd on CLOCK_REALTIME_ALARM (timerfd_create(2)) | CAP_WAKE_ALARM, and a clock that can wake it |
| Windows | a waitable timer that resumes (SetWaitableTimer) | wake timers in the power plan (not reported) |
| macOS | `pmset schedule wake` (pmset(1)) | root |

Only sleep ends by it: a machine that is off stays off. An alarm ends with its process, except on macOS.
"""

import contextlib
import ctypes
import errno
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rae_auto.platforms.timerfd import ABSOLUTE, Timerfd
from rae_auto.platforms.user_ids import is_root

CLOCKS = Path("/sys/class/rtc")
"""The clocks of a Linux machine that go on while it sleeps."""

_CLOCK_REALTIME_ALARM = 8
_PMSET_SECONDS = 10.0
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOWS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class WakeAlarm(Protocol):
    """An alarm. Errors of `set`: OSError."""

    def set(self, at: datetime | None) -> None:
        """Wake the machine at an instant (aware), and no longer at the one before; None for never."""
        ...

    def close(self) -> None:
        """Clear the alarm and close it."""
        ...


def find_wake_obstacle() -> str | None:
    """Return why this process can't have the machine woken, as a clause, with the remedy if there is one; or None."""
    platform = _find_platform()
    return f"there is no way to do so on {sys.platform}" if platform is None else platform.find_obstacle()


def open_wake_alarm() -> WakeAlarm:
    """Return the alarm of this platform. Errors: OSError."""
    platform = _find_platform()
    return TimerfdAlarm() if platform is None else platform.open()


class _Platform(NamedTuple):
    find_obstacle: Callable[[], str | None]
    open: Callable[[], WakeAlarm]


def _find_platform() -> _Platform | None:
    libraries: Any = ctypes
    platforms = {
        "linux": _Platform(lambda: _find_linux_obstacle(CLOCKS), TimerfdAlarm),
        "darwin": _Platform(_find_macos_obstacle, PmsetAlarm),
        "win32": _Platform(lambda: None, lambda: WindowsAlarm(libraries.windll.kernel32)),
    }
    return platforms.get(sys.platform)


# Linux


class TimerfdAlarm:
    """An alarm of the Linux kernel."""

    def __init__(self) -> None:
        """Create the timer. Errors: OSError, as without CAP_WAKE_ALARM."""
        self._timer = Timerfd(_CLOCK_REALTIME_ALARM)

    @property
    def descriptor(self) -> int:
        """The descriptor of the timer."""
        return self._timer.descriptor

    def set(self, at: datetime | None) -> None:
        if at is None:
            # A timer of this clock goes on showing its time after it has been disarmed; a new one has none.
            self.close()
            self._timer = Timerfd(_CLOCK_REALTIME_ALARM)
            return
        self._timer.set(max(_microseconds_since(at, _UNIX_EPOCH), 1), ABSOLUTE)

    def close(self) -> None:
        self._timer.close()


def _find_linux_obstacle(clocks: Path) -> str | None:
    try:
        TimerfdAlarm().close()
    except OSError as error:
        if error.errno != errno.EPERM:
            return f"the kernel refuses alarms ({error.strerror})"
        return (
            "the capability CAP_WAKE_ALARM is missing; run the daemon as root, or add "
            "AmbientCapabilities=CAP_WAKE_ALARM to its unit"
        )
    if not any(_can_wake(clock) for clock in sorted(clocks.glob("*/device/power/wakeup"))):
        return f"no clock of the machine can wake it (none in {clocks} has power/wakeup enabled); enable it there"
    return None


def _can_wake(switch: Path) -> bool:
    with contextlib.suppress(OSError):
        return switch.read_text(encoding="ascii", errors="replace").strip() == "enabled"
    return False


# macOS


class PmsetAlarm:
    """An alarm that pmset keeps. It outlives the process, so it is taken back when it is closed."""

    def __init__(self) -> None:
        self._set_for: str | None = None

    def set(self, at: datetime | None) -> None:
        wanted = None if at is None else at.astimezone().strftime("%m/%d/%y %H:%M:%S")
        if self._set_for is not None:
            _run_pmset("schedule", "cancel", "wake", self._set_for)
        self._set_for = None
        if wanted is not None:
            _run_pmset("schedule", "wake", wanted)
            self._set_for = wanted

    def close(self) -> None:
        self.set(None)


def _find_macos_obstacle() -> str | None:
    return None if is_root() else "only root may set alarms by pmset; run the daemon as root"


def _run_pmset(*arguments: str) -> None:
    command = ["pmset", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PMSET_SECONDS, check=False, text=True)
    except subprocess.TimeoutExpired:
        raise OSError(errno.ETIMEDOUT, "pmset has not answered") from None
    if done.returncode:
        raise OSError(errno.EIO, f"pmset failed: {(done.stderr or done.stdout).strip():.200}")


# Windows


class WindowsAlarm:
    """A waitable timer that resumes the machine."""

    def __init__(self, kernel: Any) -> None:
        """Create the timer. `kernel` is kernel32. Errors: OSError."""
        self._kernel = kernel
        self._handle = self._check(kernel.CreateWaitableTimerW(None, True, None))

    def set(self, at: datetime | None) -> None:
        if at is None:
            self._check(self._kernel.CancelWaitableTimer(self._handle))
            return
        ticks = ctypes.c_longlong(_microseconds_since(at, _WINDOWS_EPOCH) * 10)
        self._check(self._kernel.SetWaitableTimer(self._handle, ctypes.byref(ticks), 0, None, None, True))

    def close(self) -> None:
        self._kernel.CloseHandle(self._handle)

    def _check(self, result: int) -> int:
        if not result:
            raise OSError(errno.EIO, f"the timer can't be set (error {self._kernel.GetLastError()})")
        return result


def _microseconds_since(at: datetime, epoch: datetime) -> int:
    distance = at - epoch
    return (distance.days * 86_400 + distance.seconds) * 10**6 + distance.microseconds
