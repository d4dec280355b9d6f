"""A job object: the processes of one attempt as one kernel object. The theory is in the package's docstring."""

import ctypes
import math
import uuid
from collections.abc import Mapping
from contextlib import suppress
from ctypes import byref, c_size_t, c_uint32, c_void_p, sizeof
from typing import Any

from rae_plugins.executors.process.keeper.windows.kernel32 import (
    ERROR_MORE_DATA,
    INVALID_HANDLE,
    JOB_OBJECT_QUERY,
    JOB_OBJECT_TERMINATE,
    Accounting,
    CompletionPort,
    ExtendedLimits,
    Handle,
    Kernel32,
    windows_error,
)

KILLED_EXIT_CODE = 1
"""The exit code of processes that are ended, which is also the one of the Task Manager and of taskkill."""

TICKS_PER_SECOND = 10_000_000

MAX_PIDS = 1 << 16

_BASIC_ACCOUNTING, _BASIC_PROCESS_IDS, _COMPLETION_PORT, _EXTENDED_LIMITS = 1, 3, 7, 9

_LIMIT_JOB_TIME, _LIMIT_ACTIVE_PROCESS, _LIMIT_PRIORITY_CLASS, _LIMIT_JOB_MEMORY = 0x4, 0x8, 0x20, 0x200

_MESSAGES = {1: "cpu_time", 3: "processes", 10: "memory"}
"""Limit that each message of the completion port is about (JOB_OBJECT_MSG_…)."""

_PRIORITY_CLASSES = ((15, 0x40), (1, 0x4000), (0, 0x20), (-9, 0x8000))
"""Priority class of each niceness from the first number on: idle, below normal, normal, above normal; else high."""


def priority_class(nice: int) -> int:
    """Return the priority class that a niceness of POSIX stands for."""
    return next((number for least, number in _PRIORITY_CLASSES if nice >= least), 0x80)


class JobObject:
    """The job object of one attempt, with the shape of a `Cgroup`."""

    def __init__(self, kernel: Kernel32, limits: Mapping[str, Any]) -> None:
        """Create it with the limits that it can enforce. Errors: OSError."""
        self._kernel = kernel
        self.path = f"Local\\rae-auto-{uuid.uuid4().hex}"
        self._exceeded: str | None = None
        self._port: Handle | None = None
        self.handle: Handle = kernel.call("CreateJobObjectW", None, self.path)
        self.enforced = {name for name in ("memory", "processes") if limits.get(name) is not None}
        try:
            self._set_limits(limits)
            if self.enforced or limits.get("cpu_time") is not None:
                self._open_port()
        except OSError:
            self.remove()
            raise

    @classmethod
    def open(cls, kernel: Kernel32, path: str) -> "JobObject | None":
        """Return the job object with a name, to look at and to end; None where there is none any more."""
        handle = kernel.library.OpenJobObjectW(JOB_OBJECT_QUERY | JOB_OBJECT_TERMINATE, 0, path)
        if not handle:
            return None
        found = cls.__new__(cls)
        found._kernel, found.path, found.handle = kernel, path, handle
        found._exceeded, found._port, found.enforced = None, None, set()
        return found

    def _set_limits(self, limits: Mapping[str, Any]) -> None:
        information = ExtendedLimits()
        basic = information.basic
        # No JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE: jobs survive the keeper.
        if (memory_bytes := limits.get("memory")) is not None:
            basic.flags |= _LIMIT_JOB_MEMORY
            information.job_memory = memory_bytes
        if (processes := limits.get("processes")) is not None:
            basic.flags |= _LIMIT_ACTIVE_PROCESS
            basic.active_processes = processes
        if (cpu_seconds := limits.get("cpu_time")) is not None:
            # It counts user mode only. The keeper counts all; this one is for the time between two looks.
            basic.flags |= _LIMIT_JOB_TIME
            basic.job_user_time = (math.ceil(cpu_seconds) + 1) * TICKS_PER_SECOND
        if (nice := limits.get("nice")) is not None:
            basic.flags |= _LIMIT_PRIORITY_CLASS
            basic.priority_class = priority_class(nice)
        if basic.flags:
            self._set(_EXTENDED_LIMITS, information)

    def _open_port(self) -> None:
        self._port = self._kernel.call("CreateIoCompletionPort", INVALID_HANDLE, None, 0, 1)
        self._set(_COMPLETION_PORT, CompletionPort(key=self.handle, port=self._port))

    def _set(self, kind: int, information: ctypes.Structure) -> None:
        self._kernel.call("SetInformationJobObject", self.handle, kind, byref(information), sizeof(information))

    def _query(self, kind: int, information: Any) -> None:
        self._kernel.call("QueryInformationJobObject", self.handle, kind, byref(information), sizeof(information), None)

    def assign(self, process: Handle) -> None:
        """Put a process into it, which must not have run yet. Errors: OSError."""
        self._kernel.call("AssignProcessToJobObject", self.handle, process)

    def duplicate_for_child(self) -> Handle:
        """Return a handle that a process can inherit, and by which it can do nothing but look. Errors: OSError."""
        own = self._kernel.library.GetCurrentProcess()
        copy = c_void_p()
        self._kernel.call("DuplicateHandle", own, self.handle, own, byref(copy), JOB_OBJECT_QUERY, 1, 0)
        return int(copy.value or 0)

    def count_active(self) -> int:
        """Return the number of its processes that haven't ended. Errors: OSError."""
        return int(self._accounting().active_processes)

    def pids(self) -> list[int]:
        """Return the pids of its processes."""
        size = 64
        while size <= MAX_PIDS:

            class ProcessIds(ctypes.Structure):
                """JOBOBJECT_BASIC_PROCESS_ID_LIST, with room for some."""

                _fields_ = (("assigned", c_uint32), ("listed", c_uint32), ("pids", c_size_t * size))

            found = ProcessIds()
            error = self._kernel.fails(
                "QueryInformationJobObject", self.handle, _BASIC_PROCESS_IDS, byref(found), sizeof(found), None
            )
            if error not in (0, ERROR_MORE_DATA):
                raise windows_error(error)
            if error == 0 and found.listed >= found.assigned:
                return [int(pid) for pid in found.pids[: found.listed]]
            size *= 4
        return []

    def kill(self) -> None:
        """End all of its processes."""
        with suppress(OSError):
            self._kernel.call("TerminateJobObject", self.handle, KILLED_EXIT_CODE)

    def exceeded_limit(self) -> str | None:
        """Return the name of the limit that the kernel has enforced."""
        count, key, overlapped = c_uint32(), c_size_t(), c_void_p()
        while self._port is not None and self._exceeded is None:
            if not self._kernel.library.GetQueuedCompletionStatus(
                self._port, byref(count), byref(key), byref(overlapped), 0
            ):
                break
            self._exceeded = _MESSAGES.get(count.value)
        return self._exceeded

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes that were ever in it."""
        with suppress(OSError):
            used = self._accounting()
            return float(used.user_time + used.kernel_time) / TICKS_PER_SECOND
        return 0.0

    def peak_bytes(self) -> int:
        """Return the most memory that its processes had committed at once; 0 where Windows doesn't count it."""
        information = ExtendedLimits()
        with suppress(OSError):
            self._query(_EXTENDED_LIMITS, information)
        return int(information.peak_job_memory or information.peak_process_memory)

    def remove(self) -> None:
        """Release it; processes in it run on."""
        self._kernel.close(self._port, self.handle)
        self._port, self.handle = None, 0

    def _accounting(self) -> Accounting:
        information = Accounting()
        self._query(_BASIC_ACCOUNTING, information)
        return information
