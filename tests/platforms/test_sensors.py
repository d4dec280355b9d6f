"""The contract of what the machine says: idle time, power and time zone, of this platform itself and by stand-ins."""

import asyncio
import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psutil
import pytest

from rae_auto.model.primitives.zone_sources.local_zone import LocalZone, find_local_zone
from rae_plugins.machine.idle import Idle, read_idle
from rae_plugins.machine.power_supply import Power, Source, read_power, read_supplies

PLATFORMS = ["of the platform", "win32", "darwin"]
TICKS = 1 << 32

ReadIdle = Callable[[], Idle]


class _Windows:
    """GetLastInputInfo and GetTickCount, whose ticks wrap a moment after the last input."""

    def __init__(self) -> None:
        self.user32 = self.kernel32 = self
        self._last = TICKS - 50
        self._since = time.monotonic()

    def GetLastInputInfo(self, info: Any) -> int:
        info._obj[1] = self._last
        return 1

    def GetTickCount(self) -> int:
        return (self._last + int((time.monotonic() - self._since) * 1000)) % TICKS


class _ApplicationServices:
    started = time.monotonic()

    def __init__(self, _path: str) -> None:
        def read(_state: int, _kind: int) -> float:
            return time.monotonic() - self.started

        self.CGEventSourceSecondsSinceLastEventType: Callable[[int, int], float] = read


@pytest.fixture(params=PLATFORMS)
def idle(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ReadIdle:
    if request.param == "win32" and sys.platform != "win32":
        monkeypatch.setattr(sys, "platform", "win32")
        monkeypatch.setattr(ctypes, "windll", _Windows(), raising=False)
    elif request.param == "darwin" and sys.platform != "darwin":
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(ctypes, "CDLL", _ApplicationServices)
    return lambda: asyncio.run(read_idle())


def test_idle_time_grows_without_input_or_has_a_reason(idle: ReadIdle) -> None:
    first = idle()
    time.sleep(0.1)
    second = idle()
    assert first.reason
    if first.seconds is None or second.seconds is None:
        assert "\n" not in first.reason
        return
    assert first.seconds >= 0
    # Unless a person has typed meanwhile, on a real machine.
    assert second.seconds >= first.seconds or second.seconds < 1
    assert second.seconds - first.seconds < 30


def make_supplies(folder: Path, **supplies: dict[str, str]) -> Path:
    for name, facts in supplies.items():
        (folder / name).mkdir()
        for fact, value in facts.items():
            (folder / name / fact).write_text(f"{value}\n")
    return folder


@pytest.fixture(params=["of the platform", "sysfs on battery", "psutil on battery", "psutil without one"])
def power(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Power, str]:
    if request.param == "of the platform":
        return read_power(), request.param
    if request.param.startswith("sysfs"):
        battery = {"type": "Battery", "status": "Discharging", "capacity": "60", "present": "1"}
        return read_supplies(make_supplies(tmp_path, BAT0=battery, AC={"type": "Mains", "online": "0"})), request.param
    has_battery = "on" in request.param.split()
    answer = SimpleNamespace(percent=60.0, power_plugged=False, secsleft=1000) if has_battery else None
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(psutil, "sensors_battery", lambda: answer, raising=False)
    return read_power(), request.param


def test_power_supply_agrees_with_itself(power: tuple[Power, str]) -> None:
    reading, how = power
    assert reading.source in (Source.MAINS, Source.BATTERY, None)
    assert reading.charge is None or 0 <= reading.charge <= 100
    if not reading.battery:
        assert reading.source is not Source.BATTERY
        assert reading.charge is None
    if how.endswith("on battery"):
        assert reading == Power(Source.BATTERY, True, 60.0)


@pytest.fixture(params=["of the platform", "the registry"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalZone]:
    if request.param == "of the platform":
        yield find_local_zone()
        return
    if sys.platform == "win32":
        monkeypatch.delenv("TZ", raising=False)
        yield find_local_zone()
        return
    registry = ModuleType("tzlocal")
    registry.get_localzone_name = lambda: "Europe/Berlin"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tzlocal", registry)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield find_local_zone(environment={})
    monkeypatch.undo()
    time.tzset()


def test_zone_of_the_machine_has_the_clock_of_its_programs(zone: LocalZone) -> None:
    loaded = zone.load()
    assert zone.source
    year = datetime.now(UTC).year
    for day in range(0, 365, 7):
        instant = datetime(year, 1, 1, 12, tzinfo=UTC) + timedelta(days=day)
        assert instant.astimezone(loaded).utcoffset() == instant.astimezone().utcoffset()
