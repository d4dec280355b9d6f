"""Checks of the machine: Python, clocks, time zones, and the limits of the kernel."""

import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.zone_sources.local_zone import find_local_zone, find_other_name
from rae_auto.model.primitives.zone_sources.zone_names import LOCAL
from rae_auto.model.primitives.zones import zone
from rae_auto.offline.doctor.facts import Machine
from rae_auto.offline.doctor.finding import Finding

_SET_ZONE = 'set timezone = "Europe/Berlin" in the configuration'

MIN_OPEN_FILES = 256
MIN_PROCESSES = 128
MIN_INOTIFY_INSTANCES = 16
MIN_INOTIFY_WATCHES = 1024

_CONTAINER_MARKS = ("/.dockerenv", "/run/.containerenv", "/run/systemd/container")
"""Files by which a program in a container knows that it is in one; the clock is then its host's."""

MAX_CLOCK_ERROR = timedelta(minutes=5)
"""Time by which files may be newer than the clock says."""


def check_machine(machine: Machine, written: Iterator[Path]) -> Iterator[Finding]:
    """Check all that doesn't depend on a configuration; `written` are files that were written with a right clock."""
    yield Finding("python", f"{platform.python_version()} on {platform.system()} {platform.release()}")
    yield from check_clock(machine, written)
    yield from check_zones(machine)
    yield from check_limits(machine)
    yield check_inotify(machine)


def check_clock(machine: Machine, written: Iterator[Path]) -> Iterator[Finding]:
    """Check that the clock isn't behind what it was when files were written, as without a battery after a start."""
    newest, path = max(((_written_at(path), path) for path in written), default=(machine.now, None))
    behind = newest - machine.now
    if behind > MAX_CLOCK_ERROR:
        observation = f"the clock is {format_elapsed(behind)} behind the last change of {path}"
        hint = "set it with 'timedatectl set-ntp true'; if the file's time is wrong, run 'touch' on it"
        yield Finding("clock", observation, hint)
    yield from _check_synchronization(machine)
    has_boot = hasattr(time, "CLOCK_BOOTTIME")
    yield Finding("clock", "suspend is detected" if has_boot else "suspend looks like a clock change")


def _check_synchronization(machine: Machine) -> Iterator[Finding]:
    """Check that the clock is synchronized, as timesyncd, chrony and ntpd report it to the kernel."""
    if machine.is_clock_synchronized:
        yield Finding("clock", "it is synchronized")
    elif machine.is_clock_synchronized is False and any(machine.path(path).exists() for path in _CONTAINER_MARKS):
        yield Finding("clock", "nothing says that it is synchronized, which is a matter of the container's host")
    elif machine.is_clock_synchronized is False:
        observation = "it is not synchronized with a time server, so starts drift away from the true time"
        yield Finding("clock", observation, "run 'timedatectl set-ntp true', or install chrony")


def check_zones(machine: Machine) -> Iterator[Finding]:
    """Check that there are time zones, and that the machine's is known; report it, and where it is set."""
    try:
        zone("America/New_York")
    except (ValueError, LookupError) as error:
        yield Finding("time zones", str(error), "install tzdata: 'pip install tzdata', or the system's package")
        return
    try:
        local = find_local_zone(machine.root, machine.environment)
        key = local.load().key
    except ValueError as error:
        yield Finding.from_message("time zones", str(error), _SET_ZONE)
        return
    name = "has no IANA name" if key == LOCAL else f"is {key}"
    yield Finding("time zones", f"the machine's {name}, from {local.source}")
    if (other := find_other_name(local, machine.root)) is not None:
        yield Finding("time zones", f"/etc/timezone says {other}, which the C library and rae-auto don't read")


def check_limits(machine: Machine) -> Iterator[Finding]:
    """Check the numbers of open files and of processes that the user may have."""
    if machine.open_files is not None:
        soft, hard = machine.open_files
        observation = f"the limit is {soft}" if soft == hard else f"the limit is {soft}, and can be raised to {hard}"
        hint = "raise the limit with 'ulimit -n 1024'" if soft < MIN_OPEN_FILES else None
        yield Finding("open files", observation, hint)
    if machine.processes is not None:
        hint = "raise the limit with 'ulimit -u 1024'" if machine.processes < MIN_PROCESSES else None
        yield Finding("processes", f"the limit is {machine.processes}", hint)


def check_inotify(machine: Machine) -> Finding:
    """Check how many files and folders the kernel watches for one user."""
    values = {}
    for name in ("max_user_watches", "max_user_instances"):
        text = machine.read(f"/proc/sys/fs/inotify/{name}")
        if text is None:
            return Finding("file events", "inotify is not available on this system")
        values[name] = int(text)
    is_low = values["max_user_instances"] < MIN_INOTIFY_INSTANCES or values["max_user_watches"] < MIN_INOTIFY_WATCHES
    return Finding(
        "file events",
        ", ".join(f"{name} {value}" for name, value in values.items()),
        "raise fs.inotify.max_user_watches and max_user_instances with 'sysctl'" if is_low else None,
    )


def _written_at(path: Path) -> datetime:
    try:
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (OSError, ValueError, OverflowError):
        return datetime.min.replace(tzinfo=UTC)
