"""What can be measured, by name: in which units, of what, and by which reader."""

import math
from collections.abc import Callable, Mapping
from enum import Enum, StrEnum, auto

from attrs import frozen

from rae_plugins.machine.commands import commands_missing
from rae_plugins.triggers.threshold import readers
from rae_plugins.triggers.threshold.levels import Unit
from rae_plugins.triggers.threshold.readers import Read, Subject


class Metric(StrEnum):
    """The words for what is measured."""

    CPU = "cpu"
    LOAD = "load"
    MEMORY = "memory"
    MEMORY_AVAILABLE = "memory-available"
    SWAP = "swap"
    DISK_FREE = "disk-free"
    DISK_USED = "disk-used"
    NETWORK_IN = "network-in"
    NETWORK_OUT = "network-out"
    BATTERY = "battery"
    TEMPERATURE = "temperature"
    PROCESS_CPU = "process-cpu"
    PROCESS_MEMORY = "process-memory"
    PROCESS_COUNT = "process-count"
    COMMAND = "command"


class Of(Enum):
    """What the option `of` names."""

    NOTHING = auto()
    MOUNT = "the mount point of a file system, such as /home"
    INTERFACE = "a network interface, such as eth0, en* or *"
    SENSOR = "a sensor as chip/label, such as coretemp/*"
    PROCESS = "the name of a program, such as firefox or python*"


@frozen
class Measure:
    """How a metric is read.

    `units`: the first is that of a bare number. Values lie between `least` and `most`. A rate `is_rate`: its first
    reading only begins it. `reader` is None for the command, which is no business of psutil's.
    """

    units: tuple[Unit, ...]
    of: Of
    reader: Callable[[Subject], Read] | None
    least: float = 0.0
    most: float = math.inf
    is_rate: bool = False

    def most_in(self, unit: Unit) -> float:
        """No value in this unit is larger."""
        return 100.0 if unit is Unit.PERCENT and len(self.units) > 1 else self.most


_SHARE = (Unit.PERCENT, Unit.BYTES)
_PERCENT = (Unit.PERCENT,)

MEASURES: Mapping[Metric, Measure] = {
    Metric.CPU: Measure(_PERCENT, Of.NOTHING, readers.cpu, most=100.0, is_rate=True),
    Metric.LOAD: Measure((Unit.NUMBER,), Of.NOTHING, readers.load),
    Metric.MEMORY: Measure(_SHARE, Of.NOTHING, readers.memory),
    Metric.MEMORY_AVAILABLE: Measure(_SHARE, Of.NOTHING, readers.memory_available),
    Metric.SWAP: Measure(_SHARE, Of.NOTHING, readers.swap),
    Metric.DISK_FREE: Measure(_SHARE, Of.MOUNT, readers.disk_free),
    Metric.DISK_USED: Measure(_SHARE, Of.MOUNT, readers.disk_used),
    Metric.NETWORK_IN: Measure((Unit.RATE,), Of.INTERFACE, readers.network_in, is_rate=True),
    Metric.NETWORK_OUT: Measure((Unit.RATE,), Of.INTERFACE, readers.network_out, is_rate=True),
    Metric.BATTERY: Measure(_PERCENT, Of.NOTHING, readers.battery, most=100.0),
    Metric.TEMPERATURE: Measure((Unit.CELSIUS,), Of.SENSOR, readers.temperature, least=-math.inf),
    Metric.PROCESS_CPU: Measure(_PERCENT, Of.PROCESS, readers.process_cpu, is_rate=True),
    Metric.PROCESS_MEMORY: Measure((Unit.BYTES,), Of.PROCESS, readers.process_memory),
    Metric.PROCESS_COUNT: Measure((Unit.NUMBER,), Of.PROCESS, readers.process_count),
    Metric.COMMAND: Measure((Unit.NUMBER, Unit.BYTES), Of.NOTHING, None, least=-math.inf),
}


def lacking(metric: Metric) -> str | None:
    """Why this platform can never tell of a metric, in one line; None where it can."""
    if metric in (Metric.TEMPERATURE, Metric.BATTERY):
        import psutil

        if not hasattr(psutil, "sensors_temperatures" if metric is Metric.TEMPERATURE else "sensors_battery"):
            return f"must be another here: this platform doesn't tell of {metric}"
    if metric is Metric.COMMAND and (missing := commands_missing()):
        return f"must be another here: for {metric} {missing}"
    return None
