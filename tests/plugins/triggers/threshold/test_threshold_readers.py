"""The readers of all metrics, on this machine or with a fake of what it lacks."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from tests.support.waiting import eventually

from rae_plugins.machine import power_supply
from rae_plugins.machine.power_supply import Power, Source
from rae_plugins.triggers.threshold.levels import Unit
from rae_plugins.triggers.threshold.metrics import MEASURES, Metric
from rae_plugins.triggers.threshold.readers import Rate, Read, Subject, Unavailable

ROOT_MOUNT = os.path.abspath(os.sep)


def reader(metric: Metric, of: str = "", unit: Unit | None = None, clock: Callable[[], float] = time.monotonic) -> Read:
    measure = MEASURES[metric]
    assert measure.reader is not None
    return measure.reader(Subject(of, unit or measure.units[0], clock))


def value(read: Read) -> float | None:
    """Return the value, or None if it is unavailable."""
    try:
        return read()
    except Unavailable:
        return None


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str, str], "subprocess.Popen[bytes]"]]:
    """Start Python under another name with a line of code; all end with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, code: str) -> "subprocess.Popen[bytes]":
        link = tmp_path / name
        if not link.exists():
            link.symlink_to(sys.executable)
        started.append(subprocess.Popen([link, "-S", "-c", f"print(flush=True); {code}"], stdout=subprocess.PIPE))
        out = started[-1].stdout
        assert out is not None
        out.readline()
        out.close()
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


FOREVER = "import time; time.sleep(1000)"


# The whole machine


def test_cpu_reader_agrees_with_the_kernel() -> None:
    read = reader(Metric.CPU)
    assert value(read) is None
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    busy = read()
    assert 0 < busy <= 100


def test_load_reader_returns_the_one_minute_average() -> None:
    read = eventually(lambda: (os.getloadavg()[0] == reader(Metric.LOAD)() == os.getloadavg()[0]) or None)
    assert read


def test_memory_used_and_available_add_up() -> None:
    total = psutil.virtual_memory().total
    used, available = reader(Metric.MEMORY), reader(Metric.MEMORY_AVAILABLE)
    assert used() + available() == pytest.approx(100, abs=10)
    in_bytes = reader(Metric.MEMORY, unit=Unit.BYTES)() + reader(Metric.MEMORY_AVAILABLE, unit=Unit.BYTES)()
    assert in_bytes == pytest.approx(total, rel=0.1)


def test_swap_is_a_share_or_unavailable() -> None:
    found = value(reader(Metric.SWAP))
    assert found is None if not psutil.swap_memory().total else 0 <= (found or 0) <= 100


def test_swap_reader_returns_used_swap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "swap_memory", lambda: SimpleNamespace(total=200, used=50))
    assert reader(Metric.SWAP)() == 25
    assert reader(Metric.SWAP, unit=Unit.BYTES)() == 50


# Disks


def test_disk_free_and_used_add_up() -> None:
    assert reader(Metric.DISK_FREE, ROOT_MOUNT)() + reader(Metric.DISK_USED, ROOT_MOUNT)() == pytest.approx(100, abs=1)
    facts = os.statvfs(ROOT_MOUNT)
    free = reader(Metric.DISK_FREE, ROOT_MOUNT, Unit.BYTES)()
    assert free == pytest.approx(facts.f_bavail * facts.f_frsize, rel=0.1)
    assert reader(Metric.DISK_USED, ROOT_MOUNT, Unit.BYTES)() > 0


def test_directory_without_a_mount_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="nothing is mounted at"):
        reader(Metric.DISK_FREE, str(tmp_path))()


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs /proc")
def test_file_system_of_size_zero_has_no_percentage() -> None:
    assert reader(Metric.DISK_FREE, "/proc", Unit.BYTES)() == 0
    with pytest.raises(Unavailable, match="no percentage"):
        reader(Metric.DISK_FREE, "/proc")()


# Networks


def test_network_reader_counts_bytes_per_second() -> None:
    loopback = next(name for name in psutil.net_io_counters(pernic=True) if name.startswith("lo"))
    seconds = iter([0.0, 0.0, 2.0, 2.0])
    reads = [
        reader(metric, loopback, clock=lambda: next(seconds)) for metric in (Metric.NETWORK_IN, Metric.NETWORK_OUT)
    ]
    assert [value(read) for read in reads] == [None, None]
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        for _ in range(50):
            two.sendto(b"x" * 10_000, one.getsockname())
    # The counters of the kernel may lag behind.
    assert all(read() >= 0 for read in reads)
    before = psutil.net_io_counters(pernic=True)[loopback]
    assert before.bytes_sent >= 500_000


def test_missing_interface_is_unavailable() -> None:
    with pytest.raises(Unavailable, match='there is no network interface "wlan99"'):
        reader(Metric.NETWORK_IN, "wlan99")()


def test_rate_is_the_growth_of_known_counters() -> None:
    counters: dict[Any, float] = {"eth0": 1000}
    now = [0.0]
    rate = Rate(lambda: dict(counters), lambda: now[0])
    assert value(rate) is None
    now[0], counters["eth0"], counters["new"] = 10.0, 3000, 1_000_000
    assert rate() == 200
    now[0], counters["eth0"], counters["new"] = 20.0, 10, 1_000_500
    assert rate() == 50, "a counter that starts again must count for nothing"
    now[0] = 30.0
    del counters["eth0"], counters["new"]
    counters["other"] = 7
    with pytest.raises(Unavailable, match="every counter is new since the last reading"):
        rate()
    with pytest.raises(Unavailable, match="two readings"):
        rate()  # no time has passed
    now[0] = 31.0
    assert rate() == 0


def test_rate_restarts_after_it_was_unavailable() -> None:
    """Otherwise all growth in the meantime would count for one interval."""
    counters: list[Any] = [{"a": 0}, None, {"a": 10**9}, {"a": 10**9 + 10}]
    now = iter([0.0, 10.0, 20.0, 30.0])

    def read() -> dict[Any, float]:
        found: dict[Any, float] | None = counters.pop(0)
        if found is None:
            raise Unavailable("gone")
        return found

    rate = Rate(read, lambda: next(now))
    assert [value(rate) for _ in range(4)] == [None, None, None, 1]


# Batteries and sensors


def test_battery_is_read_or_unavailable() -> None:
    found = power_supply.read_power()
    assert value(reader(Metric.BATTERY)) == (None if found.charge is None else pytest.approx(found.charge, abs=2))


@pytest.mark.parametrize(
    ("power", "charge"),
    [(Power(Source.BATTERY, True, 42), 42), (Power(Source.MAINS, True, None), None), (Power(Source.MAINS), None)],
)
def test_battery_reader_returns_the_charge(monkeypatch: pytest.MonkeyPatch, power: Power, charge: float | None) -> None:
    monkeypatch.setattr(power_supply, "read_power", lambda: power)
    assert value(reader(Metric.BATTERY)) == charge


def test_temperature_is_read_or_unavailable() -> None:
    found = psutil.sensors_temperatures()
    assert (value(reader(Metric.TEMPERATURE, "*")) is None) == (not any(found.values()))


def test_temperature_reader_returns_the_hottest_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    def sensor(label: str, current: float | None) -> Any:
        return SimpleNamespace(label=label, current=current)

    sensors = {"cpu": [sensor("Core 0", 50.0), sensor("", 61.0), sensor("off", None)], "nvme": [sensor("", 70.0)]}
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: sensors)
    hottest = {
        of: value(reader(Metric.TEMPERATURE, of)) for of in ("*", "cpu/*", "cpu/Core 0", "cpu/2", "cpu", "gpu/*")
    }
    assert hottest == {"*": 70, "cpu/*": 61, "cpu/Core 0": 50, "cpu/2": 61, "cpu": None, "gpu/*": None}


# Processes


def test_process_count_counts_by_name_from_zero(program: Any) -> None:
    count = reader(Metric.PROCESS_COUNT, "rae-count-*")
    assert count() == 0
    program("rae-count-one", FOREVER)
    last = program("rae-count-two", FOREVER)
    assert count() == 2
    last.kill()
    eventually(lambda: count() == 1)
    assert reader(Metric.PROCESS_COUNT, "rae-count-one")() == 1


def test_process_count_leaves_out_zombies(program: Any) -> None:
    process = program("rae-dead", FOREVER)
    process.kill()
    eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_ZOMBIE)
    assert reader(Metric.PROCESS_COUNT, "rae-dead")() == 0


def test_process_memory_adds_up(program: Any) -> None:
    program("rae-memory", f"x = b'x' * 50_000_000; {FOREVER}")
    program("rae-memory", f"x = b'x' * 50_000_000; {FOREVER}")
    eventually(lambda: reader(Metric.PROCESS_MEMORY, "rae-memory")() > 100_000_000)


def test_process_cpu_is_a_rate(program: Any) -> None:
    program("rae-busy", "exec('while True: pass')")
    read = reader(Metric.PROCESS_CPU, "rae-busy")
    assert value(read) is None
    eventually(lambda: read() > 5)


@pytest.mark.parametrize("metric", [Metric.PROCESS_CPU, Metric.PROCESS_MEMORY])
def test_missing_process_is_unavailable(metric: Metric) -> None:
    with pytest.raises(Unavailable, match='there is no readable process "no-such-program"'):
        reader(metric, "no-such-program")()


def test_unreadable_process_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Process:
        def __init__(self, size: int | type[psutil.Error], name: str | None = "made-up") -> None:
            self.size, self.info = size, {"name": name}

        def status(self) -> str:
            return psutil.STATUS_RUNNING

        def memory_info(self) -> Any:
            if isinstance(self.size, int):
                return SimpleNamespace(rss=self.size)
            raise self.size(1)

    processes = [Process(5), Process(psutil.NoSuchProcess), Process(psutil.AccessDenied), Process(7), Process(9, None)]
    monkeypatch.setattr(psutil, "process_iter", lambda _: iter(processes))
    assert reader(Metric.PROCESS_MEMORY, "made-up")() == 12
