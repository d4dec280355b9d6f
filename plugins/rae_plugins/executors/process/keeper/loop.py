"""The keeper's event loop: requests in, children out, trees terminated, statuses on disk.

One turn: wait for the socket, a pipe, a signal or the next deadline; handle what came; reap children; do what is due
for each job; send the reports. The protocol and the races are described in the package's docstring.
"""

import json
import os
import resource
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.cgroups import Cgroup, CgroupFactory, find_own_directory
from rae_plugins.executors.process.keeper.ownership import Ownership
from rae_plugins.executors.process.keeper.records import (
    ExitRecords,
    record_path,
    remove_private_files,
    write_atomically,
)
from rae_plugins.executors.process.keeper.spawn import READ_BYTES, explain_spawn_error, spawn_process
from rae_plugins.executors.process.keeper.termination import Termination

Message = dict[str, Any]

OUTPUT_DRAIN_SECONDS = 0.5
"""Time for which a pipe is still read after its job has ended: a descendant may hold it open for ever."""

ORPHAN_EXIT_SECONDS = 0.1
"""Time in which processes that a job left behind may end by themselves."""

MAX_ERROR_CHARACTERS = 500

MAX_START_SECONDS = 30.0
"""Time that the keeper itself may have taken from its creation to its first look at the clock."""


class Keeper:
    """The keeper of one daemon's jobs; it works until the daemon has gone and the last job has ended."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.selector = selectors.DefaultSelector()
        self.call_when_readable(channel, self.read_requests)
        self.jobs: dict[int, AttemptProcess] = {}
        self.ownership = Ownership(self.jobs)
        self.cgroups: CgroupFactory | None = None
        self.incoming = b""
        self.outgoing: list[bytes] = []
        self.is_connected = True
        self.exit_records = ExitRecords()
        own = procfs.read_process(os.getpid())
        now = time.time()
        self.identity = {
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

    def call_when_readable(self, source: socket.socket | int, callback: Callable[[], object]) -> None:
        self.selector.register(source, selectors.EVENT_READ, callback)

    def run(self) -> None:
        """Work until the daemon has gone and no job is left."""
        while self.is_connected or self.jobs:
            deadlines = [at for job in self.jobs.values() if (at := job.next_deadline()) is not None]
            timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
            for key, _ in self.selector.select(timeout):
                key.data()
            self.reap()
            self.update_jobs()
            self.send_reports()

    # Requests

    def read_requests(self) -> None:
        try:
            data = self.channel.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        if not data:
            self.disconnect()
            return
        *lines, self.incoming = (self.incoming + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "end" in request:
                self.end(request["end"], request["grace"])
                continue
            try:
                self.spawn(request)
            except Exception as error:  # an attempt that can't be started harms no other
                self.report_failure(request, error)

    def disconnect(self) -> None:
        self.is_connected = False
        self.selector.unregister(self.channel)
        self.exit_records.handle_lost_daemon()

    def report_failure(self, request: Message, error: Exception) -> None:
        text = explain_spawn_error(error, request)[:MAX_ERROR_CHARACTERS]
        # A daemon that has created the output file owns the attempt: then there is nothing for us to record.
        if not isinstance(error, FileExistsError):
            record = {
                "exit_code": None,
                "signal": None,
                "error": text,
                "remark": None,
                "stderr": None,
                "cpu": 0.0,
                "memory": None,
            }
            with suppress(OSError):
                self.exit_records.write(record_path(request["output"], "exit"), {**record, "ended_at": time.time()})
        self.report({"failed": request["key"], "error": text})

    def spawn(self, request: Message) -> None:
        limits = request.get("limits") or {}
        cgroup = self.create_cgroup(request["key"], limits) if limits else None
        try:
            self.ownership.assign_next_tag()
            spawning_at = time.time()
            job = spawn_process(request, cgroup.path if cgroup else None)
        except BaseException:
            if cgroup is not None:
                cgroup.remove()
            raise
        job.cgroup, job.tag = cgroup, self.ownership.tag
        self.jobs[job.pid] = job
        if limits:
            job.watch_limits(time.monotonic())
        process = procfs.read_process(job.pid)
        record = {
            "pid": job.pid,
            "ticks": process.ticks if process else None,
            "spawned": [spawning_at, time.time()],
            **self.identity,
            "tag": job.tag,
            "group": cgroup.path if cgroup else None,
        }
        # On a full disk the daemon still gets the report.
        with suppress(OSError):
            write_atomically(record_path(job.path, "start"), record)
        for pipe in job.pipes:
            os.set_blocking(pipe, False)
            self.call_when_readable(pipe, partial(self.read_output, job, pipe))
        self.report({"started": job.key, **record})

    def create_cgroup(self, key: str, limits: Mapping[str, Any]) -> Cgroup | None:
        if self.cgroups is None:
            self.cgroups = CgroupFactory(find_own_directory())
        return self.cgroups.create(key, limits)

    def end(self, key: str, grace_seconds: float) -> None:
        job = next((job for job in self.jobs.values() if job.key == key), None)
        if job is not None:
            self.terminate(job, grace_seconds)

    def terminate(self, job: AttemptProcess, grace_seconds: float) -> None:
        """Begin to end the job's whole tree, or shorten the grace of a termination under way."""
        now = time.monotonic()
        job.orphans_end_at = None
        if job.termination is not None:
            job.termination.shorten(grace_seconds, now)
            return
        kill_group = job.cgroup.kill if job.cgroup else None
        job.termination = Termination(grace_seconds, now, lambda: self.ownership.live_members(job), kill_group)

    # Children

    def read_output(self, job: AttemptProcess, pipe: int) -> None:
        if pipe not in job.pipes:
            return
        try:
            data = os.read(pipe, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            # A full disk must not stop the job.
            with suppress(OSError):
                job.output.write(data, is_error=pipe == job.error_pipe)
        else:
            self.close_pipe(job, pipe)

    def close_pipe(self, job: AttemptProcess, pipe: int) -> None:
        job.pipes.remove(pipe)
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
                owner.add_usage(usage)
            if job is not None:
                job.status = status
                job.drain_deadline = time.monotonic() + OUTPUT_DRAIN_SECONDS

    def update_jobs(self) -> None:
        """Do what is due for each job: check limits, end orphans, step terminations, finish."""
        now = time.monotonic()
        orphans: list[int] | None = None
        for job in list(self.jobs.values()):
            if job.termination is None and job.status is not None and job.orphans == "kill":
                orphans = self.list_live_orphans() if orphans is None else orphans
                self.check_orphans(job, orphans, now)
            if job.termination is not None:
                self.step_termination(job, job.termination, now)
            elif self.has_exceeded_limit(job, now):
                self.terminate(job, 0)
            if self.is_finished(job, now):
                for pipe in list(job.pipes):
                    self.close_pipe(job, pipe)
                del self.jobs[job.pid]
                self.finish(job)

    def check_orphans(self, job: AttemptProcess, orphans: list[int], now: float) -> None:
        """End what a job has left behind. What is ending by itself, as a part of a pipe, gets a moment for that."""
        if not self.ownership.has_orphans(job, orphans):
            job.orphans_end_at = None
        elif job.orphans_end_at is None:
            job.orphans_end_at = now + ORPHAN_EXIT_SECONDS
        elif now >= job.orphans_end_at:
            job.ends_orphans = True
            self.terminate(job, job.kill_after_seconds)

    def list_live_orphans(self) -> list[int]:
        if self.ownership.orphan_pids():
            # Those that died since the last reaping must be counted, not seen as orphans.
            self.reap()
        return [pid for pid in self.ownership.orphan_pids() if procfs.is_alive(pid)]

    def has_exceeded_limit(self, job: AttemptProcess, now: float) -> bool:
        is_due = job.limit_watch is not None and job.status is None and now >= job.limit_watch.next_check
        return is_due and job.check_limits(self.ownership.members(job), now)

    def step_termination(self, job: AttemptProcess, termination: Termination, now: float) -> None:
        if now >= termination.next_check and not termination.is_over:
            termination.step(now)
            if termination.is_over:
                # Those that died since the last reaping must be counted.
                self.reap()
                # What they printed last may still be in the pipe.
                job.drain_deadline = now + OUTPUT_DRAIN_SECONDS

    def is_finished(self, job: AttemptProcess, now: float) -> bool:
        if job.termination is not None and not job.termination.is_over:
            return False
        if job.orphans_end_at is not None:
            return False
        if job.status is None:
            return job.termination is not None and bool(job.termination.survivors)
        return not job.pipes or (job.drain_deadline is not None and now >= job.drain_deadline)

    def finish(self, job: AttemptProcess) -> None:
        record = job.exit_record(read_own_peak_bytes() if job.limits else 0)
        if job.cgroup is not None:
            job.cgroup.remove()
        if job.private is not None:
            remove_private_files(job.private)
        try:
            job.output.close()
            self.exit_records.write(record_path(job.path, "exit"), record)
            if not job.output.written_bytes:
                # After the record: without either, the attempt would seem never to have begun.
                os.unlink(job.path)
        except OSError:
            pass  # the daemon gets the report in any case
        self.report({"ended": job.key, "exit": record})

    # Reports

    def report(self, message: Message) -> None:
        self.outgoing.append(json.dumps(message).encode() + b"\n")

    def send_reports(self) -> None:
        if self.outgoing and self.is_connected:
            try:
                self.channel.sendall(b"".join(self.outgoing))
            except OSError:
                self.disconnect()
        self.outgoing.clear()


def find_ended_child() -> int | None:
    """Return the pid of a child that has ended and has not been reaped."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


def read_own_peak_bytes() -> int:
    """Return the most memory the keeper has used, which the kernel counts as every child's from its start."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def become_subreaper() -> None:
    """Become the parent of orphans of jobs, instead of init, so that they are known and reaped. Linux: prctl(2)."""
    if sys.platform == "linux":
        import ctypes

        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def main() -> None:
    """Keep the jobs of the daemon at the other end of standard input."""
    become_subreaper()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # These stop the daemon, which then stops its jobs. A handler, unlike SIG_IGN, isn't inherited.
        signal.signal(ignored, lambda *_: None)
    with socket.socket(fileno=0) as channel:
        Keeper(channel).run()
