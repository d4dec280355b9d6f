"""Two daemons on one machine with one PostgreSQL server, for `tests.faults.many`: started, found, ended.

Each has a state directory of its own, a clock of its own, and a line of its own to the server, which can be cut.
"""

import asyncio
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.cut_lines import Line
from tests.support.faked_clocks import build_library, write_offsets

SCHEMA = "rae_auto"
NAMES = ("a", "b")
HOUR = 3600
START_SECONDS = 60.0
SETTLE_SECONDS = 90.0
SCHEDULE = re.compile(r"^schedule = .*$", re.MULTILINE)
NEVER_DUE = 'schedule = "0 0 29 2 *"'
"""A schedule of the next leap year, which the campaign doesn't live to see."""

SCRIPT = """
import fcntl, os, sys, time
place, seconds, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
run, attempt = os.environ["RAE_RUN_ID"], os.environ["RAE_ATTEMPT"]
def find_node():
    keeper = f"/proc/{os.getppid()}/fd"
    for name in os.listdir(keeper):
        try:
            path = os.readlink(f"{keeper}/{name}")
        except OSError:
            continue
        if "/state/" in path:
            return path.split("/state/")[0].rpartition("/")[2]
    return "?"
try:
    node = find_node()
except OSError:
    # Its keeper was killed.
    node = "?"
def note(what):
    file = os.open(place + "/notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    at = time.clock_gettime(time.CLOCK_MONOTONIC)
    os.write(file, f"{what} {run} {attempt} {at} {os.environ['RAE_SCHEDULED_FOR']} {node} {os.getpid()}\\n".encode())
lock = os.open(f"{place}/locks/{run}", os.O_RDWR | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    note("twin")
note("begin")
time.sleep(seconds)
note("end")
sys.exit(code)
"""

JOBS = """
max_parallel = 20
loggers = ["console"]
[defaults]
overlap = "allow"
overlap_max = 1000
catch_up = "all"
on_crash = "fail"
[jobs.short]
command = ["{python}", "{home}/script.py", "{home}", "0", "0"]
schedule = "*/2 * * * * *"
[jobs.long]
command = ["{python}", "{home}/script.py", "{home}", "3", "7"]
schedule = "*/5 * * * * *"
[jobs.again]
command = ["{python}", "{home}/script.py", "{home}", "2", "5"]
schedule = "*/10 * * * * *"
on_crash = "rerun"
"""

EXIT_CODES = {"short": 0, "long": 7, "again": 5, "cluster": 3, "cluster-again": 9}
STEP_SECONDS = {"short": 2, "long": 5, "again": 10, "cluster": 4, "cluster-again": 6}


class Note(NamedTuple):
    """A line that an attempt wrote."""

    what: str
    run: str
    attempt: str
    at: float
    scheduled_for: datetime
    node: str
    pid: int

    @property
    def key(self) -> tuple[str, str]:
        """Return the attempt."""
        return self.run, self.attempt


class Pair:
    """Two daemons and their server."""

    def __init__(self, home: Path, server: Any, sites: Sequence[Path], *, clocks: bool, jobs: str = "") -> None:
        self.home, self.server = home, server
        (home / "locks").mkdir()
        (home / "script.py").write_text(SCRIPT)
        self._library = build_library(home) if clocks else None
        self._environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*map(str, sites), *_list_import_path()]),
        }
        self.cluster: Any = None
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._log_sizes: dict[str, int] = {}
        self.lines = {name: Line(server.place / ".s.PGSQL.5432") for name in NAMES}
        for number, name in enumerate(NAMES):
            place = home / name
            place.mkdir(mode=0o700)
            dsn = server.dsn().replace(str(server.place), str(self.lines[name].place))
            store = f'store = {{ type = "postgres", dsn = "{dsn}", schema = "{SCHEMA}" }}\n'
            text = store + (JOBS + jobs).replace("{python}", sys.executable).replace("{home}", str(home))
            (place / "rae.toml").write_text(text)
            (place / "rae.toml").chmod(0o600)
            self.set_clock(name, HOUR if number else -HOUR)

    def set_clock(self, name: str, seconds: int) -> None:
        """Set the wall clock of a daemon that much ahead."""
        # In place: a file that is cut short under who has it mapped is the end of that process.
        path = self.home / name / "clocks"
        if not path.exists():
            write_offsets(path, 0, 0)
        with path.open("r+b") as file:
            file.write(struct.pack("qq", seconds, 0))

    def start(self, name: str) -> None:
        """Start a daemon."""
        place = self.home / name
        environment = {**self._environment, "RAE_STATE_DIR": str(place / "state")}
        if self._library is not None:
            environment |= {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET": str(place / "clocks")}
        with (place / "log").open("ab") as log:
            self._log_sizes[name] = log.tell()
            command = [sys.executable, "-m", "rae_auto", "run", "--config", str(place / "rae.toml")]
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def query(self, text: str) -> list[Any]:
        """Return the rows of a query; none while the server can't answer."""
        with suppress(Exception):
            return list(self.server.execute(text))
        return []

    def leader(self) -> str | None:
        """Return the daemon that leads now."""
        rows = self.query(f"SELECT pid FROM {SCHEMA}.claim WHERE expires_at > clock_timestamp()")
        return next((name for name, process in self.processes.items() if rows and process.pid == rows[0][0]), None)

    def is_ready(self, name: str) -> bool:
        """Return whether a daemon leads or stands by, by the last that it said of it.

        One that is starting does neither, nor one that has yet to learn that it leads no more.
        """
        with (self.home / name / "log").open("rb") as log:
            log.seek(self._log_sizes[name])
            text = log.read().decode(errors="replace")
        last = [line for line in text.splitlines() if " leads" in line or "has taken over the" in line]
        if not last or "has taken over the" in last[-1]:
            return False
        return "stands by" in last[-1] or self.leader() == name

    def notes(self) -> list[Note]:
        """Return what attempts wrote."""
        try:
            lines = (self.home / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        parts = [line.split() for line in lines]
        return [
            Note(one[0], one[1], one[2], float(one[3]), datetime.fromisoformat(one[4]), one[5], int(one[6]))
            for one in parts
        ]

    def first_start(self, name: str, since: float) -> float | None:
        """Return when a daemon's first attempt after an instant began; None if none has."""
        return min((n.at for n in self.notes() if n.what == "begin" and n.node == name and n.at > since), default=None)

    def workers(self) -> list[psutil.Process]:
        """Return the attempts that are alive."""
        notes = self.notes()
        over = {note.key for note in notes if note.what == "end"}
        return [
            process
            for note in notes[-200:]
            if note.what == "begin" and note.key not in over and (process := _find(note.pid, "script.py"))
        ]

    def keeper(self, name: str) -> psutil.Process | None:
        """Return the keeper of a daemon; None while it has none."""
        return self.child(name, "keeper")

    def child(self, name: str, word: str) -> psutil.Process | None:
        """Return the child of a daemon with a word in its command line; None while it has none."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.processes[name].pid).children():
                if word in " ".join(child.cmdline()):
                    return child
        return None

    def end(self) -> None:
        """End both."""
        for process in self.processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def settle(self) -> None:
        """Let daemons that start nothing new take over what the others left, until nothing is open.

        First without any start, so that what is due up to now is decided; then the runs that wait have their turn.
        """
        self._start_changed(lambda text: text.replace("max_parallel", "enabled = false\nmax_parallel", 1))
        wait_for(lambda: (leader := self.leader()) is not None and self.is_ready(leader), SETTLE_SECONDS)
        self.end()
        self._start_changed(lambda text: SCHEDULE.sub(NEVER_DUE, text.replace("enabled = false\n", "", 1)))
        is_open = f"SELECT count(*) FROM {SCHEMA}.documents WHERE kind = 'run'"
        wait_for(lambda: [tuple(row) for row in self.query(is_open)] == [(0,)], SETTLE_SECONDS)
        self.end()

    def _start_changed(self, change: Callable[[str], str]) -> None:
        for name in NAMES:
            path = self.home / name / "rae.toml"
            path.write_text(change(path.read_text()))
            self.start(name)


def _list_import_path() -> list[str]:
    return list(filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep)))


def _find(pid: int, word: str) -> psutil.Process | None:
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if any(word in argument for argument in process.cmdline()):
            return process
    return None


def wait_for(condition: Callable[[], Any], seconds: float) -> bool:
    """Return whether a condition holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def send_signal(processes: Sequence[psutil.Process], number: int) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


@contextmanager
def running_pair(
    home: Path, server: Any, *, clocks: bool = True, start_cluster: "Callable[[Path], Any] | None" = None
) -> Iterator[Pair]:
    """Give two daemons, of which one leads, and a cluster beside them if `start_cluster` starts one."""
    names = ["rae-store-postgres", *(["rae-executor-dask"] if start_cluster is not None else [])]
    sites = [install_contrib_plugin(name, home / "plugin") for name in names]
    if start_cluster is not None:
        # For the processes of the cluster, which import the package too.
        os.environ["PYTHONPATH"] = os.pathsep.join([*map(str, sites), *_list_import_path()])
    before = list(sys.path)
    sys.path[:0] = map(str, sites)
    from rae_store_postgres.link import Address
    from rae_store_postgres.migration import migrate

    asyncio.run(migrate(Address(server.dsn(), SCHEMA)))
    cluster = None if start_cluster is None else start_cluster(home)
    pair = Pair(home, server, sites, clocks=clocks, jobs="" if cluster is None else cluster.jobs)
    pair.cluster = cluster
    try:
        for name in NAMES:
            pair.start(name)
        is_up = wait_for(lambda: pair.leader() is not None and pair.notes(), START_SECONDS)
        assert is_up, (home / "a" / "log").read_text()[-2000:]
        yield pair
    finally:
        pair.end()
        for line in pair.lines.values():
            line.remove()
        if cluster is not None:
            cluster.close()
        sys.path[:] = before
