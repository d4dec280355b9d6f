"""Processes of jobs on Windows: job objects, and threads that wait for what the loop can't wait for.

The theory is in the package's docstring.
"""

import os
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.control import OutputCallback
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.spawn import READ_BYTES
from rae_plugins.executors.process.keeper.termination import Termination
from rae_plugins.executors.process.keeper.windows.create_process import create_suspended
from rae_plugins.executors.process.keeper.windows.job_object import JobObject
from rae_plugins.executors.process.keeper.windows.kernel32 import CTRL_BREAK_EVENT, Handle, Kernel32
from rae_plugins.executors.process.keeper.windows.limits import JobObjectWatcher
from rae_plugins.executors.process.keeper.windows.spawn import CreateSuspended, spawn_process
from rae_plugins.executors.process.keeper.windows.termination import WindowsTermination

TICKS_PER_SECOND = 100
"""Unit of `ProcessInfo.ticks`, as the daemon counts them where there is no /proc."""


class WindowsControl:
    """The processes of jobs on Windows."""

    def __init__(self, kernel: Kernel32 | None = None, create: CreateSuspended = create_suspended) -> None:
        """Make the calls of `kernel` and `create`, by default those of Windows. Errors: OSError."""
        self.jobs: dict[int, AttemptProcess] = {}
        self._kernel = kernel or Kernel32()
        self._create = create
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], object]] = deque()
        self._waking, self._woken = socket.socketpair()
        for end in (self._waking, self._woken):
            end.setblocking(False)
        self.call_when_readable(self._woken, self._drain_wakes)
        self._ended: deque[int] = deque()
        self._abandoned: set[int] = set()
        """Pipes that are read no more, but by their threads until their end."""
        own = self._kernel.open_process(os.getpid())
        created = self._kernel.created_at(own)
        self._kernel.close(own)
        self.identity: Mapping[str, Any] = {
            # The daemon reads it, with a library that the keeper doesn't have.
            "boot": None,
            "keeper": [os.getpid(), None],
            "keeper_spawned": [created, created],
        }

    def call_when_readable(self, channel: socket.socket, callback: Callable[[], object]) -> None:
        self._selector.register(channel, selectors.EVENT_READ, callback)

    def stop_reading(self, channel: socket.socket) -> None:
        self._selector.unregister(channel)

    def wait(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            key.data()
        while self._calls:
            self._calls.popleft()()

    def spawn(self, request: Mapping[str, Any]) -> tuple[AttemptProcess, dict[str, Any]]:
        limits = request.get("limits") or {}
        container = JobObject(self._kernel, limits)
        try:
            job = spawn_process(request, self._kernel, self._create, container)
        except BaseException:
            container.remove()
            raise
        watch = JobObjectWatcher(container, limits, time.monotonic())
        job.limit_watch = watch if watch.is_needed else None
        created = self._kernel.created_at(job.process)
        self._start_thread(f"process {job.pid}", partial(self._await_end, job.pid, job.process))
        return job, {"ticks": None, "spawned": [created, created], "tag": None, "group": container.path}

    def watch_output(self, pipe: int, callback: OutputCallback) -> None:
        self._start_thread(f"pipe {pipe}", partial(self._read_pipe, pipe, callback))

    def close_pipe(self, pipe: int) -> None:
        # Its thread closes it: to close it here would wait for the read that is under way.
        self._abandoned.add(pipe)

    def reap(self) -> None:
        while self._ended:
            job = self.jobs.get(self._ended.popleft())
            if job is not None:
                job.note_end(self._kernel.exit_code(job.process), time.monotonic())

    def find_orphans(self) -> None:
        """Return nothing: each job object knows its own."""

    def has_orphans(self, job: AttemptProcess, orphans: Any) -> bool:
        return bool(self._container(job).count_active())

    def members(self, job: AttemptProcess) -> list[ProcessInfo]:
        return [process for pid in self._container(job).pids() if (process := self._read_process(pid)) is not None]

    def begin_termination(self, job: AttemptProcess, grace_seconds: float, now: float) -> Termination:
        container = self._container(job)
        return WindowsTermination(
            grace_seconds,
            now,
            lambda: self.members(job) if container.count_active() else [],
            container.kill,
            partial(self._send_break, job.pid),
        )

    def own_peak_bytes(self) -> int:
        """Return 0: a job object counts its own processes alone."""
        return 0

    def release(self, job: AttemptProcess) -> None:
        self._container(job).remove()
        self._kernel.close(job.process)

    def close(self) -> None:
        self._selector.close()
        for end in (self._waking, self._woken):
            end.close()

    def _container(self, job: AttemptProcess) -> JobObject:
        assert isinstance(job.container, JobObject)
        return job.container

    def _send_break(self, pid: int) -> None:
        # A GUI program has no console that delivers it; it is ended after the grace period.
        with suppress(OSError):
            self._kernel.call("GenerateConsoleCtrlEvent", CTRL_BREAK_EVENT, pid)

    def _read_process(self, pid: int) -> ProcessInfo | None:
        """Return a process of a job object; one that can't be opened but is counted is there all the same."""
        try:
            handle = self._kernel.open_process(pid)
        except OSError:
            return ProcessInfo(pid, "process", False, 0, 0, 0, 0.0, 1, 0)
        try:
            ticks = int(self._kernel.created_at(handle) * TICKS_PER_SECOND)
            return ProcessInfo(pid, self._kernel.image_name(handle), False, 0, 0, ticks, 0.0, 1, 0)
        except OSError:
            return ProcessInfo(pid, "process", False, 0, 0, 0, 0.0, 1, 0)
        finally:
            self._kernel.close(handle)

    # Threads

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        threading.Thread(target=work, name=name, daemon=True).start()

    def _call_soon(self, call: Callable[[], object]) -> None:
        """Have the loop call a function; called in other threads."""
        self._calls.append(call)
        # Full: it wakes anyway. Closed: it has ended.
        with suppress(OSError):
            self._waking.send(b"\0")

    def _drain_wakes(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(READ_BYTES):
                pass

    def _await_end(self, pid: int, process: Handle) -> None:
        self._kernel.wait(process)
        self._call_soon(lambda: self._ended.append(pid))

    def _read_pipe(self, pipe: int, callback: OutputCallback) -> None:
        """Hand over what comes, one piece at a time, so that a flood waits in the pipe and not in memory."""
        taken = threading.Event()

        def hand_over(data: bytes) -> None:
            try:
                if pipe not in self._abandoned:
                    callback(data)
            finally:
                taken.set()

        data = b"."
        while data:
            data = b""
            with suppress(OSError):
                data = os.read(pipe, READ_BYTES)
            taken.clear()
            if data and pipe in self._abandoned:
                continue
            self._call_soon(partial(hand_over, data))
            taken.wait()
        self._call_soon(partial(self._close_read_pipe, pipe))

    def _close_read_pipe(self, pipe: int) -> None:
        # In the loop, so that no new pipe has this number before everything about the old one is over.
        self._abandoned.discard(pipe)
        os.close(pipe)
