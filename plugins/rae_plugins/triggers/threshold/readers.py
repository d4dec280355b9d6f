"""What psutil tells of the machine: for each metric a function that makes a function that reads one number.

What is read blocks, for some microseconds as a rule and for ever where a mount hangs, so it is called in threads. Where
there is nothing to be read it raises Unavailable with the reason: that is not zero.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, TypeVar

from attrs import define, frozen

from rae_plugins.machine import power_supply
from rae_plugins.machine.programs import running
from rae_plugins.triggers.threshold.levels import Unit

T = TypeVar("T")

Read = Callable[[], float]
"""Reads a number. Errors: Unavailable, and whatever psutil and the operating system raise."""


class Unavailable(Exception):
    """There is no value now, for a reason in one line."""


@frozen
class Subject:
    """What to read: of which mount, interface, sensor or processes, in which unit. `clock` gives monotonic seconds."""

    of: str
    unit: Unit
    clock: Callable[[], float]


@define
class Rate:
    """How much counters grow in a second, all together. What was not there the last time counts from now on only."""

    counters: Callable[[], Mapping[Hashable, float]]
    clock: Callable[[], float]
    _last: Mapping[Hashable, float] | None = None
    _at: float = 0.0

    def __call__(self) -> float:
        """The growth since the last call, for each second; the first call has none to tell of."""
        before, since = self._last, self._at
        self._last = None
        self._last, self._at = self.counters(), self.clock()
        if before is None or self._at <= since:
            raise Unavailable("a rate needs two readings")
        # A counter that went back was begun anew.
        grown = [count - before[key] for key, count in self._last.items() if key in before and count >= before[key]]
        if not grown:
            raise Unavailable("what was there is gone, and what is there is new")
        return sum(grown) / (self._at - since)


def cpu(subject: Subject) -> Read:
    """How busy the processors are, all together, in percent of what they can do."""

    def busy() -> Mapping[Hashable, float]:
        times = _psutil().cpu_times()
        # Linux counts the time of guests as the user's too.
        not_busy = ("idle", "iowait", "guest", "guest_nice")
        return {"busy": sum(time for name, time in times._asdict().items() if name not in not_busy)}

    rate = Rate(busy, subject.clock)
    return lambda: min(100 * rate() / (os.cpu_count() or 1), 100.0)


def load(_: Subject) -> Read:
    """The load average of the last minute."""
    return lambda: float(_psutil().getloadavg()[0])


def memory(subject: Subject) -> Read:
    """Memory that is not available without swapping."""

    def read() -> float:
        found = _psutil().virtual_memory()
        return _share(found.total - found.available, found.total, subject.unit)

    return read


def memory_available(subject: Subject) -> Read:
    """Memory that programs can have without swapping."""

    def read() -> float:
        found = _psutil().virtual_memory()
        return _share(found.available, found.total, subject.unit)

    return read


def swap(subject: Subject) -> Read:
    """Swap space in use."""

    def read() -> float:
        found = _psutil().swap_memory()
        if not found.total:
            raise Unavailable("this machine has no swap space")
        return _share(found.used, found.total, subject.unit)

    return read


def disk_free(subject: Subject) -> Read:
    """Space that an ordinary user can still fill, on the file system that is mounted there."""

    def read() -> float:
        found = _usage(subject.of)
        return _share(found.free, found.used + found.free, subject.unit)

    return read


def disk_used(subject: Subject) -> Read:
    """Space in use, on the file system that is mounted there."""

    def read() -> float:
        found = _usage(subject.of)
        return _share(found.used, found.used + found.free, subject.unit)

    return read


def network_in(subject: Subject) -> Read:
    """Bytes that come in by the interfaces, each second."""
    return Rate(lambda: _network(subject.of, "bytes_recv"), subject.clock)


def network_out(subject: Subject) -> Read:
    """Bytes that go out by the interfaces, each second."""
    return Rate(lambda: _network(subject.of, "bytes_sent"), subject.clock)


def battery(_: Subject) -> Read:
    """The charge of the battery in percent, whether it is being charged or not."""

    def read() -> float:
        found = power_supply.read_power()
        if not found.battery:
            raise Unavailable("this machine has no battery")
        if found.charge is None:
            raise Unavailable("nobody tells how full the battery is")
        return found.charge

    return read


def temperature(subject: Subject) -> Read:
    """The hottest of the sensors, in degrees Celsius."""

    def read() -> float:
        found = [degrees for name, degrees in temperatures() if fnmatchcase(name, subject.of)]
        if not found:
            raise Unavailable(f"no temperature sensor is called {subject.of!r}")
        return max(found)

    return read


def process_cpu(subject: Subject) -> Read:
    """What the processes use of processors, in percent of one, all together."""

    def used(process: Any) -> tuple[Hashable, float]:
        times = process.cpu_times()
        # A pid alone may be another process by now.
        return (process.pid, process.create_time()), times.user + times.system

    rate = Rate(lambda: dict(_some(_of_processes(subject.of, used), subject.of)), subject.clock)
    return lambda: 100 * rate()


def process_memory(subject: Subject) -> Read:
    """The resident memory of the processes, all together; what they share counts for each."""
    return lambda: float(sum(_some(_of_processes(subject.of, lambda process: process.memory_info().rss), subject.of)))


def process_count(subject: Subject) -> Read:
    """How many such processes there are; none is 0."""
    return lambda: float(len(_of_processes(subject.of, lambda process: process.pid)))


def mount_points() -> list[str]:
    """Where file systems are mounted; touches none of them."""
    return [part.mountpoint for part in _psutil().disk_partitions(all=True)]


def disks() -> list[str]:
    """Of the mount points those of disks."""
    return [part.mountpoint for part in _psutil().disk_partitions()]


def interfaces() -> list[str]:
    """The names of the network interfaces."""
    return list(_psutil().net_io_counters(pernic=True, nowrap=False))


def temperatures() -> Iterator[tuple[str, float]]:
    """The sensors of temperature, each as `chip/label`, and by how many degrees Celsius they show."""
    for chip, entries in _psutil().sensors_temperatures().items():
        for number, entry in enumerate(entries, 1):
            if entry.current is not None:
                yield f"{chip}/{entry.label or number}", float(entry.current)


def _psutil() -> Any:
    import psutil  # 20 ms and 3 MB that only users of a threshold shall pay

    return psutil


def _share(amount: int, total: int, unit: Unit) -> float:
    if unit is Unit.BYTES:
        return float(amount)
    if not total:
        raise Unavailable("nothing has no percentage")
    return 100 * amount / total


def _usage(mount: str) -> Any:
    # Below the empty directory of a disk that isn't mounted lies another disk.
    if mount not in mount_points():
        raise Unavailable(f"nothing is mounted on {mount!r}")
    return _psutil().disk_usage(mount)


def _network(pattern: str, what: str) -> Mapping[Hashable, float]:
    counters = _psutil().net_io_counters(pernic=True, nowrap=False)
    found = {name: getattr(nic, what) for name, nic in counters.items() if fnmatchcase(name, pattern)}
    if not found:
        raise Unavailable(f"no network interface is called {pattern!r}")
    return found


def _of_processes(pattern: str, value: Callable[[Any], T]) -> list[T]:
    """A value of each living process of this name of which it can be read."""
    found = []
    for process in running(pattern):
        with suppress(_psutil().Error):
            found.append(value(process))
    return found


def _some(found: list[T], pattern: str) -> list[T]:
    if not found:
        raise Unavailable(f"no process called {pattern!r} can be read")
    return found
