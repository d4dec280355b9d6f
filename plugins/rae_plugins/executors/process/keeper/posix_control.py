"""Processes of jobs on POSIX systems: SIGCHLD and wait4(2), sessions, tags, control groups and signals."""

import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.cgroups import Cgroup, CgroupFactory, find_own_directory
from rae_plugins.executors.process.keeper.control import OutputCallback
from rae_plugins.executors.process.keeper.files.spare_files import create_output
from rae_plugins.executors.process.keeper.ownership import Ownership
from rae_plugins.executors.process.keeper.procfs import ProcessInfo
from rae_plugins.executors.process.keeper.spawn import READ_BYTES, OutputOpener, spawn_process
from rae_plugins.executors.process.keeper.termination import Termination

MAX_START_SECONDS = 30.0
"""Time that the keeper itself may have taken from its creation to its first look at the clock."""


class PosixControl:
    """The processes of jobs on a POSIX system."""

    def __init__(self, open_output: OutputOpener = create_output) -> None:
        """`open_output` opens the output files."""
        self._open_output = open_output
        self.jobs: dict[int, AttemptProcess] = {}
        self.selector = selectors.DefaultSelector()
        self.ownership = Ownership(self.jobs)
        self.cgroups: CgroupFactory | None = None
        own = procfs.read_process(os.getpid())
        now = time.time()
        self.identity: Mapping[str, Any] = {
            "boot": procfs.read_boot_id(),
            "keeper": [os.getpid(), own.ticks if own else None],
            # Where there is no /proc, a process is identified by the time of its creation.
            "keeper_spawned": [now - MAX_START_SECONDS, now],
        }
        wakeup, self.wakeup_writer = os.pipe()
        for end in (wakeup, self.wakeup_writer):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.wakeup_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.call_when_readable(wakeup, lambda: os.read(wakeup, READ_BYTES))

    def call_when_readable(self, channel: socket.socket | int, callback: Callable[[], object]) -> None:
        self.selector.register(channel, selectors.EVENT_READ, callback)

    def stop_reading(self, channel: socket.socket) -> None:
        self.selector.unregister(channel)

    def wait(self, seconds: float | None) -> None:
        for key, _ in self.selector.select(seconds):
            # A pipe may have been closed by what was called before.
            if key.fileobj in self.selector.get_map():
                key.data()

    def spawn(self, request: Mapping[str, Any]) -> tuple[AttemptProcess, dict[str, Any]]:
        limits = request.get("limits") or {}
        cgroup = self._create_cgroup(request["key"], limits) if limits else None
        try:
            self.ownership.assign_next_tag()
            spawning_at = time.time()
            job = spawn_process(request, cgroup.path if cgroup else None, self._open_output)
        except BaseException:
            if cgroup is not None:
                cgroup.remove()
            raise
        job.container, job.tag = cgroup, self.ownership.tag
        if limits:
            job.watch_limits(time.monotonic())
        return job, {
            "ticks": procfs.read_start_ticks(job.pid),
            "spawned": [spawning_at, time.time()],
            "tag": job.tag,
            "group": cgroup.path if cgroup else None,
        }

    def _create_cgroup(self, key: str, limits: Mapping[str, Any]) -> Cgroup | None:
        if self.cgroups is None:
            self.cgroups = CgroupFactory(find_own_directory())
        return self.cgroups.create(key, limits)

    def watch_output(self, pipe: int, callback: OutputCallback) -> None:
        os.set_blocking(pipe, False)
        self.call_when_readable(pipe, partial(_read_pipe, pipe, callback))

    def close_pipe(self, pipe: int) -> None:
        self.selector.unregister(pipe)
        os.close(pipe)

    def reap(self) -> None:
        # The owner is looked up before the child is reaped: a zombie still shows whose it was.
        while (pid := find_ended_child()) is not None:
            job = self.jobs.get(pid)
            owner = job or self.ownership.find_owner(pid)
            try:
                _, status, usage = os.wait4(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            if owner is not None:
                owner.add_usage(usage.ru_utime + usage.ru_stime, _to_bytes(usage.ru_maxrss))
            if job is not None:
                job.note_end(os.waitstatus_to_exitcode(status), time.monotonic())

    def find_orphans(self) -> list[int]:
        if self.ownership.orphan_pids():
            # Those that died since the last reaping must be counted, not seen as orphans.
            self.reap()
        return [pid for pid in self.ownership.orphan_pids() if procfs.is_alive(pid)]

    def has_orphans(self, job: AttemptProcess, orphans: list[int]) -> bool:
        return self.ownership.has_orphans(job, orphans)

    def members(self, job: AttemptProcess) -> list[ProcessInfo]:
        return self.ownership.members(job)

    def begin_termination(self, job: AttemptProcess, grace_seconds: float, now: float) -> Termination:
        kill_group = job.container.kill if job.container else None
        return Termination(grace_seconds, now, lambda: self.ownership.live_members(job), kill_group)

    def own_peak_bytes(self) -> int:
        import resource  # not at the top: the module can then be imported on Windows

        return _to_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)

    def release(self, job: AttemptProcess) -> None:
        # Popen must not wait for a process that the keeper reaps itself, perhaps later.
        if job.process is not None:
            job.process.returncode = job.code or 0
        if job.container is not None:
            job.container.remove()

    def close(self) -> None:
        self.selector.close()
        os.close(self.wakeup_writer)


def _read_pipe(pipe: int, callback: OutputCallback) -> None:
    try:
        data = os.read(pipe, READ_BYTES)
    except BlockingIOError:
        return
    except OSError:
        data = b""
    callback(data)


def _to_bytes(max_resident: int) -> int:
    """Return `ru_maxrss` in bytes, which is in kilobytes but on macOS."""
    return max_resident << (0 if sys.platform == "darwin" else 10)


def find_ended_child() -> int | None:
    """Return the pid of a child that has ended and has not been reaped."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None
