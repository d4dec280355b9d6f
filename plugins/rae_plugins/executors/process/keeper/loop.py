"""The keeper's event loop: requests in, children out, trees terminated, statuses on disk.

One turn: wait for the socket, a pipe, a signal or the next deadline; handle what came; reap children; do what is due
for each job; send the reports. What differs between platforms is behind `control`. The protocol and the
races are described in the package's docstring.
"""

import json
import os
import signal
import socket
import sys
import time
from collections import deque
from contextlib import suppress
from functools import partial
from typing import Any

from rae_plugins.executors.process.keeper.attempt_process import OUTPUT_DRAIN_SECONDS, AttemptProcess
from rae_plugins.executors.process.keeper.control import ProcessControl
from rae_plugins.executors.process.keeper.files.records import AttemptRecords, DeferredRecords, remove_private_files
from rae_plugins.executors.process.keeper.files.spare_files import SpareFiles
from rae_plugins.executors.process.keeper.spawn import READ_BYTES, explain_spawn_error
from rae_plugins.executors.process.keeper.termination import Termination

Message = dict[str, Any]

ORPHAN_EXIT_SECONDS = 0.1
"""Time in which processes that a job left behind may end by themselves."""

FEW_REQUESTS, MANY_REQUESTS = 2, 16
"""Numbers of requests that a turn handles: few, so that the daemon learns soon what has ended and goes on beside us;
many where more than that wait, because it has more to do then, and what has ended can wait."""

STORED = b'{"stored"'
"""The begin of a request that says which ends are durable."""

MAX_TURNS_WITHOUT_ENDS = 10
"""Number of turns that only start jobs, while limits are not checked either."""

MAX_ERROR_CHARACTERS = 500


class Keeper:
    """The keeper of one daemon's jobs; it works until the daemon has gone and the last job has ended."""

    def __init__(
        self,
        channel: socket.socket,
        control: ProcessControl | None = None,
        records: AttemptRecords | None = None,
        spares: SpareFiles | None = None,
    ) -> None:
        """Keep the jobs of the daemon at the other end of `channel`; `control` is by default the platform's.

        By default `records` are written at once, and there are no `spares`.
        """
        self.channel = channel
        self.spares = spares or SpareFiles()
        self.control = control or make_control(self.spares)
        self.jobs = self.control.jobs
        self.control.call_when_readable(channel, self.read_requests)
        self.incoming = b""
        self.requests: deque[bytes] = deque()
        """Requests that have been read and not handled."""
        self.turns_without_ends = 0
        self.outgoing: list[bytes] = []
        self.is_connected = True
        self.records = records or AttemptRecords()

    def run(self) -> None:
        """Work until the daemon has gone and no job is left."""
        while self.is_connected or self.jobs or self.requests:
            self.control.wait(0.0 if self.requests or self.spares.has_work else self.seconds_to_next())
            self.handle_requests()
            self.turns_without_ends += 1
            if not (self.requests and self.is_in_burst) or self.turns_without_ends > MAX_TURNS_WITHOUT_ENDS:
                self.turns_without_ends = 0
                self.control.reap()
                self.update_jobs()
            self.records.write_due(time.monotonic())
            self.send_reports()
            if self.spares.has_work and not self.requests:
                self.spares.prepare()

    def seconds_to_next(self) -> float | None:
        """Return the time until something is due, if anything is."""
        deadlines = [at for job in self.attended_jobs() if (at := job.next_deadline()) is not None]
        if (due := self.records.next_due()) is not None:
            deadlines.append(due)
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

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
            if line.startswith(STORED):
                # Waits behind no start: records would be written meanwhile that the daemon has no use for any more.
                self.handle(json.loads(line))
            else:
                self.requests.append(line)

    @property
    def is_in_burst(self) -> bool:
        """True while there is much at once to start, so that ends can wait until all has been started."""
        return len(self.jobs) + len(self.requests) > MANY_REQUESTS

    def handle_requests(self) -> None:
        """Handle some of the requests that have been read."""
        count = MANY_REQUESTS if self.is_in_burst else FEW_REQUESTS
        for _ in range(min(count, len(self.requests))):
            self.handle(json.loads(self.requests.popleft()))

    def handle(self, request: Message) -> None:
        if "end" in request:
            self.end(request["end"], request["grace"])
        elif "stored" in request:
            self.records.confirm(request["stored"])
        elif "expect" in request:
            self.spares.expect(request["expect"], request["folders"])
        else:
            try:
                self.spawn(request)
            except Exception as error:  # an attempt that can't be started harms no other
                self.report_failure(request, error)

    def disconnect(self) -> None:
        self.is_connected = False
        self.control.stop_reading(self.channel)
        self.records.handle_lost_daemon()
        self.spares.close()

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
                self.records.write_failure(request["output"], {**record, "ended_at": time.time()})
        self.report({"failed": request["key"], "error": text})

    def spawn(self, request: Message) -> None:
        job, details = self.control.spawn(request)
        job.spawned_at = details["spawned"][0]
        self.jobs[job.pid] = job
        record = {"pid": job.pid, **self.control.identity, **details}
        # On a full disk the daemon still gets the report.
        with suppress(OSError):
            self.records.write_start(job.key, job.path, record)
        for pipe in job.pipes:
            self.control.watch_output(pipe, partial(self.keep_output, job, pipe))
        self.report({"started": job.key, **record})

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
        job.termination = self.control.begin_termination(job, grace_seconds, now)

    # Children

    def keep_output(self, job: AttemptProcess, pipe: int, data: bytes) -> None:
        if pipe not in job.pipes:
            return
        if data:
            # A full disk must not stop the job.
            with suppress(OSError):
                job.output.write(data, is_error=pipe == job.error_pipe)
        else:
            self.close_pipe(job, pipe)

    def close_pipe(self, job: AttemptProcess, pipe: int) -> None:
        job.pipes.remove(pipe)
        self.control.close_pipe(pipe)

    def update_jobs(self) -> None:
        """Do what is due for each job: check limits, end orphans, step terminations, finish."""
        now = time.monotonic()
        orphans: Any = None
        for job in self.attended_jobs():
            if job.termination is None and job.code is not None and job.orphans == "kill":
                orphans = self.control.find_orphans() if orphans is None else orphans
                self.check_orphans(job, orphans, now)
            if job.termination is not None:
                self.step_termination(job, job.termination, now)
            elif self.has_exceeded_limit(job, now):
                self.terminate(job, 0)
            if self.is_finished(job, now):
                for pipe in list(job.pipes):
                    self.close_pipe(job, pipe)
                self.finish(job)

    def attended_jobs(self) -> list[AttemptProcess]:
        """Return the jobs for which time matters: not those that just run, of which there may be hundreds."""
        return [
            job
            for job in self.jobs.values()
            if job.code is not None or job.termination is not None or job.limit_watch is not None
        ]

    def check_orphans(self, job: AttemptProcess, orphans: Any, now: float) -> None:
        """End what a job has left behind. What is ending by itself, as a part of a pipe, gets a moment for that."""
        if not self.control.has_orphans(job, orphans):
            job.orphans_end_at = None
        elif job.orphans_end_at is None:
            job.orphans_end_at = now + ORPHAN_EXIT_SECONDS
        elif now >= job.orphans_end_at:
            job.ends_orphans = True
            self.terminate(job, job.kill_after_seconds)

    def has_exceeded_limit(self, job: AttemptProcess, now: float) -> bool:
        is_due = job.limit_watch is not None and job.code is None and now >= job.limit_watch.next_check
        return is_due and job.check_limits(self.control.members(job), now)

    def step_termination(self, job: AttemptProcess, termination: Termination, now: float) -> None:
        if now >= termination.next_check and not termination.is_over:
            termination.step(now)
            if termination.is_over:
                # Those that died since the last reaping must be counted.
                self.control.reap()
                # What they printed last may still be in the pipe.
                job.drain_deadline = now + OUTPUT_DRAIN_SECONDS

    def is_finished(self, job: AttemptProcess, now: float) -> bool:
        if job.termination is not None and not job.termination.is_over:
            return False
        if job.orphans_end_at is not None:
            return False
        if job.code is None:
            return job.termination is not None and bool(job.termination.survivors)
        return not job.pipes or (job.drain_deadline is not None and now >= job.drain_deadline)

    def finish(self, job: AttemptProcess) -> None:
        if job.orphans == "allow" and job.termination is None:
            job.leaves_processes = self.control.has_orphans(job, self.control.find_orphans())
        del self.jobs[job.pid]
        record = job.exit_record(self.control.own_peak_bytes() if job.limits else 0)
        self.control.release(job)
        if job.private is not None:
            remove_private_files(job.private)
        # The daemon gets the report in any case, and the record is written also if the rest of the output isn't.
        with suppress(OSError):
            job.output.close()
        with suppress(OSError):
            self.records.write_exit(job.key, job.path, record, is_quiet=not job.output.written_bytes)
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


def become_subreaper() -> None:
    """Become the parent of orphans of jobs, instead of init, so that they are known and reaped. Linux: prctl(2)."""
    if sys.platform == "linux":
        import ctypes

        set_child_subreaper = 36
        ctypes.CDLL(None).prctl(set_child_subreaper, 1, 0, 0, 0)


def request_death_signal(number: int) -> None:
    """Have the kernel send this process a signal when the thread dies that has started it. Linux: prctl(2)."""
    if sys.platform == "linux":
        import ctypes

        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, number, 0, 0, 0)


def make_control(spares: SpareFiles) -> ProcessControl:
    """Return the control of this platform, which takes output files from `spares`. Errors: OSError."""
    if os.name == "nt":
        from rae_plugins.executors.process.keeper.windows.control import WindowsControl

        return WindowsControl()
    from rae_plugins.executors.process.keeper.posix_control import PosixControl

    return PosixControl(spares.open_output)


def open_channel() -> socket.socket:
    """Return the socket to the daemon: standard input itself, or on Windows what is described there."""
    if os.name == "nt":
        channel: socket.socket = socket.fromshare(sys.stdin.buffer.read())  # type: ignore[attr-defined, unused-ignore]
        # The daemon may close its own handle of it from now on.
        os.write(sys.stdout.fileno(), b".")
        return channel
    return socket.socket(fileno=0)


def main() -> None:
    """Keep the jobs of the daemon at the other end of standard input."""
    become_subreaper()
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
        # These stop the daemon, which then stops its jobs. A handler, unlike SIG_IGN, isn't inherited.
        if (number := getattr(signal, name, None)) is not None:
            signal.signal(number, lambda *_: None)
    spares = SpareFiles(sys.argv[1] if len(sys.argv) > 1 else None)
    with open_channel() as channel:
        Keeper(channel, records=DeferredRecords(), spares=spares).run()
