"""The keeper: a small process that spawns a daemon's jobs, holds their pipes and notes how they end.

Since the jobs are its children and not the daemon's, a daemon that is killed takes nothing with it: the keeper reads
on, writes each exit status to disk, and goes when its last job has ended. Standard library only, one thread; it is run
as a script, so it must not import anything of rae-auto.

Requests and reports are JSON lines over the socket that is its standard input:

    {"key": …, "argv": […], "env": {…}, "cwd": …, "output": PATH, "cap": BYTES, "hide": […]}
    {"started": KEY, "pid": …, "ticks": …}     {"failed": KEY, "error": …}     {"ended": KEY, "exit": {…}}

Beside an output file `NAME.log` it writes `NAME.start` (pid, ticks, boot id) when the job has been spawned and
`NAME.exit` (the exit record) when it has ended, each whole or not at all.
"""

import errno
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Message = dict[str, Any]

CHUNK = 1 << 16
LAST_WORDS = 0.5
"""Seconds for which a pipe is still read after its job has ended: a grandchild may hold it open for ever."""


class Job:
    """A spawned process, its pipe, and what has been read of it."""

    def __init__(self, request: Message, process: "subprocess.Popen[bytes]", output: int, pipe: int) -> None:
        self.key = request["key"]
        self.process = process
        self.output = output
        self.path = request["output"]
        self.head = request["cap"] // 2
        self.ring = request["cap"] - self.head
        self.read = 0
        self.hidden = [value.encode() for value in request["hide"]]
        self.pending = b""
        self.pipe = pipe
        self.reading = True
        self.end: tuple[int, Any] | None = None
        self.deadline: float | None = None

    def take(self, data: bytes) -> None:
        """Keep the beginning and the end of what the job prints; the middle gives way when it gets too much."""
        if self.hidden:
            data = self.masked(data)
        if self.read < self.head:
            part = data[: self.head - self.read]
            os.pwrite(self.output, part, self.read)
            self.read += len(part)
            data = data[len(part) :]
        if not self.ring:
            self.read += len(data)
            return
        # The end goes round in a ring behind the head.
        for start in range(0, len(data), self.ring):
            part = data[start : start + self.ring]
            at = (self.read - self.head) % self.ring
            first = part[: self.ring - at]
            os.pwrite(self.output, first, self.head + at)
            os.pwrite(self.output, part[len(first) :], self.head)
            self.read += len(part)

    def masked(self, data: bytes) -> bytes:
        """Known secrets blacked out, also where one is cut by the edge of a chunk: what may be its beginning waits."""
        data = self.pending + data
        for value in self.hidden:
            data = data.replace(value, b"***")
        keep = max(
            (size for value in self.hidden for size in range(1, len(value)) if data.endswith(value[:size])), default=0
        )
        self.pending = data[len(data) - keep :]
        return data[: len(data) - keep]

    def finish_output(self) -> None:
        """Put the ring in order, with a line about what is missing before it."""
        if self.pending:
            rest, self.hidden = self.pending, []
            self.take(rest)
        dropped = self.read - self.head - self.ring
        if dropped > 0:
            at = (self.read - self.head) % self.ring if self.ring else 0
            end = os.pread(self.output, self.ring - at, self.head + at) + os.pread(self.output, at, self.head)
            note = b"\n[rae-auto: %d bytes left out]\n" % dropped
            os.pwrite(self.output, note + end, self.head)
        os.close(self.output)


class Keeper:
    """The loop: requests in, children out, statuses on disk."""

    def __init__(self, channel: socket.socket) -> None:
        self.channel = channel
        self.selector = selectors.DefaultSelector()
        self.when_readable(channel, self.on_request)
        self.jobs: dict[int, Job] = {}
        self.incoming = b""
        self.outgoing: list[bytes] = []
        self.alive = True
        self.boot = boot_id()
        wake, self.woken = os.pipe()
        for end in (wake, self.woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.when_readable(wake, lambda: os.read(wake, CHUNK))

    def when_readable(self, source: socket.socket | int, call: Callable[[], object]) -> None:
        self.selector.register(source, selectors.EVENT_READ, call)

    def run(self) -> None:
        """Until the daemon has gone and the last job has ended."""
        while self.alive or self.jobs:
            deadlines = [job.deadline for job in self.jobs.values() if job.deadline is not None]
            timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
            for key, _ in self.selector.select(timeout):
                key.data()
            self.reap()
            self.close_ended()
            self.send()

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
            try:
                self.spawn(request)
            except Exception as error:
                self.report({"failed": request["key"], "error": explain(error, request)})

    def spawn(self, request: Message) -> None:
        # No one else's file: the name is fresh, and links are not followed.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        output = os.open(request["output"], flags, 0o600)
        reading, writing = os.pipe()
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
            )
        except BaseException:
            os.close(reading)
            os.close(output)
            raise
        finally:
            os.close(writing)
        job = self.jobs[process.pid] = Job(request, process, output, reading)
        ticks = start_ticks(process.pid)
        write_whole(side_file(job.path, "start"), {"pid": process.pid, "ticks": ticks, "boot": self.boot})
        os.set_blocking(reading, False)
        self.when_readable(reading, lambda: self.on_output(job))
        self.report({"started": job.key, "pid": process.pid, "ticks": ticks, "boot": self.boot})

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
                job.take(data)
        else:
            self.stop_reading(job)

    def stop_reading(self, job: Job) -> None:
        if job.reading:
            job.reading = False
            self.selector.unregister(job.pipe)
            os.close(job.pipe)

    def reap(self) -> None:
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            job = self.jobs.get(pid)
            if job is not None:
                job.end = status, usage
                # Popen must not wait for somebody else's process later.
                job.process.returncode = os.waitstatus_to_exitcode(status)
                job.deadline = time.monotonic() + LAST_WORDS

    def close_ended(self) -> None:
        now = time.monotonic()
        for pid, job in list(self.jobs.items()):
            if job.deadline is not None and (not job.reading or now >= job.deadline):
                self.stop_reading(job)
                del self.jobs[pid]
                self.close(job)

    def close(self, job: Job) -> None:
        assert job.end is not None
        status, usage = job.end
        code = os.waitstatus_to_exitcode(status)
        record = {
            "exit_code": code if code >= 0 else None,
            "signal": -code if code < 0 else None,
            "cpu": round(usage.ru_utime + usage.ru_stime, 6),
            "ended_at": time.time(),
        }
        try:
            job.finish_output()
            write_whole(side_file(job.path, "exit"), record)
        except OSError:
            pass  # the daemon hears of it all the same
        self.report({"ended": job.key, "exit": record})

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


def start_ticks(pid: int) -> int | None:
    """When a process began, in clock ticks since boot: with the pid it names a process once for all. See proc(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def boot_id() -> str | None:
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return None


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
    """Have orphans of jobs handed to us instead of to init, so that they are reaped. Linux: prctl(2)."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)


if __name__ == "__main__":
    become_subreaper()
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # The daemon is what is stopped; jobs are stopped by it. A handler, unlike SIG_IGN, isn't inherited.
        signal.signal(ignored, lambda *_: None)
    with socket.socket(fileno=0) as daemon:
        Keeper(daemon).run()
