"""The guards power, idle and load: readings of the machine, and missing ones, which are never a yes."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from rae_auto.api import GuardResult, ReadGuard, Verdict
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.testing.guards import GuardConformance
from rae_plugins.guards import idle, load, power
from rae_plugins.guards.idle import IdleGuard
from rae_plugins.guards.load import LoadGuard
from rae_plugins.guards.power import PowerGuard, RequiredSource
from rae_plugins.machine import idle as machine_idle
from rae_plugins.machine import power_supply
from rae_plugins.machine.idle import Idle
from rae_plugins.machine.power_supply import Power, Source, read_power, read_supplies

BATTERY = {"type": "Battery", "present": "1", "status": "Discharging", "capacity": "43"}
MOUSE = {"type": "Battery", "scope": "Device", "present": "1", "status": "Discharging", "capacity": "11"}
UNPLUGGED = {"type": "Mains", "online": "0"}
PLUGGED = {"type": "Mains", "online": "1"}


def supplies(root: Path, **entries: dict[str, str]) -> Path:
    """Return a folder like /sys/class/power_supply."""
    for name, files in entries.items():
        (root / name).mkdir()
        for file, content in files.items():
            (root / name / file).write_text(f"{content}\n")
    return root


class TestPowerConforms(GuardConformance):
    @pytest.fixture
    def plugin(self) -> ReadGuard:
        return PowerGuard(charge_above=30)


class TestIdleConforms(GuardConformance):
    @pytest.fixture
    def plugin(self) -> ReadGuard:
        return IdleGuard(for_="5m")


class TestLoadConforms(GuardConformance):
    @pytest.fixture
    def plugin(self) -> ReadGuard:
        return LoadGuard(below=0.5, cpu_below=50)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, Power(Source.MAINS)),
        ({"hidpp_battery_0": MOUSE}, Power(Source.MAINS)),
        ({"AC": PLUGGED}, Power(Source.MAINS)),
        ({"AC": UNPLUGGED, "BAT0": BATTERY}, Power(Source.BATTERY, True, 43.0)),
        ({"AC": PLUGGED, "BAT0": BATTERY | {"status": "Charging"}}, Power(Source.MAINS, True, 43.0)),
        # A charger that is too weak to hold the charge is mains all the same.
        ({"AC": PLUGGED, "BAT0": BATTERY}, Power(Source.MAINS, True, 43.0)),
        ({"AC": UNPLUGGED, "USBC": {"type": "USB", "online": "1"}, "BAT0": BATTERY}, Power(Source.MAINS, True, 43.0)),
        ({"BAT0": BATTERY | {"status": "Full"}}, Power(Source.MAINS, True, 43.0)),
        ({"BAT0": BATTERY | {"status": "Unknown"}}, Power(None, True, 43.0)),
        ({"BAT0": BATTERY | {"present": "0"}}, Power(Source.MAINS)),
        ({"BAT0": {"type": "Battery", "status": "Discharging"}}, Power(Source.BATTERY, True, None)),
        ({"BAT0": BATTERY, "BAT1": {"type": "Battery", "status": "Unknown"}}, Power(Source.BATTERY, True, None)),
        ({"ups": {"type": "UPS", "status": "Discharging", "capacity": "90"}}, Power(Source.BATTERY, True, 90.0)),
        ({"BAT0": {"type": "Battery", "status": "Discharging", "energy_now": "20", "energy_full": "80"}},
         Power(Source.BATTERY, True, 25.0)),
        # Two batteries count by what they hold: a full small one and an empty large one.
        ({"BAT0": BATTERY | {"capacity": "100", "charge_now": "100", "charge_full": "100"},
          "BAT1": BATTERY | {"capacity": "0", "charge_now": "0", "charge_full": "300"}},
         Power(Source.BATTERY, True, 25.0)),
    ],
)  # fmt: skip
def test_read_supplies_combines_the_supplies_of_linux(
    tmp_path: Path, entries: dict[str, dict[str, str]], expected: Power
) -> None:
    assert read_supplies(supplies(tmp_path, **entries)) == expected


def test_read_supplies_without_any_is_mains_power(tmp_path: Path) -> None:
    assert read_supplies(tmp_path / "none") == Power(Source.MAINS)


@pytest.mark.parametrize(
    ("battery", "expected"),
    [
        (None, Power(Source.MAINS)),
        (SimpleNamespace(percent=43, power_plugged=True), Power(Source.MAINS, True, 43.0)),
        (SimpleNamespace(percent=43, power_plugged=False), Power(Source.BATTERY, True, 43.0)),
        (SimpleNamespace(percent=None, power_plugged=None), Power(None, True, None)),
    ],
)
def test_read_power_uses_psutil_elsewhere(monkeypatch: pytest.MonkeyPatch, battery: Any, expected: Power) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(psutil, "sensors_battery", lambda: battery)
    assert read_power() == expected


DRIVEN = Power(Source.BATTERY, True, 43.0)
CHARGED = Power(Source.MAINS, True, 43.0)


@pytest.mark.parametrize(
    ("options", "power", "verdict", "reason"),
    [
        ({}, Power(Source.MAINS), "yes", "on mains power, no battery"),
        ({}, CHARGED, "yes", "on mains power, 43 % charged"),
        ({}, DRIVEN, "no", "on battery, 43 % charged"),
        ({}, Power(None, True, 43.0), "unknown", "power source unknown, 43 % charged"),
        ({"on": "battery"}, DRIVEN, "yes", "on battery, 43 % charged"),
        ({"on": "battery"}, Power(Source.MAINS), "no", "on mains power, no battery"),
        ({"charge_above": 30}, Power(Source.MAINS), "yes", "on mains power, no battery"),
        ({"charge_above": 30}, CHARGED, "yes", "on mains power, 43 % charged"),
        ({"charge_above": 43}, CHARGED, "no", "on mains power, 43 % charged"),
        ({"charge_above": 30}, Power(Source.MAINS, True), "unknown", "on mains power, charge unknown"),
        ({"charge_above": 50}, Power(None, True, 43.0), "no", "power source unknown, 43 % charged"),
        ({"on": "any", "charge_above": 30}, DRIVEN, "yes", "on battery, 43 % charged"),
        ({"on": "any", "charge_above": 50}, DRIVEN, "no", "on battery, 43 % charged"),
        ({"on": "battery", "charge_above": 50}, Power(Source.BATTERY, True, 43.0), "no", "on battery, 43 % charged"),
    ],
)  # fmt: skip
def test_power_guard_judges_a_reading(options: dict[str, Any], power: Power, verdict: str, reason: str) -> None:
    assert PowerGuard(**options).judge(power) == GuardResult(Verdict(verdict), reason)


def test_power_guard_reads_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_supply, "SUPPLIES", supplies(tmp_path, AC=UNPLUGGED, BAT0=BATTERY))
    assert asyncio.run(PowerGuard().read()) == GuardResult(Verdict.NO, "on battery, 43 % charged")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"on": "any"}, "needs .charge_above."),
        ({"charge_above": 100}, "charge_above"),
        ({"charge_above": -1}, "charge"),
    ],
)
def test_power_guard_refuses_options_that_never_or_always_hold(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        PowerGuard(**options)


def test_power_guard_is_built_from_toml_values() -> None:
    made = build(PowerGuard, {"on": "battery", "charge_above": 20}, timezone="UTC", plugins=Registry())
    assert made == PowerGuard(on=RequiredSource.BATTERY, charge_above=20)


def idle_for(monkeypatch: pytest.MonkeyPatch, seconds: float | None, reason: str) -> GuardResult:
    async def read() -> Idle:
        return Idle(seconds, reason)

    monkeypatch.setattr(machine_idle, "read_idle", read)
    return asyncio.run(IdleGuard(for_="5m").read())


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (300.0, GuardResult(Verdict.YES, "idle for 5 min (X11)")),
        (299.9, GuardResult(Verdict.NO, "idle for 4 min 59 s (X11)")),
        (0.0, GuardResult(Verdict.NO, "idle for 0 s (X11)")),
    ],
)
def test_idle_guard_reports_the_idle_time(
    monkeypatch: pytest.MonkeyPatch, seconds: float, expected: GuardResult
) -> None:
    assert idle_for(monkeypatch, seconds, "X11") == expected


def test_idle_guard_without_a_desktop_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    assert idle_for(monkeypatch, None, "no desktop") == GuardResult(Verdict.UNKNOWN, "no desktop")


def test_idle_guard_refuses_zero() -> None:
    with pytest.raises(ValueError, match="'for' must be more than 0s"):
        IdleGuard(for_=timedelta(0))


@pytest.mark.parametrize(
    ("bounds", "load", "use", "verdict", "reason"),
    [
        ({"below": 0.5}, 0.49, None, "yes", "load 0.49 per processor (limit 0.5)"),
        ({"below": 0.5}, 0.5, None, "no", "load 0.50 per processor (limit 0.5)"),
        ({"below": 0.5}, None, None, "unknown", "load unknown (limit 0.5)"),
        ({"cpu_below": 25}, None, 24.6, "yes", "CPU use 25 % (limit 25 %)"),
        ({"cpu_below": 25}, None, 25.0, "no", "CPU use 25 % (limit 25 %)"),
        ({"below": 1, "cpu_below": 25}, None, 99.0, "no", "load unknown (limit 1), CPU use 99 % (limit 25 %)"),
        ({"below": 1, "cpu_below": 25}, 0.1, None, "unknown",
         "load 0.10 per processor (limit 1), CPU use unknown (limit 25 %)"),
    ],
)  # fmt: skip
def test_load_guard_judges_measurements(
    bounds: dict[str, float], load: float | None, use: float | None, verdict: str, reason: str
) -> None:
    assert LoadGuard(**bounds).judge(load, use) == GuardResult(Verdict(verdict), reason)


def test_load_is_the_last_minute_per_processor() -> None:
    measured = load.read_load_per_processor()
    assert measured is not None
    assert measured == pytest.approx(os.getloadavg()[0] / (os.cpu_count() or 1), abs=0.5)


def test_load_guard_measures_the_machine() -> None:
    """No load average, and no use, is below the least number."""
    result = asyncio.run(LoadGuard(below=1e-300).read())
    assert result.verdict in (Verdict.NO, Verdict.YES)
    assert result.reason.startswith("load ")


def test_load_guard_without_measurements_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr(psutil, "getloadavg", refuse)
    monkeypatch.setattr(psutil, "cpu_percent", refuse)
    result = asyncio.run(LoadGuard(below=1, cpu_below=50).read())
    assert result.verdict is Verdict.UNKNOWN
    assert "load unknown" in result.reason


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [({}, "no limit given"), ({"below": 0}, "below"), ({"cpu_below": 101}, "cpu_below"), ({"cpu_below": 0}, "cpu")],
)
def test_load_guard_refuses_limits_that_never_or_always_hold(bounds: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        LoadGuard(**bounds)


@pytest.mark.parametrize("module", [power, idle, load])
def test_machine_guard_modules_offer_one_guard_each(module: Any) -> None:
    (offered,) = module.rae_guards()
    assert offered.type == module.__name__.rpartition(".")[2]
