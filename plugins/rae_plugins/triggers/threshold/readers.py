"""The readers of the metrics, on top of psutil.

A reading blocks, usually for microseconds but for ever if a mount hangs, so readers are called in threads. If there is
nothing to read they raise Unavailable with the reason: unavailable is not zero.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from attrs import define, frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_plugins.machine import power_supply
from rae_plugins.machine.programs import running
from rae_plugins.triggers.threshold.levels import Unit

T = TypeVar("T")

Read = Callable[[], float]
"""Reads a number. Errors: Unavailable, and those of psutil and the operating system."""


class Unavailable(Exception):
    """The metric has no value now; the message is the reason, in one line."""


@frozen
class Subject:
    """The subject of a reading (mount, interface, sensor or processes) and its unit.

    `clock` returns monotonic seconds.
    """

    of: str
    unit: Unit
    clock: Callable[[], float]


@define
class Rate:
    """The growth of all counters per second. A counter counts from its second reading on."""

    counters: Callable[[], Mapping[Hashable, float]]
    clock: Callable[[], float]
    _last: Mapping[Hashable, float] | None = None
    _at: float = 0.0

    def __call__(self) -> float:
        """Return the growth per second since the last call. Errors: Unavailable on the first call."""
        before, since = self._last, self._at
        self._last = None
        self._last, self._at = self.counters(), self.clock()
        if before is None or self._at <= since:
            raise Unavailable("a rate needs two readings")
        # A counter that went back was reset.
        growths = [count - before[key] for key, count in self._last.items() if key in before and count >= before[key]]
        if not growths:
            raise Unavailable("every counter is new since the last reading")
        return sum(growths) / (self._at - since)


def make_cpu_reader(subject: Subject) -> Read:
    """Return a reader of the load of all processors, in percent of their capacity."""

    def busy() -> Mapping[Hashable, float]:
        times = _psutil().cpu_times()
        # Linux counts the time of guests as the user's too.
        not_busy = ("idle", "iowait", "guest", "guest_nice")
        return {"busy": sum(time for name, time in times._asdict().items() if name not in not_busy)}

    rate = Rate(busy, subject.clock)
    return lambda: min(100 * rate() / (os.cpu_count() or 1), 100.0)


def make_load_reader(_: Subject) -> Read:
    """Return a reader of the load average of the last minute."""
    return lambda: float(_psutil().getloadavg()[0])


def make_memory_reader(subject: Subject) -> Read:
    """Return a reader of the memory that is not available without swapping."""

    def read() -> float:
        found = _psutil().virtual_memory()
        return _to_unit(found.total - found.available, found.total, subject.unit)

    return read


def make_memory_available_reader(subject: Subject) -> Read:
    """Return a reader of the memory that programs can have without swapping."""

    def read() -> float:
        found = _psutil().virtual_memory()
        return _to_unit(found.available, found.total, subject.unit)

    return read


def make_swap_reader(subject: Subject) -> Read:
    """Return a reader of the swap space in use."""

    def read() -> float:
        found = _psutil().swap_memory()
        if not found.total:
            raise Unavailable("this machine has no swap space")
        return _to_unit(found.used, found.total, subject.unit)

    return read


def make_disk_free_reader(subject: Subject) -> Read:
    """Return a reader of the space that an ordinary user can still fill on a mounted file system."""

    def read() -> float:
        found = _read_disk_usage(subject.of)
        return _to_unit(found.free, found.used + found.free, subject.unit)

    return read


def make_disk_used_reader(subject: Subject) -> Read:
    """Return a reader of the space in use on a mounted file system."""

    def read() -> float:
        found = _read_disk_usage(subject.of)
        return _to_unit(found.used, found.used + found.free, subject.unit)

    return read


def make_network_in_reader(subject: Subject) -> Read:
    """Return a reader of the bytes received per second by the interfaces."""
    return Rate(lambda: _read_network(subject.of, "bytes_recv"), subject.clock)


def make_network_out_reader(subject: Subject) -> Read:
    """Return a reader of the bytes sent per second by the interfaces."""
    return Rate(lambda: _read_network(subject.of, "bytes_sent"), subject.clock)


def make_battery_reader(_: Subject) -> Read:
    """Return a reader of the charge of the battery in percent, whether it is charging or not."""

    def read() -> float:
        found = power_supply.read_power()
        if not found.battery:
            raise Unavailable("this machine has no battery")
        if found.charge is None:
            raise Unavailable("the battery does not report its charge")
        return found.charge

    return read


def make_temperature_reader(subject: Subject) -> Read:
    """Return a reader of the hottest sensor, in degrees Celsius."""

    def read() -> float:
        found = [degrees for name, degrees in read_temperatures() if fnmatchcase(name, subject.of)]
        if not found:
            raise Unavailable(f"there is no temperature sensor {quote_short(subject.of)}")
        return max(found)

    return read


def make_process_cpu_reader(subject: Subject) -> Read:
    """Return a reader of the processor time of all the processes, in percent of one processor."""

    def used(process: Any) -> tuple[Hashable, float]:
        times = process.cpu_times()
        # A pid alone may belong to another process by now.
        return (process.pid, process.create_time()), times.user + times.system

    rate = Rate(lambda: dict(_require_any(_read_processes(subject.of, used), subject.of)), subject.clock)
    return lambda: 100 * rate()


def make_process_memory_reader(subject: Subject) -> Read:
    """Return a reader of the resident memory of all the processes; shared memory counts for each."""
    return lambda: float(
        sum(_require_any(_read_processes(subject.of, lambda process: process.memory_info().rss), subject.of))
    )


def make_process_count_reader(subject: Subject) -> Read:
    """Return a reader of the number of processes; 0 if there are none."""
    return lambda: float(len(_read_processes(subject.of, lambda process: process.pid)))


def list_mount_points() -> list[str]:
    """Return the mount points of all file systems, without touching them."""
    return [part.mountpoint for part in _psutil().disk_partitions(all=True)]


def list_disks() -> list[str]:
    """Return the mount points of disks."""
    return [part.mountpoint for part in _psutil().disk_partitions()]


def list_interfaces() -> list[str]:
    """Return the names of the network interfaces."""
    return list(_psutil().net_io_counters(pernic=True, nowrap=False))


def read_temperatures() -> Iterator[tuple[str, float]]:
    """Yield the temperature sensors as `chip/label`, with their values in degrees Celsius."""
    for chip, entries in _psutil().sensors_temperatures().items():
        for number, entry in enumerate(entries, 1):
            if entry.current is not None:
                yield f"{chip}/{entry.label or number}", float(entry.current)


def _psutil() -> Any:
    import psutil  # lazy: 20 ms and 3 MB that only users of a threshold pay

    return psutil


def _to_unit(amount: int, total: int, unit: Unit) -> float:
    if unit is Unit.BYTES:
        return float(amount)
    if not total:
        raise Unavailable("its size is 0, so there is no percentage")
    return 100 * amount / total


def _read_disk_usage(mount: str) -> Any:
    # The directory of a disk that is not mounted belongs to another disk.
    if mount not in list_mount_points():
        raise Unavailable(f"nothing is mounted at {quote_short(mount)}")
    return _psutil().disk_usage(mount)


def _read_network(pattern: str, counter: str) -> Mapping[Hashable, float]:
    counters = _psutil().net_io_counters(pernic=True, nowrap=False)
    found = {name: getattr(nic, counter) for name, nic in counters.items() if fnmatchcase(name, pattern)}
    if not found:
        raise Unavailable(f"there is no network interface {quote_short(pattern)}")
    return found


def _read_processes(pattern: str, value: Callable[[Any], T]) -> list[T]:
    """Return a value of each running process with this name, leaving out those that cannot be read."""
    found = []
    for process in running(pattern):
        with suppress(_psutil().Error):
            found.append(value(process))
    return found


def _require_any(values: list[T], pattern: str) -> list[T]:
    if not values:
        raise Unavailable(f"there is no readable process {quote_short(pattern)}")
    return values
