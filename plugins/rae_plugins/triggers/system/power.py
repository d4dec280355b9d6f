"""The power supply: its source and charge."""

from typing import Self

from attrs import evolve, field, frozen

from rae_plugins.machine import power_supply
from rae_plugins.triggers.system.changes import Change, EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName

RECOVERY = 2.0
"""Percent above the limit at which a battery is no longer low: one at the limit may read now more, now less."""

WARNS, CRITICAL = 3, 4
"""UPower's levels of warning: low, and critical; above that it acts."""


@frozen
class PowerState(SystemState):
    """State of the power supply: whether the battery is in use, and its charge in percent, or None."""

    slot = "power"

    on_battery: bool
    # Only whether it is low is worth a write to the disk, so two that differ in their percents alone are equal.
    percent: float | None = field(default=None, eq=False)
    warning: int = field(default=0, eq=False)
    low: bool = False

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """From the mains to the battery and back, and below the limit while on the battery."""
        now = evolve(self, low=self._is_low(before is not None and before.low, event_filter.low))
        if before is None:
            return (), now
        data = {"percent": self.percent}
        changes = []
        if now.on_battery != before.on_battery:
            changes.append(Change(EventName.POWER_BATTERY if now.on_battery else EventName.POWER_AC, data))
        if now.low and not before.low:
            changes.append(Change(EventName.POWER_LOW, data))
        return tuple(changes), now

    def _is_low(self, was_low: bool, limit: float) -> bool:
        if not self.on_battery:
            return False
        if self.warning >= CRITICAL:
            return True
        if self.percent is None:
            return self.warning >= WARNS
        return self.percent <= (limit + RECOVERY if was_low else limit)


def read_power() -> PowerState | None:
    """Read the battery from the operating system; None if there is none. Blocks for a moment."""
    found = power_supply.read_power()
    if not found.battery or found.source is None:
        return None
    return PowerState(found.source is power_supply.Source.BATTERY, found.charge)
