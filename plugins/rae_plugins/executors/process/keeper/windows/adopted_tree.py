"""The tree of an attempt on Windows, as a daemon sees it that isn't its keeper's: by its job object, or one by one."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress

from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.windows.environment import keeper_environment
from rae_plugins.executors.process.keeper.windows.job_object import KILLED_EXIT_CODE, JobObject
from rae_plugins.executors.process.keeper.windows.kernel32 import (
    CREATE_NO_WINDOW,
    PROCESS_QUERY_LIMITED_INFORMATION,
    PROCESS_TERMINATE,
    Kernel32,
)

BREAK_SCRIPT = os.path.join(os.path.dirname(__file__), "send_break.py")

SEND_BREAK_SECONDS = 5.0
"""Time that the sending of Ctrl-Break may take."""

CREATION_TICKS = 2
"""Hundredths of a second by which two readings of a time of creation may differ, through rounding."""


def base_interpreter() -> str:
    """Return the interpreter itself: that of a virtual environment is a program which starts this one, and waits."""
    return getattr(sys, "_base_executable", None) or sys.executable


def read_job_pids(path: str, kernel: Kernel32 | None = None) -> list[int]:
    """Return the pids in a job object; none if it is gone."""
    found = JobObject.open(kernel or Kernel32(), path)
    if found is None:
        return []
    try:
        return found.pids()
    except OSError:
        return []
    finally:
        found.remove()


def kill_job(path: str | None, kernel: Kernel32 | None = None) -> None:
    """End all that is in a job object, if it is still there."""
    found = None if path is None else JobObject.open(kernel or Kernel32(), path)
    if found is not None:
        found.kill()
        found.remove()


def kill_process(process: ProcessInfo, kernel: Kernel32 | None = None) -> None:
    """End this very process, and not another one that has got its pid."""
    kernel = kernel or Kernel32()
    with suppress(OSError):
        # While the handle is open, nothing else gets the pid.
        handle = kernel.open_process(process.pid, PROCESS_TERMINATE | PROCESS_QUERY_LIMITED_INFORMATION)
        try:
            if abs(int(kernel.created_at(handle) * 100) - process.ticks) <= CREATION_TICKS:
                kernel.call("TerminateProcess", handle, KILLED_EXIT_CODE)
        finally:
            kernel.close(handle)


def send_break(pid: int, own: Mapping[str, str] | None = None) -> None:
    """Send Ctrl-Break to the process group of a pid, through a process that can enter its console."""
    with suppress(OSError, subprocess.TimeoutExpired):
        subprocess.run(
            [base_interpreter(), "-I", "-S", BREAK_SCRIPT, str(pid)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=keeper_environment(os.environ if own is None else own),
            creationflags=CREATE_NO_WINDOW,
            timeout=SEND_BREAK_SECONDS,
            check=False,
        )
