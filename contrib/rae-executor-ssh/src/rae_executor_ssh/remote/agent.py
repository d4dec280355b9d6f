"""The agent: answers one daemon over one connection, and ends with it. The attempts go on.

JSON lines. Requests of the daemon, each about the attempt TOKEN, but "ping":

    {"do": "spawn", "token": T, "run": ID, "request": {…}}   start it, unless it has a directory; then as "follow"
    {"do": "follow", "token": T, "run": ID, "offset": N}     report its state, and its output from there on
    {"do": "end", "token": T, "grace": SECONDS}
    {"do": "done", "token": T}                               the result has arrived: forget its output
    {"do": "ping"}

Reports:

    {"hello": PROTOCOL, "python": "3.11.2", "boot": ID, "free": BYTES}
    {"pong": true}
    {"token": T, "alive": {start record}, "age": SECONDS}
    {"token": T, "at": OFFSET, "data": BASE64}               output; "end": true cuts off what stands behind it
    {"token": T, "ended": {exit record}, "index": TEXT, "age": SECONDS}      after the last of its output
    {"token": T, "never": true} or {"token": T, "lost": true}
    {"token": T, "failed": TEXT}                             it was not started: its files or its keeper can't be made

"age" is the time since the start, so that clocks which differ do no harm.
"""

import errno
import json
import os
import platform
import select
import shutil
import time
from contextlib import suppress

from rae_executor_ssh.remote.attempt_keeper import detach_keeper
from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.files.records import remove_private_files
from rae_plugins.executors.remote.host.followed_attempt import FIRST_LOOK_SECONDS, Followed, Message
from rae_plugins.executors.remote.host.run_directory import RunDirectory
from rae_plugins.executors.remote.host.run_requests import check_token, complete_request, remove_old

PROTOCOL = 1
READ_BYTES = 1 << 16
HINTS = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room there"),
    **dict.fromkeys((errno.EAGAIN, errno.ENOMEM), "the account has too many processes there, or too little memory"),
}
SILENCE_SECONDS = 90.0
"""Time without a word from the daemon after which its line counts as dead."""


class Agent:
    """Answers the daemon at the other end of standard input and output."""

    def __init__(self, base: str) -> None:
        """Keep files below `base`. Errors: OSError."""
        self.runs = os.path.join(base, "runs")
        os.makedirs(self.runs, mode=0o700, exist_ok=True)
        self.followed: dict[str, Followed] = {}
        self.incoming = b""

    def serve(self) -> None:
        """Work until the daemon has gone."""
        usage = shutil.disk_usage(self.runs)
        boot, version = procfs.read_boot_id(), platform.python_version()
        self.report({"hello": PROTOCOL, "python": version, "boot": boot, "free": usage.free})
        remove_old(self.runs)
        last_word_at = time.monotonic()
        while True:
            now = time.monotonic()
            looks = [followed.next_look for followed in self.followed.values()]
            timeout = max(0.0, min([*looks, last_word_at + SILENCE_SECONDS]) - now)
            if select.select([0], [], [], timeout)[0]:
                data = os.read(0, READ_BYTES)
                if not data:
                    return
                last_word_at = time.monotonic()
                *lines, self.incoming = (self.incoming + data).split(b"\n")
                for line in lines:
                    self.handle(json.loads(line))
            elif time.monotonic() - last_word_at >= SILENCE_SECONDS:
                return
            self.look_at_attempts()

    def look_at_attempts(self) -> None:
        """Report what is new of the attempts whose time has come."""
        for token, followed in list(self.followed.items()):
            if time.monotonic() >= followed.next_look and followed.look(self.report, time.monotonic()):
                self.followed.pop(token, None)

    def handle(self, message: Message) -> None:
        """Handle a request of the daemon."""
        if message["do"] == "ping":
            self.report({"pong": True})
            return
        directory = RunDirectory(self.runs, check_token(message["token"]))
        do = message["do"]
        if do == "end":
            directory.ask_to_end(message["grace"])
        elif do == "done":
            directory.mark_done()
        elif do == "spawn":
            self.spawn(directory, message)
        else:
            self.follow(directory, message["run"], message["offset"])
        if directory.token in self.followed:
            self.followed[directory.token].interval = FIRST_LOOK_SECONDS
            self.followed[directory.token].next_look = 0.0

    def spawn(self, directory: RunDirectory, message: Message) -> None:
        """Start an attempt unless it has a directory, and follow it."""
        request = message["request"]
        try:
            if directory.create({"run": message["run"], "cap": request["cap"]}):
                detach_keeper(directory, complete_request(directory, request))
        except Exception as error:  # whatever it is, it is the end of this attempt, and of no other on the line
            # Should the report be lost, the next one is that it never starts. On a full disk the claim is made then.
            with suppress(OSError):
                directory.claim()
            remove_private_files(directory.private)
            self.report({"token": directory.token, "failed": explain_failure(directory, error)})
            return
        self.follow(directory, message["run"], 0)

    def follow(self, directory: RunDirectory, run: str, offset: int) -> None:
        """Report the progress of an attempt."""
        self.followed[directory.token] = Followed(directory, run, offset)

    def report(self, message: Message) -> None:
        """Send a report. Errors: OSError."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]


def explain_failure(directory: RunDirectory, error: Exception) -> str:
    """Return one line on why an attempt could not be started, with the remedy."""
    if not isinstance(error, OSError):
        return f"{directory.path}: {error!r}"
    hint = HINTS.get(error.errno or 0)
    problem = f"{error.filename or directory.path}: {error.strerror or error}"
    return f"{problem}; {hint}" if hint else problem


def main(base: str) -> None:
    """Serve the daemon at the other end of standard input and output, with files below `base`."""
    with suppress(BrokenPipeError):
        Agent(base).serve()
