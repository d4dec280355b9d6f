"""Commands with the same promises without a scheduler: the least that Python needs for them.

Before a command starts, its run is durable (see `records_alone`); a keeper, which would survive its daemon, creates the
output file that only one can create, spawns the command in a session of its own and holds its pipe; the end is durable
with its true exit status. Nothing is decided, checked, limited, masked or cleaned up, no process is sought that a
command leaves behind, and a command is not found again after a crash. So the difference to `floors` is what Python, the
disk and the file system take for the promises, and the difference to ours is what scheduling takes.
"""

import json
import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from figures import fresh_folder, percentiles, report
from records_alone import Run, commit, new_run, open_database

AT_ONCE = 8
STARTS_A_COMMIT = 100
READ_BYTES = 1 << 16


def measure_lateness_of_commands(size: int, _: str) -> dict[str, float]:
    """Start so many commands that are due now."""
    with fresh_folder() as place:
        file = Path(place) / "starts"
        began = time.time()
        _run_all(Path(place), size, size, ["/bin/sh", "-c", f"date +%s.%N >> {file}"])
        return percentiles([float(line) - began for line in file.read_text().splitlines()])


def measure_commands(size: int, _: str) -> dict[str, float]:
    """Run commands that do nothing, some at once."""
    with fresh_folder() as place:
        began = time.perf_counter()
        _run_all(Path(place), size, AT_ONCE, ["/bin/true"])
        return {"rate": size / (time.perf_counter() - began)}


def _run_all(place: Path, size: int, at_once: int, argv: Sequence[str]) -> None:
    numbers, incoming, open_runs = iter(range(size)), b"", dict[str, Run]()
    with open_database() as database, _keeper() as channel:
        while True:
            ended = [json.loads(line) for line in incoming.split(b"\n")[:-1]]
            incoming = incoming[incoming.rfind(b"\n") + 1 :]
            ends = [{**open_runs.pop(end["key"]), **end, "finished_at": time.time()} for end in ended]
            free = min(at_once - len(open_runs), STARTS_A_COMMIT)
            runs = [new_run(number) for number in islice(numbers, free)]
            if ends or runs:
                commit(database, runs, ends)
            for run in runs:
                open_runs[run["id"]] = run
                request = {
                    "key": run["id"],
                    "argv": argv,
                    "env": dict(os.environ),
                    "output": f"{place}/{run['id']}.log",
                }
                channel.sendall(json.dumps(request).encode() + b"\n")
            if not open_runs:
                return
            if len(runs) < STARTS_A_COMMIT:
                incoming += channel.recv(READ_BYTES)


@contextmanager
def _keeper() -> Iterator[socket.socket]:
    """Start a keeper, and end it."""
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        ours.close()
        _keep(theirs)
        os._exit(0)
    theirs.close()
    with ours:
        yield ours
    os.waitpid(pid, 0)


def _keep(channel: socket.socket) -> None:
    """Spawn what is asked for, and report ends, until the other side has gone."""
    jobs = dict[int, tuple[str, str, int, int]]()
    waking, wakeup = os.pipe()
    for end in (waking, wakeup):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wakeup)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    channel.setblocking(False)
    nothing, incoming, outgoing = os.open(os.devnull, os.O_RDONLY), b"", b""
    while True:
        # It never waits to be read: the other side may be writing.
        readable, _, _ = select.select([channel, waking], [channel] if outgoing else [], [])
        if channel in readable:
            if not (data := channel.recv(READ_BYTES)):
                return
            *lines, incoming = (incoming + data).split(b"\n")
            for line in lines:
                request = json.loads(line)
                file = os.open(request["output"], os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                reading, writing = os.pipe()
                actions = [(os.POSIX_SPAWN_DUP2, *pair) for pair in ((nothing, 0), (writing, 1), (writing, 2))]
                argv = request["argv"]
                pid = os.posix_spawn(argv[0], argv, request["env"], file_actions=actions, setsid=True)
                os.close(writing)
                jobs[pid] = request["key"], request["output"], file, reading
        if waking in readable:
            os.read(waking, READ_BYTES)
        while jobs:
            pid, status, usage = os.wait4(-1, os.WNOHANG)
            if not pid:
                break
            key, output, file, reading = jobs.pop(pid)
            if data := os.read(reading, READ_BYTES):
                os.write(file, data)
            else:
                os.unlink(output)
            os.close(file)
            os.close(reading)
            code = os.waitstatus_to_exitcode(status)
            end = {"key": key, "state": "failed" if code else "succeeded", "code": code, "cpu": usage.ru_utime}
            outgoing += json.dumps(end).encode() + b"\n"
        if outgoing:
            with suppress(BlockingIOError):
                outgoing = outgoing[channel.send(outgoing) :]


if __name__ == "__main__":
    report({"lateness_of_commands": measure_lateness_of_commands, "commands": measure_commands})
