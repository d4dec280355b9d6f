"""Processes by their names, and when they come and go."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Self

from attrs import frozen

from rae_plugins.triggers.system.changes import Change, EventFilter, SystemState
from rae_plugins.triggers.system.event_names import EventName

PROC = Path("/proc")

_MAX_KERNEL_NAME = 15
"""Bytes of a name that Linux stores; the command line may have the rest."""

_KERNEL_THREAD = 0x00200000
"""The flag of proc(5)'s field 9 that marks the kernel's own threads."""


@frozen
class Process:
    """One process. `start` is its start time in the units of the operating system; it distinguishes processes that had
    the same pid."""

    pid: int
    start: str
    name: str

    def __str__(self) -> str:
        """As people read it."""
        return f"{self.name} (pid {self.pid})"

    @property
    def identity(self) -> str:
        """Return the identity of the process within this boot."""
        return f"{self.pid}@{self.start}"

    def change(self, name: EventName) -> Change:
        """Return an event of this process."""
        return Change(name, {"pid": self.pid, "process": self.name}, self.identity)


@frozen
class Processes(SystemState):
    """The processes whose names fit the pattern."""

    slot = "processes"

    pattern: str
    processes: tuple[Process, ...]

    def since(self, before: Self | None, event_filter: EventFilter) -> tuple[tuple[Change, ...], Self]:
        """Return those that came and went; a state read with another pattern is not compared."""
        if before is None or before.pattern != self.pattern:
            return (), self
        known = {process.identity: process for process in before.processes}
        now = {process.identity: process for process in self.processes}
        exited = [known[gone].change(EventName.PROCESS_EXITED) for gone in known if gone not in now]
        started = [now[new].change(EventName.PROCESS_STARTED) for new in now if new not in known]
        return (*exited, *started), self


def read_processes(event_filter: EventFilter) -> Processes:
    """Return the selected processes, without those of the job itself. Blocks for some milliseconds."""
    found = _linux() if (PROC / "self" / "stat").exists() else _portable()
    fitting = [process for process in found if event_filter.is_process(process.name)]
    others = (process for process in fitting if not _is_of(process.identity, process.pid, event_filter.job))
    return Processes(event_filter.process, tuple(sorted(others, key=lambda process: process.pid)))


def _linux() -> Iterator[Process]:
    """By /proc, of which one file for each process has all: psutil would read three."""
    for name in os.listdir(PROC):  # noqa: PTH208 - hundreds of names, again and again
        if name.isdecimal() and (process := _read_stat(int(name))) is not None:
            yield process


def _read_stat(pid: int) -> Process | None:
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    name, _, rest = text.partition(b"(")[2].rpartition(b")")
    fields = rest.split()
    # Fields 3 (state), 9 (flags) and 22 (start in clock ticks since boot) of proc(5).
    if len(fields) < 20 or fields[0] in b"ZX" or int(fields[6]) & _KERNEL_THREAD:
        return None
    return Process(pid, fields[19].decode(), _whole_name(pid, name.decode(errors="replace")))


def _whole_name(pid: int, name: str) -> str:
    if len(name) < _MAX_KERNEL_NAME:
        return name
    try:
        program = (PROC / str(pid) / "cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
    except OSError:
        return name
    whole = program.rpartition("/")[2]
    return whole if whole.startswith(name) else name


def _portable() -> Iterator[Process]:
    import psutil

    for process in psutil.process_iter(["name", "create_time"]):
        yield Process(process.pid, f"{process.info['create_time'] or 0:.3f}", process.info["name"] or "")


@lru_cache(maxsize=4096)
def _is_of(_identity: str, pid: int, job: str) -> bool:
    """Return whether the process carries the mark of the job, which would otherwise trigger itself."""
    import psutil

    try:
        return bool(job) and psutil.Process(pid).environ().get("RAE_JOB") == job
    except (psutil.Error, OSError):
        return False  # of another user, or gone
