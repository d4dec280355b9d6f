"""The keeper's loop: requests in, children out, trees ended, statuses on disk."""

import errno
import json
import os
import resource
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from rae_plugins.executors.process.keeper import limits as limiting
from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.cgroups import Group, Groups, own_directory
from rae_plugins.executors.process.keeper.job import Job
from rae_plugins.executors.process.keeper.output import Output
from rae_plugins.executors.process.keeper.ownership import Ownership
from rae_plugins.executors.process.keeper.termination import Termination

Message = dict[str, Any]

CHUNK = 1 << 16
LAST_WORDS = 0.5
"""Seconds for which a pipe is still read after its job has ended: a stranger may hold it open for ever."""


class Keeper:
    """Until the daemon has gone and the last job has ended."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.selector = selectors.DefaultSelector()
        self.when_readable(channel, self.on_request)
        self.jobs: dict[int, Job] = {}
        self.kin = Ownership(self.jobs)
        self.groups: Groups | None = None
        self.incoming = b""
        self.outgoing: list[bytes] = []
        self.alive = True
        me = procfs.look(os.getpid())
        self.identity = {"boot": procfs.boot_id(), "keeper": [me.pid, me.ticks] if me else None}
        wake, self.woken = os.pipe()
        for end in (wake, self.woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.when_readable(wake, lambda: os.read(wake, CHUNK))

    def when_readable(self, source: socket.socket | int, call: Callable[[], object]) -> None:
        self.selector.register(source, selectors.EVENT_READ, call)

    def run(self) -> None:
        """Turn and turn again."""
        while self.alive or self.jobs:
            due = [at for job in self.jobs.values() if (at := job.due()) is not None]
            timeout = max(0.0, min(due) - time.monotonic()) if due else None
            for key, _ in self.selector.select(timeout):
                key.data()
            self.reap()
            self.attend()
            self.send()

    # Requests

    def on_request(self) -> None:
        try:
            data = self.channel.recv(CHUNK)
        except ConnectionError:
            data = b""
        if not data:
            self.alive = False
            self.selector.unregister(self.channel)
            return
        *lines, self.incoming = (self.incoming + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if "end" in request:
                self.end(request["end"], request["grace"])
                continue
            try:
                self.spawn(request)
            except Exception as error:  # what can't be started fails, and harms no other
                self.fail(request, error)

    def fail(self, request: Message, error: Exception) -> None:
        why = explain(error, request)[:500]
        # The next daemon has taken the file where this one died before it could ask: then nothing is ours to note.
        if not isinstance(error, FileExistsError):
            with suppress(OSError):
                record = {"exit_code": None, "signal": None, "error": why, "cpu": 0.0, "memory": None}
                write_whole(side_file(request["output"], "exit"), {**record, "ended_at": time.time()})
        self.report({"failed": request["key"], "error": why})

    def spawn(self, request: Message) -> None:
        limits = request.get("limits") or {}
        group = self.group_for(request["key"], limits) if limits else None
        try:
            job = self.started(request, limits, group)
        except BaseException:
            if group is not None:
                group.remove()
            raise
        job.group, job.tag = group, self.kin.tag
        self.jobs[job.pid] = job
        if limits:
            job.watch_over(time.monotonic())
        process = procfs.look(job.pid)
        record = {
            "pid": job.pid,
            "ticks": process.ticks if process else None,
            **self.identity,
            "tag": job.tag,
            "group": group.path if group else None,
        }
        # Where the disk is full the daemon still has it.
        with suppress(OSError):
            write_whole(side_file(job.path, "start"), record)
        os.set_blocking(job.pipe, False)
        self.when_readable(job.pipe, lambda: self.on_output(job))
        self.report({"started": job.key, **record})

    def started(self, request: Message, limits: Message, group: Group | None) -> Job:
        prepare = limiting.preparation(limits, group.path if group else None) if limits else None
        with opened(request["output"]) as (output, reading, writing):
            self.kin.next_tag()
            try:
                process = subprocess.Popen(
                    request["argv"],
                    env=request["env"],
                    cwd=request["cwd"],
                    stdin=subprocess.DEVNULL,
                    stdout=writing,
                    stderr=writing,
                    start_new_session=True,
                    umask=0o077,
                    # There is one thread, so that this is as safe as anything between fork and exec.
                    preexec_fn=prepare,
                )
            except subprocess.SubprocessError:
                raise RuntimeError(os.read(reading, CHUNK).decode(errors="replace")) from None
        return Job(request, process, Output(output, request["cap"], request["hide"]), reading)

    def group_for(self, key: str, limits: Message) -> Group | None:
        if self.groups is None:
            self.groups = Groups(own_directory())
        return self.groups.make(key, limits)

    def end(self, key: str, grace: float) -> None:
        job = next((job for job in self.jobs.values() if job.key == key), None)
        if job is not None:
            self.begin_to_end(job, grace)

    def begin_to_end(self, job: Job, grace: float) -> None:
        now = time.monotonic()
        if job.ending is None:
            job.ending = Termination(grace, now, lambda: self.kin.living(job), job.group.kill if job.group else None)
        else:
            job.ending.shorten(grace, now)

    # What children do

    def on_output(self, job: Job) -> None:
        try:
            data = os.read(job.pipe, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            # A full disk must not stop the job.
            with suppress(OSError):
                job.output.take(data)
        else:
            self.stop_reading(job)

    def stop_reading(self, job: Job) -> None:
        if job.reading:
            job.reading = False
            self.selector.unregister(job.pipe)
            os.close(job.pipe)

    def reap(self) -> None:
        # Seen before they are gone, since a zombie still tells whose it was.
        while (pid := ended_child()) is not None:
            job = self.jobs.get(pid)
            owner = job or self.kin.owner(pid)
            try:
                _, status, usage = os.wait4(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            if owner is not None:
                owner.reaped(usage)
            if job is not None:
                job.status = status
                job.deadline = time.monotonic() + LAST_WORDS

    def attend(self) -> None:
        """Do what is due for the jobs: limits, ends, farewells."""
        now = time.monotonic()
        orphans: list[int] | None = None
        for job in list(self.jobs.values()):
            if job.ending is None and job.status is not None and job.orphans == "kill":
                orphans = self.orphans() if orphans is None else orphans
                if self.kin.has_left(job, orphans):
                    self.begin_to_end(job, job.kill_after)
            if job.ending is not None:
                self.step(job, job.ending, now)
            elif self.exceeds(job, now):
                self.begin_to_end(job, 0)
            if self.is_over(job, now):
                self.stop_reading(job)
                del self.jobs[job.pid]
                self.close(job)

    def orphans(self) -> list[int]:
        if self.kin.orphans():
            # What died since the last time counts too.
            self.reap()
        return [pid for pid in self.kin.orphans() if procfs.lives(pid)]

    def exceeds(self, job: Job, now: float) -> bool:
        is_due = job.watch is not None and job.status is None and now >= job.watch.next_look
        return is_due and job.look(self.kin.members(job), now)

    def step(self, job: Job, ending: Termination, now: float) -> None:
        if now >= ending.next_look and not ending.over:
            ending.step(now)
            if ending.over:
                # What died since the last time counts too.
                self.reap()
                # Its last words, if it has any.
                job.deadline = now + LAST_WORDS

    def is_over(self, job: Job, now: float) -> bool:
        if job.ending is not None and not job.ending.over:
            return False
        if job.status is None:
            return job.ending is not None and bool(job.ending.escaped)
        return not job.reading or (job.deadline is not None and now >= job.deadline)

    def close(self, job: Job) -> None:
        record = job.record(own_peak() if job.limits else 0)
        if job.group is not None:
            job.group.remove()
        try:
            job.output.finish()
            write_whole(side_file(job.path, "exit"), record)
        except OSError:
            pass  # the daemon hears of it all the same
        self.report({"ended": job.key, "exit": record})

    # Reports

    def report(self, message: Message) -> None:
        self.outgoing.append(json.dumps(message).encode() + b"\n")

    def send(self) -> None:
        if self.outgoing and self.alive:
            try:
                self.channel.sendall(b"".join(self.outgoing))
            except OSError:
                self.alive = False
                self.selector.unregister(self.channel)
        self.outgoing.clear()


def ended_child() -> int | None:
    """The pid of a child that has ended and isn't reaped yet."""
    try:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return found.si_pid if found else None


@contextmanager
def opened(path: str) -> Iterator[tuple[int, int, int]]:
    """A fresh output file and a pipe. The writing end closes in any case, the others where something fails."""
    # No one else's file: the name is fresh, and links are not followed.
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    output = os.open(path, flags, 0o600)
    held = [output]
    try:
        reading, writing = os.pipe()
        held.append(reading)
        try:
            yield output, reading, writing
        finally:
            os.close(writing)
    except BaseException:
        for descriptor in held:
            os.close(descriptor)
        raise


def own_peak() -> int:
    """The most memory that the keeper has had, which the kernel counts as every child's from its start."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << (0 if sys.platform == "darwin" else 10)


def side_file(output: str, kind: str) -> str:
    return output[: -len("log")] + kind


def write_whole(path: str, record: Message) -> None:
    """Write a small file that is seen whole or not at all."""
    temporary = path + ".tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, json.dumps(record).encode())
    finally:
        os.close(descriptor)
    os.replace(temporary, path)


def explain(error: Exception, request: Message) -> str:
    """One line on why a job can't be spawned."""
    program: str = request["argv"][0]
    if isinstance(error, OSError):
        if request["cwd"] and not os.path.isdir(request["cwd"]):
            return f"its directory {request['cwd']} doesn't exist; make it, or change cwd"
        if error.errno == errno.ENOENT:
            return f"there is no program {program!r} on its PATH; install it, or write its whole path"
        if error.errno == errno.EACCES:
            return f"{program!r} may not be executed; chmod +x it"
        if error.errno == errno.ENOEXEC:
            return f"{program!r} is no program: it lacks a first line with #!, or is of another machine"
        return f"{program!r} can't be started: {error.strerror}"
    return f"{program!r} can't be started: {error}"


def become_subreaper() -> None:
    """Have orphans of jobs handed to us instead of to init, so that they are known and reaped. Linux: prctl(2)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


def main() -> None:
    """Keep jobs for the daemon at the other end of standard input."""
    become_subreaper()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The daemon is what is stopped; jobs are stopped by it. A handler, unlike SIG_IGN, isn't inherited.
        signal.signal(ignored, lambda *_: None)
    with socket.socket(fileno=0) as daemon:
        Keeper(daemon).run()
