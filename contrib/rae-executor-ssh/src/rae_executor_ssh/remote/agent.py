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
    {"token": T, "alive": {start record}}
    {"token": T, "at": OFFSET, "data": BASE64}               output; "end": true cuts off what stands behind it
    {"token": T, "ended": {exit record}, "index": TEXT}      after the last of its output
    {"token": T, "never": true} or {"token": T, "lost": true}
    {"token": T, "failed": TEXT}                             its directory can't be made: it was not started
"""

import base64
import json
import os
import platform
import select
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from rae_executor_ssh.remote.attempt_keeper import ask_to_end, detach_keeper
from rae_executor_ssh.remote.run_directory import RunDirectory
from rae_plugins.executors.process.keeper import procfs

Message = dict[str, Any]
Report = Callable[[Message], None]

PROTOCOL = 1
READ_BYTES = 1 << 16
DATA_BYTES = 48 << 10
"""Bytes of output in one report."""

MAX_OUTPUT_BYTES_A_LOOK = 1 << 20
"""Bytes of output that are reported before others get their turn."""

FIRST_LOOK_SECONDS, MAX_LOOK_SECONDS = 0.01, 0.1
"""Bounds of the interval between looks at an attempt, which doubles while nothing happens."""

SILENCE_SECONDS = 90.0
"""Time without a word from the daemon after which its line counts as dead."""

DONE_DAYS, UNDELIVERED_DAYS = 7, 60
"""Days for which the directory of an attempt is kept: once the daemon has its result, and without that."""


class Followed:
    """An attempt whose output and end are reported."""

    def __init__(self, directory: RunDirectory, run: str, offset: int) -> None:
        """Begin with the output behind `offset`."""
        self.directory = directory
        self.run = run
        self.offset = offset
        self.is_reported = False
        self.next_look = 0.0
        self.interval = FIRST_LOOK_SECONDS
        self.cap: int = directory.about().get("cap", 0)

    def look(self, report: Report, now: float) -> bool:
        """Report what is new; return whether that was the last of it."""
        token = self.directory.token
        # First, so that all output that came before the end is there.
        state = self.directory.find_state(self.run)
        if not self.is_reported and state == "alive" and (record := self.directory.start_record()) is not None:
            self.is_reported = True
            report({"token": token, "alive": record})
        has_more: bool | str = self._send_output(report, state == "ended") if state != "never" else False
        self.interval = FIRST_LOOK_SECONDS if has_more else min(2 * self.interval, MAX_LOOK_SECONDS)
        self.next_look = now + self.interval
        if state == "alive" or has_more == "much":
            return False
        if state == "ended":
            index = _read_text(self.directory.index_path)
            report({"token": token, "ended": self.directory.exit_record(), "index": index})
        else:
            report({"token": token, state: True})
        return True

    def _send_output(self, report: Report, is_ended: bool) -> bool | str:
        """Report output; return whether there was some, and "much" if there is more.

        Up to its cap the file only grows. Behind it the keeper goes round in the second half, which is in order, and a
        note longer, at the end.
        """
        try:
            file = os.open(self.directory.output, os.O_RDONLY)
        except OSError:
            return False
        with os.fdopen(file, "rb", buffering=0) as output:
            size = os.fstat(output.fileno()).st_size
            if is_ended and size > self.cap and self.offset > self.cap // 2:
                self.offset, self.cap = self.cap // 2, size
            limit = size if is_ended else min(size, self.cap)
            first = self.offset
            while self.offset < limit and self.offset - first < MAX_OUTPUT_BYTES_A_LOOK:
                data = os.pread(output.fileno(), min(DATA_BYTES, limit - self.offset), self.offset)
                if not data:
                    break
                message = {"token": self.directory.token, "at": self.offset, "data": base64.b64encode(data).decode()}
                self.offset += len(data)
                report(message)
            if self.offset < limit and self.offset > first:
                return "much"
            return self.offset > first


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
            ask_to_end(directory, message["grace"])
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
            is_ours = directory.create({"run": message["run"], "cap": request["cap"]})
        except OSError as error:
            self.report({"token": directory.token, "failed": f"{directory.path}: {error.strerror}"})
            return
        if is_ours:
            detach_keeper(directory, build_request(directory, request))
        self.follow(directory, message["run"], 0)

    def follow(self, directory: RunDirectory, run: str, offset: int) -> None:
        """Report what becomes of an attempt."""
        self.followed[directory.token] = Followed(directory, run, offset)

    def report(self, message: Message) -> None:
        """Send a report. Errors: OSError."""
        data = json.dumps(message).encode() + b"\n"
        while data:
            data = data[os.write(1, data) :]


def build_request(directory: RunDirectory, request: Mapping[str, Any]) -> Message:
    """Return the request as the keeper takes it: with the variables and paths of this machine."""
    made = dict(request, key=directory.token, output=directory.output)
    own = ("HOME", "LOGNAME", "PATH", "SHELL", "USER", "LANG", "TZ", "TMPDIR", "XDG_RUNTIME_DIR")
    environment = {name: os.environ[name] for name in own if name in os.environ}
    environment.update((name, os.environ[name]) for name in os.environ if name.startswith("LC_"))
    environment.update(made["env"])
    private = os.path.join(directory.path, "private")
    if made["files"]:
        os.mkdir(private, 0o700)
        made["private"] = private
    for number, (name, text) in enumerate(sorted(made.pop("files").items())):
        path = os.path.join(private, str(number))
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(text))
        environment[name] = path
    made["env"] = environment
    made["cwd"] = os.path.join(os.path.expanduser("~"), os.path.expanduser(made["cwd"] or ""))
    return made


def check_token(token: str) -> str:
    """Return a token that is the name of a directory, and no path. Errors: ValueError."""
    if not token.replace(".", "").replace("-", "").replace("_", "").isalnum() or token.startswith("."):
        raise ValueError(token)
    return token


def remove_old(runs: str) -> None:
    """Remove directories of attempts that are long over, and agents of earlier versions."""
    now = time.time()
    for name in os.listdir(runs):
        directory = RunDirectory(runs, name)
        with suppress(OSError):
            is_done = os.path.exists(os.path.join(directory.path, "done"))
            age_days = (now - os.stat(directory.path).st_mtime) / 86_400
            if age_days > (DONE_DAYS if is_done else UNDELIVERED_DAYS) and not directory.is_kept():
                shutil.rmtree(directory.path)
    base = os.path.dirname(runs)
    for name in os.listdir(base):
        path = os.path.join(base, name)
        with suppress(OSError):
            is_other = name.startswith("agent-") and path != sys.path[0]
            if is_other and now - os.stat(path).st_mtime > UNDELIVERED_DAYS * 86_400:
                shutil.rmtree(path)


def _read_text(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode("ascii", "replace")
    except OSError:
        return ""


def main(base: str) -> None:
    """Serve the daemon at the other end of standard input and output, with files below `base`."""
    with suppress(BrokenPipeError):
        Agent(base).serve()
