"""The keeper of one worker: the process executor's, as the child of a Dask worker, with which its jobs end.

Two processes: the *guard*, whose parent is the worker, and its child, the keeper, which spawns the jobs. The protocol
is JSON lines over a socket pair, of which the relay holds the other end. Requests; those with an "id" get a reply:

    {"id": N, "do": "spawn", "token": T, "run": ID, "request": {…}}    start an attempt unless it has a directory
    {"id": N, "do": "poll", "session": TEXT, "seconds": S, "attempts": {T: [ID, OFFSET, IS_REPORTED]}}
                                           report on attempts of this machine once there is something, or after S;
                                           those that the session has just spawned are added, and its older polls end
    {"do": "end", "token": T, "grace": SECONDS}
    {"do": "done", "token": T}             the result has arrived: forget the output
    {"do": "lease", "until": TIME}         the worker belongs to the cluster: jobs may go on until then (`read_clock`)

Replies are {"id": N, "reports": […]}, {"id": N} or {"id": N, "failed": TEXT}; {"over": T} says that nothing of an
attempt runs any more.


When jobs end with the worker
=============================

    worker killed              the socket ends; the kernel sends SIGTERM to the guard (pdeathsig), which passes it on
    worker stopped, cut off    the lease isn't renewed
    keeper killed              the guard ends what is left of its jobs
    guard killed               the kernel sends SIGTERM to the keeper

In each case the jobs are killed at once, without a grace: the sooner they are gone, the sooner that is proven.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, cast

from rae_executor_dask.remote.lost import LEASE_OVER, NO_LEASE, WORKER_ENDED
from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.files.records import remove_private_files
from rae_plugins.executors.process.keeper.loop import Keeper, become_subreaper, request_death_signal
from rae_plugins.executors.process.keeper.spawn import READ_BYTES
from rae_plugins.executors.remote.host.followed_attempt import Followed, Message
from rae_plugins.executors.remote.host.run_directory import RunDirectory
from rae_plugins.executors.remote.host.run_requests import check_token, complete_request, remove_old

MAX_REPLY_BYTES = 2 << 20
"""Size of a reply to a poll beyond which further attempts have to wait for the next one."""

UNSENT_SECONDS = 0.05
"""Interval between tries to send what the worker has not yet taken."""

FRESH_SECONDS = 30.0
"""Time for which an attempt that was spawned is added to polls that don't name it."""

UNPOLLED_SECONDS = 15.0
"""Time without a poll after which exit records are written through to disk, as no daemon is there to record an end."""

TIMED_OUT = "ended by its worker, because its timeout was over"


def read_clock() -> float:
    """Return seconds that go on while the machine is suspended, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Poll:
    """A question about attempts that waits for an answer."""

    def __init__(self, number: int, session: str, until: float, followed: "list[Followed]") -> None:
        self.number, self.session, self.until, self.followed = number, session, until, followed
        self.reports: list[Message] = []

    def look(self, now: float) -> bool:
        """Look at the attempts whose time has come; return whether there is an answer."""
        size = 0
        for one in list(self.followed):
            if now >= one.next_look and size < MAX_REPLY_BYTES:
                count = len(self.reports)
                if one.look(self.reports.append, now):
                    self.followed.remove(one)
                size += sum(len(report.get("data", "")) for report in self.reports[count:])
        return bool(self.reports) or now >= self.until


class WorkerKeeper(Keeper):
    """Keeps the jobs of one worker, and ends with it."""

    def __init__(self, channel: socket.socket, base: str) -> None:
        """Keep files below `base`. Errors: OSError."""
        super().__init__(channel)
        self.runs = os.path.join(base, "runs")
        self.polls: list[Poll] = []
        self.fresh: dict[str, tuple[str, str, float]] = {}
        """Attempts that no poll has named yet: their session and run, and until when they are added to polls."""
        self.held: dict[str, tuple[int, int]] = {}
        """By attempt: the descriptors of its lock and of its named pipe."""
        self.timeouts: dict[str, float] = {}
        self.lease_end = 0.0
        self.polled_at = time.monotonic()
        self.is_worker_gone = False
        self.unsent = b""

    def run(self) -> None:
        """Work until the worker has gone, and no job is left."""
        remove_old(self.runs)
        while self.is_connected or self.jobs:
            self.control.wait(self.wait_seconds())
            self.control.reap()
            if self.is_worker_gone and self.is_connected:
                self.disconnect()
            self.check_lease()
            self.check_timeouts()
            self.update_jobs()
            self.answer_polls()
            self.send_reports()

    def wait_seconds(self) -> "float | None":
        """Return the time until something is due."""
        now = time.monotonic()
        deadlines = [at - now for job in self.jobs.values() if (at := job.next_deadline()) is not None]
        deadlines += [at - now for at in self.timeouts.values()]
        deadlines += [min([poll.until, *(one.next_look for one in poll.followed)]) - now for poll in self.polls]
        if self.jobs:
            deadlines.append(self.lease_end - read_clock())
        if self.unsent:
            deadlines.append(UNSENT_SECONDS)
        return max(0.0, min(deadlines)) if deadlines else None

    # Requests

    def read_requests(self) -> None:
        """Read what the relay has sent."""
        try:
            data = self.channel.recv(READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self.disconnect()
            return
        *lines, self.incoming = (self.incoming + data).split(b"\n")
        for line in lines:
            self.handle(json.loads(line))

    def handle(self, message: Message) -> None:
        """Handle a request of the relay."""
        do = message["do"]
        if do == "lease":
            self.lease_end = message["until"]
        elif do == "poll":
            self.add_poll(message)
        elif do == "spawn":
            self.reply(message["id"], failed=self.start(message))
        else:
            directory = RunDirectory(self.runs, check_token(message["token"]))
            if do == "end":
                directory.ask_to_end(message["grace"])
            elif do == "done":
                self.fresh.pop(directory.token, None)
                directory.mark_done()

    def start(self, message: Message) -> "str | None":
        """Start an attempt unless it has a directory; return why that isn't possible."""
        problem = self.try_to_start(message)
        if problem is None:
            token, session = message["token"], message["session"]
            self.fresh[token] = session, message["run"], time.monotonic() + FRESH_SECONDS
            for poll in self.polls:
                if poll.session == session:
                    poll.followed.append(Followed(RunDirectory(self.runs, token), message["run"], 0))
        return problem

    def try_to_start(self, message: Message) -> "str | None":
        """Start an attempt unless it has a directory; return why that isn't possible."""
        directory = RunDirectory(self.runs, check_token(message["token"]))
        if self.lease_end <= read_clock():
            # The cluster may have counted this worker as gone already.
            return NO_LEASE
        request = message["request"]
        about = {"run": message["run"], "cap": request["cap"], "keeper": os.getpid()}
        try:
            if not directory.create(about, is_durable=False):
                return None
            self.hold(directory)
        except OSError as error:
            return f"{directory.path}: {error.strerror}"
        made = None
        try:
            made = complete_request(directory, request)
            self.spawn(made)
        except Exception as error:  # whatever it is, it is the end of the attempt
            self.report_failure(made or {**request, "key": directory.token, "output": directory.output}, error)
            remove_private_files(directory.private)
            return None
        if (limit := request.get("timeout")) is not None:
            self.timeouts[directory.token] = time.monotonic() + limit
        return None

    def hold(self, directory: RunDirectory) -> None:
        """Be its keeper from now on. Errors: OSError."""
        lock = directory.hold()
        pipe = os.open(directory.control, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self.held[directory.token] = lock, pipe
        self.control.call_when_readable(cast("Any", pipe), partial(self.read_control, directory.token, pipe))

    def release(self, token: str) -> None:
        """Be its keeper no more: its records say all."""
        self.timeouts.pop(token, None)
        lock, pipe = self.held.pop(token, (-1, -1))
        if lock >= 0:
            self.control.stop_reading(cast("Any", pipe))
            os.close(pipe)
            os.close(lock)

    def read_control(self, token: str, pipe: int) -> None:
        """Read requests to end an attempt."""
        # What others of this user may write into the pipe must not end the keeper.
        with suppress(OSError, ValueError, KeyError, TypeError):
            for line in os.read(pipe, READ_BYTES).splitlines():
                self.end(token, float(json.loads(line)["grace"]))

    # Ends

    def disconnect(self) -> None:
        """End all jobs, because the worker has gone."""
        if self.is_connected:
            super().disconnect()
            self.polls.clear()
            self.end_all(WORKER_ENDED)

    def check_lease(self) -> None:
        """End all jobs once the lease has not been renewed."""
        if self.jobs and read_clock() >= self.lease_end:
            self.end_all(LEASE_OVER)
            self.lease_end = float("inf")

    def end_all(self, reason: str) -> None:
        """Kill all jobs."""
        for job in self.jobs.values():
            if job.code is None:
                job.error = job.error or reason
            self.terminate(job, 0.0)

    def check_timeouts(self) -> None:
        """End jobs whose time is over."""
        now = time.monotonic()
        for token, at in list(self.timeouts.items()):
            if now >= at:
                del self.timeouts[token]
                for job in self.jobs.values():
                    if job.key == token:
                        job.error = job.error or TIMED_OUT
                        self.terminate(job, job.kill_after_seconds)

    # Reports

    def keep_output(self, job: AttemptProcess, pipe: int, data: bytes) -> None:
        """Keep output, and have it reported at once."""
        super().keep_output(job, pipe, data)
        self.hasten(job.key)

    def hasten(self, token: str) -> None:
        """Have an attempt looked at now."""
        for poll in self.polls:
            for one in poll.followed:
                if one.directory.token == token:
                    one.next_look = 0.0

    def report(self, message: Message) -> None:
        """Report ends; the records say the rest."""
        token = message.get("ended") or message.get("failed")
        if token is not None:
            self.release(token)
            self.hasten(token)
            self.unsent += json.dumps({"over": token}).encode() + b"\n"

    def reply(self, number: int, **content: Any) -> None:
        """Reply to a request."""
        self.unsent += json.dumps({"id": number, **content}).encode() + b"\n"

    def add_poll(self, message: Mapping[str, Any]) -> None:
        """Note a question about attempts."""
        now = self.polled_at = time.monotonic()
        session, followed = message["session"], []
        for token, (run, offset, is_reported) in message["attempts"].items():
            self.fresh.pop(token, None)
            one = Followed(RunDirectory(self.runs, check_token(token)), run, offset)
            one.is_reported = is_reported
            followed.append(one)
        for token, (its_session, run, until) in list(self.fresh.items()):
            if until < now:
                del self.fresh[token]
            elif its_session == session:
                followed.append(Followed(RunDirectory(self.runs, token), run, 0))
        for poll in self.polls:
            if poll.session == session:
                poll.until = now
        self.polls.append(Poll(message["id"], session, now + message["seconds"], followed))

    def answer_polls(self) -> None:
        """Reply to the polls that have an answer."""
        now = time.monotonic()
        if now - self.polled_at > UNPOLLED_SECONDS:
            self.records.handle_lost_daemon()
        for poll in list(self.polls):
            if poll.look(now):
                self.polls.remove(poll)
                self.reply(poll.number, reports=poll.reports)

    def send_reports(self) -> None:
        """Send what the worker takes; one that is stopped must not stop the keeper."""
        if self.unsent and self.is_connected:
            try:
                sent = self.channel.send(self.unsent, socket.MSG_DONTWAIT)
                self.unsent = self.unsent[sent:]
            except BlockingIOError:
                pass
            except OSError:
                self.disconnect()


def main(base: str, worker: int) -> None:
    """Keep the jobs of the worker whose relay is at the other end of standard input; `worker` is its pid."""
    os.makedirs(os.path.join(base, "runs"), mode=0o700, exist_ok=True)
    for name in ("SIGINT", "SIGHUP", "SIGPIPE"):
        # A handler, unlike SIG_IGN, isn't inherited.
        signal.signal(getattr(signal, name), lambda *_: None)
    guard = os.getpid()
    keeper = os.fork()
    if not keeper:
        _keep(base, guard)
        os._exit(0)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(keeper, signal.SIGTERM))
    request_death_signal(signal.SIGTERM)
    os.close(0)
    if os.getppid() != worker:
        os.kill(keeper, signal.SIGTERM)
    while True:
        with suppress(InterruptedError):
            _, status = os.waitpid(keeper, 0)
            break
    if status:
        end_rest(os.path.join(base, "runs"), keeper)


def _keep(base: str, guard: int) -> None:
    channel = socket.socket(fileno=0)
    keeper = WorkerKeeper(channel, base)

    def note_end(*_: object) -> None:
        keeper.is_worker_gone = True

    signal.signal(signal.SIGTERM, note_end)
    request_death_signal(signal.SIGTERM)
    keeper.is_worker_gone = os.getppid() != guard
    become_subreaper()
    keeper.run()


def end_rest(runs: str, keeper: int) -> None:
    """End what is left of the attempts of a keeper that was killed."""
    for token in os.listdir(runs):
        directory = RunDirectory(runs, token)
        about = directory.about()
        if about.get("keeper") == keeper and directory.exit_record() is None and not directory.is_kept():
            with suppress(OSError):
                directory.find_state(about["run"])
