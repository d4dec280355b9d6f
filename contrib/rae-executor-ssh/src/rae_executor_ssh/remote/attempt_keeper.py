"""The keeper of one attempt: the process executor's, whose channel is a named pipe instead of a daemon's socket."""

import json
import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, cast

from rae_plugins.executors.process.keeper.files.records import remove_private_files
from rae_plugins.executors.process.keeper.loop import Keeper, become_subreaper
from rae_plugins.executors.remote.host.run_directory import RunDirectory

MAX_CONTROL_BYTES = 1 << 16

ANSWER = 3
"""Descriptor by which a keeper answers the agent that has forked it."""

HELD = b"."
"""Answer of a keeper that holds the directory; any other is the number of an error, and its text."""


class AttemptKeeper(Keeper):
    """Keeps one job, and ends it on request, or once its timeout has passed without a request."""

    def __init__(self, pipe: int) -> None:
        """Take requests to end the job from a pipe."""
        # What the process executor does with a socket, a descriptor can do too.
        super().__init__(cast("Any", pipe))
        self.pipe = pipe
        # Its end is not committed to a store at once, so each record is written through.
        self.records.handle_lost_daemon()
        self.is_connected = False
        self.deadline: float | None = None

    def keep(self, request: dict[str, Any]) -> None:
        """Spawn the job of a request, and work until it has ended."""
        limit = request.get("timeout")
        try:
            self.spawn(request)
        except Exception as error:  # whatever it is, it is the end of the attempt
            self.report_failure(request, error)
            if request.get("private"):
                remove_private_files(request["private"])
        if limit is not None:
            self.deadline = time.monotonic() + limit
        while self.jobs:
            deadlines = [at for job in self.jobs.values() for at in (job.next_deadline(),) if at is not None]
            if self.deadline is not None:
                deadlines.append(self.deadline)
            self.control.wait(max(0.0, min(deadlines) - time.monotonic()) if deadlines else None)
            self.control.reap()
            self.check_deadline(request)
            self.update_jobs()

    def check_deadline(self, request: Mapping[str, Any]) -> None:
        """End the job where its time is over."""
        if self.deadline is None or time.monotonic() < self.deadline:
            return
        self.deadline = None
        for job in self.jobs.values():
            job.error = job.error or "ended by its host, because its timeout was over"
            self.terminate(job, request.get("kill_after", 5.0))

    def read_requests(self) -> None:
        """Read what agents have written into the pipe."""
        try:
            data = os.read(self.pipe, MAX_CONTROL_BYTES)
        except OSError:
            return
        *lines, self.incoming = (self.incoming + data).split(b"\n")
        for line in lines:
            # What others of this user may write into the pipe must not end the keeper.
            with suppress(ValueError, KeyError, TypeError):
                self.end(self.key(), float(json.loads(line)["grace"]))

    def key(self) -> str:
        """Return the key of the only job; empty if it has ended."""
        return next((job.key for job in self.jobs.values()), "")

    def report(self, message: dict[str, Any]) -> None:
        """Report nothing: the records in the run directory say it all."""


def detach_keeper(directory: RunDirectory, request: dict[str, Any]) -> None:
    """Fork the keeper of an attempt, which leaves the connection behind; return once it holds the directory.

    Errors: OSError.
    """
    reading, writing = os.pipe()
    try:
        child = os.fork()
    except OSError:
        os.close(reading)
        os.close(writing)
        raise
    if child:
        os.close(writing)
        os.waitpid(child, 0)
        with open(reading, "rb") as answers:
            answer = answers.read()
        if answer != HELD:
            raise _to_error(answer)
        return
    try:
        if writing != ANSWER:
            writing = os.dup2(writing, ANSWER, inheritable=False)
        os.setsid()
        if os.fork():
            os._exit(0)
        keeper = _become_keeper(directory)
    except BaseException as error:
        with suppress(OSError):
            os.write(writing, f"{getattr(error, 'errno', None) or 0} {error}".encode())
        os._exit(0)
    try:
        keeper.keep(request)
    except BaseException as error:
        with suppress(OSError), open(os.path.join(directory.path, "keeper-error.txt"), "w") as file:
            file.write(repr(error))
    os._exit(0)


def _to_error(answer: bytes) -> OSError:
    """Return the error that a keeper has met before it held the directory."""
    number, _, text = answer.decode(errors="replace").partition(" ")
    return (
        OSError(int(number), os.strerror(int(number))) if number not in ("", "0") else OSError(text or "it has ended")
    )


def _become_keeper(directory: RunDirectory) -> AttemptKeeper:
    """Leave the connection behind, hold the directory, and tell the agent so. Errors: OSError."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGPIPE"):
        # A handler, unlike SIG_IGN, isn't inherited.
        signal.signal(getattr(signal, name), lambda *_: None)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    os.closerange(ANSWER + 1, os.sysconf("SC_OPEN_MAX") if os.sysconf("SC_OPEN_MAX") < 65536 else 65536)
    os.chdir("/")
    directory.hold()
    # Open for writing too, so that it never ends.
    channel = os.open(directory.control, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    become_subreaper()
    keeper = AttemptKeeper(channel)
    os.write(ANSWER, HELD)
    os.close(ANSWER)
    return keeper
