"""Processes as the daemon sees them: from /proc, or from psutil where there is none (macOS, the BSDs).

The keeper has no psutil, because it runs without site packages. It records between which two moments it spawned a job,
and psutil says when a process was created. That identifies a process as surely as its start in ticks does.
"""

import os
from contextlib import suppress
from typing import Any

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.procfs import ProcessInfo, ProcessTable

WINDOWS_BOOT_KEY = "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Memory Management\\PrefetchParameters"

TICKS_PER_SECOND = 100
"""Unit of `ProcessInfo.ticks` where it is the time of creation, counted from the epoch."""


def read_boot() -> str | None:
    """Return an id of the current boot of the machine; None where there is none."""
    if procfs.has_procfs():
        return procfs.read_boot_id()
    if (windows_boot := _read_windows_boot()) is not None:
        return windows_boot
    import psutil  # lazy: start-up

    # It changes when the clock is set, too: then a boot is taken for another one, which is the careful answer.
    return f"booted at {int(psutil.boot_time())}"


def read_process(pid: int) -> ProcessInfo | None:
    """Return the process with this pid, zombies included; None where there is none."""
    if procfs.has_procfs():
        return procfs.read_process(pid)
    import psutil  # lazy: start-up

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            return ProcessInfo(
                pid=pid,
                name=_read_name(process),
                is_dead=os.name != "nt" and process.status() == psutil.STATUS_ZOMBIE,
                parent=_read_parent(process),
                session=_read_session(pid),
                ticks=int(process.create_time() * TICKS_PER_SECOND),
                cpu_seconds=0.0,
                threads=1,
                resident_bytes=0,
            )
    except (psutil.Error, OSError):
        return None


def _read_windows_boot() -> str | None:
    """Return the number of this boot, which Windows counts; None elsewhere, or where it doesn't say."""
    if os.name != "nt":
        return None
    import winreg as registry

    winreg: Any = registry  # of which type checkers elsewhere know nothing
    with suppress(OSError), winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, WINDOWS_BOOT_KEY) as key:
        return f"boot {winreg.QueryValueEx(key, 'BootId')[0]}"
    return None


def _read_name(process: Any) -> str:
    """Return the name of a process, which may be hidden from us although the process is not."""
    import psutil  # lazy: start-up

    try:
        return str(process.name())
    except psutil.NoSuchProcess:
        raise
    except (psutil.Error, OSError):
        return "process"


def _read_parent(process: Any) -> int:
    """Return the pid of the parent; on Windows 0 if that has ended and another process has got its pid."""
    parent = int(process.ppid())
    if os.name != "nt" or parent == 0:
        return parent
    import psutil  # lazy: start-up

    with suppress(psutil.Error, OSError):
        return parent if psutil.Process(parent).create_time() <= process.create_time() else 0
    return 0


def _read_session(pid: int) -> int:
    """Return the session of a process; on Windows, which has none as POSIX means it, a number that no session has."""
    return os.getsid(pid) if hasattr(os, "getsid") else -1


def read_all_processes() -> ProcessTable:
    """Return all processes by their pids, as far as this user may look at them."""
    if procfs.has_procfs():
        return procfs.read_all_processes()
    import psutil  # lazy: start-up

    return {pid: process for pid in psutil.pids() if (process := read_process(pid)) is not None}


def read_run_id(pid: int) -> str | None:
    """Return RAE_RUN_ID in the environment of a process."""
    if procfs.has_procfs():
        return procfs.read_run_id(pid)
    import psutil  # lazy: start-up

    with suppress(psutil.Error, OSError):
        value: str | None = psutil.Process(pid).environ().get("RAE_RUN_ID")
        return value
    return None
