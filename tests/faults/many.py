"""Random faults over two daemons with one PostgreSQL store: `python -m tests.faults.many --faults 100 --seed 1`.

Two daemons on one machine, each with a state directory of its own, and the wall clock of one an hour ahead, of the
other an hour behind. Jobs fall due each second, one of them takes longer than that; each attempt writes a line when it
begins and one when it ends, and holds a lock meanwhile. The faults: a daemon is killed, stopped for a while, or asked
to end; the server is restarted with `-m immediate`, or stopped for a while. At the end, over what PostgreSQL has and
what the attempts wrote:

1. each occurrence between the first and the last has exactly one run or one decision (0 lost, 0 decided twice),
2. no attempt began twice, and no two attempts of a run were ever alive at once (0 twins),
3. no run is stuck: all have ended, with the exit status that the attempt had,
4. the pauses between a leader's death and the next start elsewhere, of which it prints the greatest.
"""

import argparse
import asyncio
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from attrs import define, field
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.faked_clocks import build_library, write_offsets
from tests.support.postgres_server import start_server

SCHEMA = "rae_auto"
NAMES = ("a", "b")
HOUR = 3600
START_SECONDS = 60.0
SETTLE_SECONDS = 60.0

SCRIPT = """
import fcntl, os, sys, time
place, seconds, code = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])
run, attempt = os.environ["RAE_RUN_ID"], os.environ["RAE_ATTEMPT"]
def note(what):
    file = os.open(place + "/notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    at = time.clock_gettime(time.CLOCK_MONOTONIC)
    os.write(file, f"{what} {run} {attempt} {at} {os.environ['RAE_SCHEDULED_FOR']}\\n".encode())
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
"""


@define
class Report:
    """The findings of a campaign; `violations` is empty if all is well."""

    faults: Counter[str] = field(factory=Counter)
    violations: list[str] = field(factory=list)
    pauses: list[float] = field(factory=list)
    runs: int = 0

    def text(self) -> str:
        """Return it as lines."""
        pauses = sorted(self.pauses)
        named = ", ".join(f"{count} {name}" for name, count in sorted(self.faults.items()))
        lines = [f"{sum(self.faults.values())} faults: {named}", f"{self.runs} runs, {len(self.violations)} violations"]
        if pauses:
            p99 = pauses[min(int(len(pauses) * 0.99), len(pauses) - 1)]
            median = pauses[len(pauses) // 2]
            lines.append(
                f"leader dead or stopped to next start elsewhere: {len(pauses)} times, median {median:.1f} s, "
                f"p99 {p99:.1f} s, greatest {pauses[-1]:.1f} s"
            )
        return "\n".join([*lines, *self.violations[:20]])


class Pair:
    """Two daemons and their server."""

    def __init__(self, home: Path, server: Any, site: Path, *, clocks: bool) -> None:
        self.home, self.server = home, server
        (home / "locks").mkdir()
        (home / "script.py").write_text(SCRIPT)
        self._library = build_library(home) if clocks else None
        self._environment = {**os.environ, "PYTHONPATH": str(site)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        for number, name in enumerate(NAMES):
            place = home / name
            place.mkdir(mode=0o700)
            store = f'store = {{ type = "postgres", dsn = "{server.dsn()}", schema = "{SCHEMA}" }}\n'
            text = store + JOBS.replace("{python}", sys.executable).replace("{home}", str(home))
            (place / "rae.toml").write_text(text)
            (place / "rae.toml").chmod(0o600)
            write_offsets(place / "clocks", HOUR if number else -HOUR, 0)

    def start(self, name: str) -> None:
        """Start a daemon."""
        place = self.home / name
        environment = {**self._environment, "RAE_STATE_DIR": str(place / "state")}
        if self._library is not None:
            environment |= {"LD_PRELOAD": str(self._library), "CLOCK_OFFSET": str(place / "clocks")}
        with (place / "log").open("ab") as log:
            command = [sys.executable, "-m", "rae_auto", "run", "--config", str(place / "rae.toml")]
            self.processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def leader(self) -> str | None:
        """Return the daemon that leads now."""
        ((pid,),) = self.server.execute(f"SELECT pid FROM {SCHEMA}.claim WHERE expires_at > clock_timestamp()") or [
            (0,)
        ]
        return next((name for name, process in self.processes.items() if process.pid == pid), None)

    def started_elsewhere(self, name: str, since: float) -> bool:
        """Return whether an attempt has begin_counts after an instant that the other daemon leads for."""
        return any(at > since for what, *_, at in self.notes() if what == "begin") and self.leader() not in (None, name)

    def notes(self) -> list[tuple[str, str, str, datetime, float]]:
        """Return what attempts wrote: what, the run, the attempt, for when, and the monotonic time."""
        try:
            lines = (self.home / "notes").read_text().splitlines()
        except FileNotFoundError:
            return []
        found = [line.split() for line in lines]
        return [(one[0], one[1], one[2], datetime.fromisoformat(one[4]), float(one[3])) for one in found]

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


def wait_for(condition: Any, seconds: float) -> bool:
    """Return whether a condition holds within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return False


def harm(pair: Pair, report: Report, chance: random.Random) -> None:
    """Do one random thing, and undo what would keep it from ending."""
    name = chance.choice(NAMES)
    fault = chance.choice(("kill", "kill", "stop", "stop", "terminate", "server restart", "server stop"))
    report.faults[fault] += 1
    process = pair.processes[name]
    was_leader, since = pair.leader() == name, time.monotonic()
    if fault in ("kill", "terminate"):
        process.send_signal(signal.SIGKILL if fault == "kill" else signal.SIGTERM)
        if fault == "kill" and was_leader:
            note_pause(pair, report, name, since)
        process.wait(60)
        pair.start(name)
    elif fault == "stop":
        process.send_signal(signal.SIGSTOP)
        if was_leader and chance.random() < 0.7:
            note_pause(pair, report, name, since)
        else:
            time.sleep(chance.uniform(0.2, 4))
        process.send_signal(signal.SIGCONT)
    elif fault == "server restart":
        pair.server.restart()
    else:
        family = [psutil.Process(pair.server.pid), *psutil.Process(pair.server.pid).children()]
        send_signal(family, signal.SIGSTOP)
        time.sleep(chance.uniform(0.2, 4))
        send_signal(family, signal.SIGCONT)
    time.sleep(chance.uniform(0.5, 3))


def send_signal(processes: Sequence[psutil.Process], number: int) -> None:
    """Send a signal to those that are still there."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def note_pause(pair: Pair, report: Report, name: str, since: float) -> None:
    """Measure until the other daemon has started something."""
    other = next(one for one in NAMES if one != name)
    if (pair.home / other / "state" / "control.sock").exists() and wait_for(
        lambda: pair.started_elsewhere(name, since), 15
    ):
        first = min(at for what, *_, at in pair.notes() if what == "begin" and at > since)
        report.pauses.append(first - since)


def judge(pair: Pair, report: Report, began: datetime, ended: datetime) -> None:
    """Hold what the store has against what attempts wrote."""
    query = f"SELECT log, body FROM {SCHEMA}.entries WHERE log IN ('runs', 'decisions')"
    rows = [(log, json.loads(body)) for log, body in pair.server.execute(query)]
    open_ = pair.server.execute(f"SELECT body FROM {SCHEMA}.documents WHERE kind = 'run'")
    runs = [body for log, body in rows if log == "runs"]
    report.runs = len(runs)
    report.violations += [f"stuck: {row[0][:300]}" for row in open_]
    decided = Counter((body["job"], _instant(body)) for _, body in rows)
    for job, seconds in (("short", 2), ("long", 5)):
        step = timedelta(seconds=seconds)
        at = min(at for name, at in decided if name == job)
        at += max(-((at - began) // step), 0) * step
        while at < ended:
            if decided[job, at] != 1:
                report.violations.append(f"{job} at {at:%H:%M:%S}: decided {decided[job, at]} times")
            at += step
    notes = pair.notes()
    begin_counts = Counter((run, attempt) for what, run, attempt, *_ in notes if what == "begin")
    finished = {(run, attempt) for what, run, attempt, *_ in notes if what == "end"}
    report.violations += [f"began {count} times: {key}" for key, count in begin_counts.items() if count > 1]
    report.violations += [f"twins: {run} {attempt}" for what, run, attempt, *_ in notes if what == "twin"]
    codes = {"short": 0, "long": 7}
    for body in runs:
        key = (body["id"], str(body.get("attempt", 0)))
        if (
            key in finished
            and body["state"] in ("succeeded", "failed")
            and body.get("exit_code", 0) != codes[body["job"]]
        ):
            report.violations.append(f"wrong exit status: {body['job']} {key} {body.get('exit_code')}")
        if key in finished and body["state"] == "lost":
            report.violations.append(f"lost, although it ended: {body['job']} {key}")


def _instant(body: Any) -> datetime:
    found = body.get("scheduled_for") or body.get("occurrence", {}).get("scheduled_for")
    return datetime.fromisoformat(found)


@contextmanager
def running_pair(home: Path, server: Any, *, clocks: bool = True) -> Iterator[Pair]:
    """Give two daemons, of which one leads."""
    site = install_contrib_plugin("rae-store-postgres", home / "plugin")
    sys.path.insert(0, str(site))
    from rae_store_postgres.link import Address
    from rae_store_postgres.migration import migrate

    asyncio.run(migrate(Address(server.dsn(), SCHEMA)))
    pair = Pair(home, server, site, clocks=clocks)
    try:
        for name in NAMES:
            pair.start(name)
        assert wait_for(lambda: pair.leader() is not None and pair.notes(), START_SECONDS), (
            home / "a" / "log"
        ).read_text()[-2000:]
        yield pair
    finally:
        pair.end()
        sys.path.remove(str(site))


def run_campaign(home: Path, server: Any, faults: int, seed: int) -> Report:
    """Do so many faults, let everything settle, and judge."""
    report, chance = Report(), random.Random(seed)
    with running_pair(home, server) as pair:
        ((began,),) = server.execute("SELECT clock_timestamp()")
        for _ in range(faults):
            harm(pair, report, chance)
        wait_for(lambda: pair.leader() is not None, START_SECONDS)
        time.sleep(8)
        ((ended,),) = server.execute("SELECT clock_timestamp() - interval '6 seconds'")
    # The rest has a daemon that starts nothing new, so that what runs can end.
    settle(pair, server)
    judge(pair, report, began, ended)
    return report


def settle(pair: Pair, server: Any) -> None:
    """Let a paused daemon take over what the others left, until nothing is open."""
    for name in NAMES:
        text = (pair.home / name / "rae.toml").read_text().replace("max_parallel", "enabled = false\nmax_parallel")
        (pair.home / name / "rae.toml").write_text(text)
        pair.start(name)
    is_over = f"SELECT count(*) FROM {SCHEMA}.documents WHERE kind = 'run'"
    wait_for(lambda: not server.execute(is_over)[0][0], SETTLE_SECONDS)
    pair.end()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args(arguments)
    server = start_server()
    if server is None:
        print("PostgreSQL isn't installed; run 'apt-get install postgresql'")
        return 1
    home = Path(tempfile.mkdtemp(prefix="rae-many-"))
    try:
        report = run_campaign(home, server, options.faults, options.seed)
        print(report.text())
        return 1 if report.violations else 0
    finally:
        server.remove()
        if options.keep:
            print(home)
        else:
            shutil.rmtree(home)


if __name__ == "__main__":
    raise SystemExit(main())
