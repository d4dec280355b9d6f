"""The power supply: mains or battery, and its charge.

Linux lists each supply in /sys/class/power_supply. That is read here rather than through psutil, which takes
the battery of a wireless mouse for the machine's own. Elsewhere psutil reports it.

https://www.kernel.org/doc/Documentation/ABI/testing/sysfs-class-power
"""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from attrs import frozen

from rae_plugins.machine.platform_sensors import has_supply_files

SUPPLIES = Path("/sys/class/power_supply")

_BATTERIES = ("Battery", "UPS")


class Source(StrEnum):
    """Sources of power."""

    MAINS = "mains"
    BATTERY = "battery"


@frozen
class Power:
    """The source, None if unknown; whether there is a battery, and its charge in per cent if known."""

    source: Source | None
    battery: bool = False
    charge: float | None = None


def read_power() -> Power:
    """Read the power supply. Blocks for some milliseconds, until the battery's controller has answered."""
    return read_supplies(SUPPLIES) if has_supply_files() else _by_psutil()


def read_supplies(root: Path) -> Power:
    """Read the supplies that Linux lists below `root`. A machine without a battery is on mains."""
    try:
        entries = sorted(root.iterdir())
    except FileNotFoundError:
        entries = []
    # Scope "Device": the battery of a mouse or a headset.
    own = [entry for entry in entries if _word(entry / "scope") != "Device"]
    batteries = [entry for entry in own if _word(entry / "type") in _BATTERIES and _word(entry / "present") != "0"]
    online = {_word(entry / "online") for entry in own if entry not in batteries}
    charge = _charge(batteries)
    if not batteries or "1" in online:
        return Power(Source.MAINS, bool(batteries), charge)
    return Power(_source_by_status(_word(entry / "status") for entry in batteries), True, charge)


def _source_by_status(statuses: Iterable[str]) -> Source | None:
    """Return the source by the status of batteries, for machines without an entry for mains."""
    statuses = set(statuses)
    if "Discharging" in statuses:
        return Source.BATTERY
    return Source.MAINS if statuses & {"Charging", "Full", "Not charging"} else None


def _charge(batteries: Iterable[Path]) -> float | None:
    """Per cent of all batteries together; weighted by what each can hold, where that is known."""
    now = full = 0.0
    shares = []
    for entry in batteries:
        share = _number(entry / "capacity")
        for kind in ("energy", "charge"):
            held, room = _number(entry / f"{kind}_now"), _number(entry / f"{kind}_full")
            if held is not None and room:
                now, full = now + held, full + room
                share = 100 * held / room if share is None else share
                break
        if share is None:
            return None
        shares.append(share)
    if len(shares) > 1 and full:
        return min(100 * now / full, 100.0)
    return shares[0] if len(shares) == 1 else None


def _word(path: Path) -> str:
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:  # what a driver doesn't know, it has no file for, or one that can't be read
        return ""


def _number(path: Path) -> float | None:
    try:
        return float(_word(path))
    except ValueError:
        return None


def _by_psutil() -> Power:
    import psutil  # some milliseconds that only users of this shall pay

    read = getattr(psutil, "sensors_battery", None)  # not on every platform
    battery = read() if read is not None else None
    if battery is None:
        return Power(Source.MAINS)
    source = None if battery.power_plugged is None else Source.MAINS if battery.power_plugged else Source.BATTERY
    return Power(source, True, None if battery.percent is None else float(battery.percent))
