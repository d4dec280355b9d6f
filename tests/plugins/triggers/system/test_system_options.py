"""Options that the system trigger takes and refuses, before anything is watched."""

from datetime import timedelta
from pathlib import Path

import pytest

from rae_plugins.machine import power_supply
from rae_plugins.triggers import system
from rae_plugins.triggers.system import SystemTrigger
from rae_plugins.triggers.system.event_names import EventName

NEEDS_A_BUS = ["sleep", "shutdown", "lock", "unlock"]
ANYWHERE = ["boot", "resume", "network-up", "network-down", "network-changed", "clock-changed"]


@pytest.fixture
def no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    path = tmp_path / "no-bus"
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={path}")
    monkeypatch.setattr("rae_plugins.triggers.system.adapters.linux._LOGIN_RECORDS", (tmp_path / "utmp",))
    monkeypatch.setattr(power_supply, "SUPPLIES", tmp_path)
    return str(path)


@pytest.fixture
def a_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bus").touch()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'bus'}")


def test_every_event_has_its_name(a_bus: None) -> None:
    names = [*NEEDS_A_BUS, *ANYWHERE, "login", "logout", "power-ac", "power-battery", "power-low"]
    names += ["device-added", "device-removed", "process-started", "process-exited"]
    assert set(SystemTrigger(on=names, process="x").on) == set(EventName)
    assert len(names) == 19


@pytest.mark.parametrize("name", NEEDS_A_BUS)
def test_events_of_a_service_are_refused_without_a_bus(no_bus: str, name: str) -> None:
    with pytest.raises(
        ValueError, match=f"^{name} can't be reported here: .*no system bus at .*; start dbus"
    ) as caught:
        SystemTrigger(on=["resume", name])
    assert no_bus in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_several_that_are_refused_each_reason_is_given_once(no_bus: str) -> None:
    with pytest.raises(ValueError, match=r"^sleep, lock can't be reported here: .*; power-ac can't be reported here: "):
        SystemTrigger(on=["sleep", "resume", "lock", "power-ac"])


@pytest.mark.parametrize("name", ["login", "logout"])
def test_logins_are_refused_without_a_service_or_records(no_bus: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} can't be reported here: .*/run/utmp"):
        SystemTrigger(on=[name])


@pytest.mark.parametrize("name", ["power-ac", "power-battery", "power-low"])
def test_power_is_refused_without_a_battery_or_upower(no_bus: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} can't be reported here: this machine has no battery"):
        SystemTrigger(on=[name])


def test_power_low_without_a_known_battery_is_a_warning(
    a_bus: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(power_supply, "SUPPLIES", tmp_path)
    assert SystemTrigger(on=["power-low"]).warnings() == ("no battery is known here, so power-low may never fire",)
    assert SystemTrigger(on=["lock"]).warnings() == ()


@pytest.mark.parametrize("name", ANYWHERE)
def test_events_of_kernel_and_clocks_need_no_bus(no_bus: str, name: str) -> None:
    assert SystemTrigger(on=[name]).on == (name,)


def test_devices_are_refused_where_they_cannot_be_observed(
    no_bus: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("rae_plugins.triggers.system.adapters.linux.SYS", tmp_path / "sys")
    with pytest.raises(ValueError, match=r"^device-added can't be reported here: .*mount /sys"):
        SystemTrigger(on=["device-added"])


def test_a_bus_that_is_no_file_is_believed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may be absent, but only a connection shows that, and loading makes none."""
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:abstract=somewhere")
    assert SystemTrigger(on=["lock"]).on == ("lock",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on": []}, "on must not be empty; choose from boot, shutdown"),
        ({"on": ["reboot"]}, "reboot"),
        ({"on": ["process-started"]}, "need the option process"),
        ({"on": ["boot"], "process": "rsync"}, "process is for process-exited, process-started"),
        ({"on": ["boot"], "device": "block/*"}, "device is for device-added, device-removed"),
        ({"on": ["boot"], "user": "anna"}, "user is for lock, login, logout, unlock"),
        ({"on": ["boot"], "low": 0}, "low is a percentage"),
        ({"on": ["boot"], "low": True}, "low is a percentage"),
        ({"on": ["boot"], "every": "0.5s"}, "'every' must be at least 1s"),
        ({"on": ["boot"], "every": "soon"}, "invalid duration"),
    ],
)
def test_options_that_make_no_sense_are_refused_in_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        SystemTrigger(**options)  # type: ignore[arg-type]  # what a person may write
    assert "\n" not in str(caught.value)


def test_options_are_read_as_people_write_them() -> None:
    source = SystemTrigger(on=["boot", "boot", "resume"], every="1m", low=20)
    assert source.on == (EventName.BOOT, EventName.RESUME)
    assert (source.every, source.low) == (timedelta(minutes=1), 20.0)


def test_without_the_library_there_is_no_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rae_plugins.machine.bus.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"^lock can't be reported here: .* dbus-fast is not installed"):
        SystemTrigger(on=["lock"])


def test_the_module_offers_the_trigger() -> None:
    assert system.rae_triggers() == [SystemTrigger]
