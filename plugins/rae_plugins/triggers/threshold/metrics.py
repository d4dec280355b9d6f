"""The metrics: their units, what they are read from, and their readers."""

import math
from collections.abc import Callable, Mapping
from enum import Enum, StrEnum, auto

from attrs import frozen

from rae_plugins.triggers.threshold import readers
from rae_plugins.triggers.threshold.levels import Unit
from rae_plugins.triggers.threshold.readers import Read, Subject


class Metric(StrEnum):
    """The names of the metrics."""

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


class SubjectKind(Enum):
    """The kinds of things that the option `of` can name."""

    NOTHING = auto()
    MOUNT = "the mount point of a file system, such as /home"
    INTERFACE = "a network interface, such as eth0, en* or *"
    SENSOR = "a sensor as chip/label, such as coretemp/*"
    PROCESS = "the name of a program, such as firefox or python*"


@frozen
class Measure:
    """The way in which a metric is read.

    The first of `units` is that of a bare number. Values lie between `minimum` and `maximum`. `is_rate`: the first
    reading has no value yet. `reader` is None for the command, which psutil cannot read.
    """

    units: tuple[Unit, ...]
    of: SubjectKind
    reader: Callable[[Subject], Read] | None
    minimum: float = 0.0
    maximum: float = math.inf
    is_rate: bool = False

    def maximum_in(self, unit: Unit) -> float:
        """Return the largest possible value in a unit."""
        return 100.0 if unit is Unit.PERCENT and len(self.units) > 1 else self.maximum


_SHARE = (Unit.PERCENT, Unit.BYTES)
_PERCENT = (Unit.PERCENT,)

MEASURES: Mapping[Metric, Measure] = {
    Metric.CPU: Measure(_PERCENT, SubjectKind.NOTHING, readers.make_cpu_reader, maximum=100.0, is_rate=True),
    Metric.LOAD: Measure((Unit.NUMBER,), SubjectKind.NOTHING, readers.make_load_reader),
    Metric.MEMORY: Measure(_SHARE, SubjectKind.NOTHING, readers.make_memory_reader),
    Metric.MEMORY_AVAILABLE: Measure(_SHARE, SubjectKind.NOTHING, readers.make_memory_available_reader),
    Metric.SWAP: Measure(_SHARE, SubjectKind.NOTHING, readers.make_swap_reader),
    Metric.DISK_FREE: Measure(_SHARE, SubjectKind.MOUNT, readers.make_disk_free_reader),
    Metric.DISK_USED: Measure(_SHARE, SubjectKind.MOUNT, readers.make_disk_used_reader),
    Metric.NETWORK_IN: Measure((Unit.RATE,), SubjectKind.INTERFACE, readers.make_network_in_reader, is_rate=True),
    Metric.NETWORK_OUT: Measure((Unit.RATE,), SubjectKind.INTERFACE, readers.make_network_out_reader, is_rate=True),
    Metric.BATTERY: Measure(_PERCENT, SubjectKind.NOTHING, readers.make_battery_reader, maximum=100.0),
    Metric.TEMPERATURE: Measure(
        (Unit.CELSIUS,), SubjectKind.SENSOR, readers.make_temperature_reader, minimum=-math.inf
    ),
    Metric.PROCESS_CPU: Measure(_PERCENT, SubjectKind.PROCESS, readers.make_process_cpu_reader, is_rate=True),
    Metric.PROCESS_MEMORY: Measure((Unit.BYTES,), SubjectKind.PROCESS, readers.make_process_memory_reader),
    Metric.PROCESS_COUNT: Measure((Unit.NUMBER,), SubjectKind.PROCESS, readers.make_process_count_reader),
    Metric.COMMAND: Measure((Unit.NUMBER, Unit.BYTES), SubjectKind.NOTHING, None, minimum=-math.inf),
}


def unsupported_reason(metric: Metric) -> str | None:
    """Return why a metric cannot be read on this platform, in one line, or None if it can."""
    if metric in (Metric.TEMPERATURE, Metric.BATTERY):
        import psutil

        if not hasattr(psutil, "sensors_temperatures" if metric is Metric.TEMPERATURE else "sensors_battery"):
            return f"can't be used, because this platform does not report {metric}; choose another metric"
    return None
