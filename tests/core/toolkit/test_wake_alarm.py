"""Alarms that wake the machine: one contract, with the real kernel on Linux and stand-ins of the others."""

import ctypes
import os
import re
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rae_auto.toolkit import wake_alarm
from rae_auto.toolkit.wake_alarm import PmsetAlarm, TimerfdAlarm, WakeAlarm, WindowsAlarm, find_wake_obstacle

SOON = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)

Armed = Callable[[], datetime | None]
"""Returns the instant for which an alarm is set, as the platform has it."""


def linux(_: Path, __: pytest.MonkeyPatch) -> tuple[WakeAlarm, Armed]:
    try:
        alarm = TimerfdAlarm()
    except OSError as error:
        pytest.skip(f"the kernel refuses alarms: {error.strerror}")

    def armed() -> datetime | None:
        shown = Path(f"/proc/self/fdinfo/{alarm.descriptor}").read_text()
        match = re.search(r"clockid: 8\n.*it_value: \((\d+), (\d+)\)", shown, re.DOTALL)
        assert match is not None, shown
        left = timedelta(seconds=int(match[1]), microseconds=int(match[2]) // 1000)
        return datetime.now(UTC) + left if left else None

    return alarm, armed


def macos(place: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WakeAlarm, Armed]:
    """Return an alarm with a program in the place of pmset, which keeps one schedule as the real one does."""
    program, kept = place / "pmset", place / "schedule"
    program.write_text(
        f'#!/bin/sh\nkept={shlex.quote(str(kept))}\ncase "$1 $2" in\n'
        '"schedule wake") echo "$3" > "$kept";;\n"schedule cancel") grep -qx "$4" "$kept" && rm "$kept";;\n'
        "*) exit 64;; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}:{os.environ['PATH']}")

    def armed() -> datetime | None:
        return datetime.strptime(kept.read_text().strip(), "%m/%d/%y %H:%M:%S").astimezone() if kept.exists() else None

    return PmsetAlarm(), armed


class Kernel32:
    """The calls of kernel32 that an alarm makes."""

    def __init__(self) -> None:
        self.due: int | None = None

    def CreateWaitableTimerW(self, security: object, is_manual: bool, name: object) -> int:
        assert (security, is_manual, name) == (None, True, None)
        return 7

    def SetWaitableTimer(
        self, handle: int, due: Any, period: int, routine: object, argument: object, resumes: bool
    ) -> int:
        assert (handle, period, routine, argument, resumes) == (7, 0, None, None, True)
        self.due = due._obj.value
        return 1

    def CancelWaitableTimer(self, handle: int) -> int:
        assert handle == 7
        self.due = None
        return 1

    def CloseHandle(self, handle: int) -> int:
        assert handle == 7
        return 1

    def GetLastError(self) -> int:
        return 5


def windows(_: Path, __: pytest.MonkeyPatch) -> tuple[WakeAlarm, Armed]:
    kernel = Kernel32()

    def armed() -> datetime | None:
        epoch = datetime(1601, 1, 1, tzinfo=UTC)
        return None if kernel.due is None else epoch + timedelta(microseconds=kernel.due // 10)

    return WindowsAlarm(kernel), armed


@pytest.mark.parametrize("platform", [linux, macos, windows])
def test_alarm_is_set_moved_and_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: Callable[..., tuple[WakeAlarm, Armed]]
) -> None:
    if platform is linux and sys.platform != "linux":
        pytest.skip("needs Linux")
    alarm, armed = platform(tmp_path, monkeypatch)
    try:
        assert armed() is None
        for at in (SOON, SOON + timedelta(hours=2)):
            alarm.set(at)
            found = armed()
            assert found is not None
            assert abs(found - at) < timedelta(seconds=60)
        alarm.set(None)
        assert armed() is None
        alarm.set(None)
    finally:
        alarm.close()


def test_pmset_that_refuses_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pmset").write_text("#!/bin/sh\necho 'must be run as root' >&2\nexit 77\n")
    (tmp_path / "pmset").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OSError, match="pmset failed: must be run as root"):
        PmsetAlarm().set(SOON)


def test_timer_that_windows_refuses_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel32()
    monkeypatch.setattr(kernel, "SetWaitableTimer", lambda *_: 0)
    with pytest.raises(OSError, match="error 5"):
        WindowsAlarm(kernel).set(SOON)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_linux_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if ctypes.CDLL(None).timerfd_create(8, 0) < 0:
        assert "CAP_WAKE_ALARM is missing; run the daemon as root" in (find_wake_obstacle() or "")
        return
    monkeypatch.setattr(wake_alarm, "CLOCKS", tmp_path)
    assert "no clock of the machine can wake it" in (find_wake_obstacle() or "")
    (tmp_path / "rtc0" / "device" / "power").mkdir(parents=True)
    switch = tmp_path / "rtc0" / "device" / "power" / "wakeup"
    switch.write_text("disabled\n")
    assert find_wake_obstacle() is not None
    switch.write_text("enabled\n")
    assert find_wake_obstacle() is None
