"""A stand-in of kernel32.dll on POSIX: job objects and processes of Windows over real processes of this machine.

It has the functions that `kernel32.Kernel32` calls, with their arguments as ctypes passes them. What it does is what
the documentation of each function says; what it doesn't is to bound anything (`send_message` plays the kernel there).
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from typing import Any

import psutil

from rae_plugins.executors.process.keeper.spawn import SpawnError
from rae_plugins.executors.process.keeper.windows import job_object, kernel32
from rae_plugins.executors.process.keeper.windows.create_process import SuspendedProcess

_ACCOUNTING, _PIDS, _PORT, _LIMITS = 1, 3, 7, 9
_ERROR_FILE_NOT_FOUND, _ERROR_INVALID_PARAMETER, _ERROR_INVALID_HANDLE = 2, 87, 6
_WAIT_FOR_PROGRAM = 'kill -STOP $$; exec "$@"'
_EPOCH_TICKS = 116_444_736_000_000_000


class _Process:
    def __init__(self, popen: "subprocess.Popen[bytes]") -> None:
        self.popen = popen
        self.killed_with: int | None = None

    def wait(self, seconds: float | None) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self.popen.wait(seconds)
            return True
        return False

    @property
    def code(self) -> int:
        code = self.popen.returncode
        return self.killed_with if self.killed_with is not None and code < 0 else code % (1 << 32)


class _Job:
    def __init__(self, name: str) -> None:
        self.name = name
        self.processes: list[_Process] = []
        self.limits = kernel32.ExtendedLimits()
        self.messages: deque[int] | None = None
        self.open_handles = 1

    def members(self) -> list[psutil.Process]:
        """Return the processes of the sessions that the assigned ones lead, which is what can't be left here."""
        sessions = {process.popen.pid for process in self.processes}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found


class Kernel32StandIn:
    """The library, and the call that creates a process."""

    def __init__(self) -> None:
        self._numbers = count(100, 4)
        self._objects: dict[int, Any] = {}
        self.jobs: dict[str, _Job] = {}
        self.calls: list[str] = []
        self._error = threading.local()

    def last_error(self) -> int:
        return getattr(self._error, "number", 0)

    def send_message(self, name: str, message: int) -> None:
        """Send a message of the kernel to the completion port of a job object."""
        messages = self.jobs[name].messages
        assert messages is not None, "the job object has no completion port"
        messages.append(message)

    def create_suspended(
        self, request: Mapping[str, Any], streams: Sequence[int], inherited: Sequence[int] = ()
    ) -> SuspendedProcess:
        """Start a program that stops before its first step."""
        self.calls.append("CreateProcess")
        if shutil.which(request["argv"][0], path=request["env"].get("PATH")) is None:
            raise SpawnError(f'program "{request["argv"][0]}" not found')
        words = ["/bin/sh", "-c", _WAIT_FOR_PROGRAM, "sh", *request["argv"]]
        popen = subprocess.Popen(
            words, env=request["env"], cwd=request["cwd"], start_new_session=True,
            stdin=streams[0], stdout=streams[1], stderr=streams[2],
        )  # fmt: skip
        while psutil.Process(popen.pid).status() != psutil.STATUS_STOPPED:
            time.sleep(0.001)
        process = _Process(popen)
        return SuspendedProcess(self._add(process), self._add(process), popen.pid)

    def _add(self, what: Any) -> int:
        number = next(self._numbers)
        self._objects[number] = what
        return number

    def _fail(self, number: int) -> int:
        self._error.number = number
        return 0

    # Functions of the library, in the order of the alphabet

    def AssignProcessToJobObject(self, job: int, process: int) -> int:
        self.calls.append("AssignProcessToJobObject")
        self._objects[job].processes.append(self._objects[process])
        return 1

    def CloseHandle(self, handle: int) -> int:
        what = self._objects.pop(handle, None)
        if isinstance(what, _Job):
            what.open_handles -= 1
            if not what.open_handles:
                self.jobs.pop(what.name, None)
        return 1 if what is not None else self._fail(_ERROR_INVALID_HANDLE)

    def CreateIoCompletionPort(self, *_: Any) -> int:
        return self._add(deque())

    def CreateJobObjectW(self, _: None, name: str) -> int:
        self.jobs[name] = _Job(name)
        return self._add(self.jobs[name])

    def DuplicateHandle(self, _own: int, handle: int, _other: int, copy: Any, *_: Any) -> int:
        job = self._objects[handle]
        job.open_handles += 1
        copy._obj.value = self._add(job)
        return 1

    def GenerateConsoleCtrlEvent(self, event: int, group: int) -> int:
        assert event == kernel32.CTRL_BREAK_EVENT
        os.killpg(group, signal.SIGTERM)
        return 1

    def GetCurrentProcess(self) -> int:
        return -1

    def GetExitCodeProcess(self, handle: int, code: Any) -> int:
        code._obj.value = self._objects[handle].code
        return 1

    def GetProcessTimes(self, handle: int, created: Any, *_: Any) -> int:
        what = self._objects[handle]
        pid = what.popen.pid if isinstance(what, _Process) else what
        try:
            ticks = int(psutil.Process(pid).create_time() * 10_000_000) + _EPOCH_TICKS
        except psutil.Error:
            return self._fail(_ERROR_INVALID_HANDLE)
        created._obj.low, created._obj.high = ticks & 0xFFFFFFFF, ticks >> 32
        return 1

    def GetQueuedCompletionStatus(self, port: int, number: Any, *_: Any) -> int:
        messages = self._objects[port]
        if not messages:
            return self._fail(kernel32.WAIT_TIMEOUT)
        number._obj.value = messages.popleft()
        return 1

    def OpenJobObjectW(self, _access: int, _inherit: int, name: str) -> int:
        job = self.jobs.get(name)
        if job is None:
            return self._fail(_ERROR_FILE_NOT_FOUND)
        job.open_handles += 1
        return self._add(job)

    def OpenProcess(self, _access: int, _inherit: int, pid: int) -> int:
        return self._add(pid) if psutil.pid_exists(pid) else self._fail(_ERROR_INVALID_PARAMETER)

    def QueryFullProcessImageNameW(self, handle: int, _: int, text: Any, _size: Any) -> int:
        try:
            text.value = "C:\\bin\\" + psutil.Process(self._objects[handle]).name()
        except psutil.Error:
            return self._fail(_ERROR_INVALID_HANDLE)
        return 1

    def QueryInformationJobObject(self, handle: int, kind: int, place: Any, size: int, _: None) -> int:
        job, found = self._objects[handle], place._obj
        members = job.members()
        if kind == _PIDS:
            found.assigned, found.listed = len(members), min(len(members), len(found.pids))
            for index, process in enumerate(members[: found.listed]):
                found.pids[index] = process.pid
            return 1 if found.listed == found.assigned else self._fail(kernel32.ERROR_MORE_DATA)
        if kind == _ACCOUNTING:
            found.active_processes = len(members)
            for process in members:
                with suppress(psutil.Error):
                    times = process.cpu_times()
                    found.user_time += int(times.user * job_object.TICKS_PER_SECOND)
                    found.kernel_time += int(times.system * job_object.TICKS_PER_SECOND)
        return 1

    def ResumeThread(self, handle: int) -> int:
        self.calls.append("ResumeThread")
        os.kill(self._objects[handle].popen.pid, signal.SIGCONT)
        return 1

    def SetInformationJobObject(self, handle: int, kind: int, place: Any, size: int) -> int:
        job = self._objects[handle]
        if kind == _LIMITS:
            job.limits = place._obj
        else:
            job.messages = self._objects[place._obj.port]
        return 1

    def TerminateJobObject(self, handle: int, code: int) -> int:
        job = self._objects[handle]
        for process in job.processes:
            process.killed_with = code
        for member in job.members():
            with suppress(psutil.Error, OSError):
                member.kill()
        return 1

    def TerminateProcess(self, handle: int, code: int) -> int:
        what = self._objects[handle]
        os.kill(what.popen.pid if isinstance(what, _Process) else what, signal.SIGKILL)
        if isinstance(what, _Process):
            what.killed_with = code
            what.wait(None)
        return 1

    def WaitForSingleObject(self, handle: int, milliseconds: int) -> int:
        what = self._objects[handle]
        ended = what.wait(None if milliseconds == kernel32.INFINITE else milliseconds / 1000)
        return 0 if ended else kernel32.WAIT_TIMEOUT
