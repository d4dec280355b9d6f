"""Random faults over two daemons with one PostgreSQL store: `python -m tests.faults.many --faults 100 --seed 1`.

Two daemons on one machine, each with a state directory of its own, and the wall clock of one an hour ahead, of the
other an hour behind. Jobs fall due each second, some of them take longer than that; each attempt writes a line when it
begins and one when it ends, and holds a lock meanwhile. The faults:

- a daemon is killed (`kill -9`), stopped for a while (SIGSTOP), or asked to end, and its clock is set,
- a worker or a keeper is killed, or stopped for a while,
- the server is restarted with `-m immediate`, killed with `kill -9` (all of it, or what serves one connection), or
  stopped for a while,
- the line between a daemon and the server is cut, or silent for a while: what was sent then arrives late,
- with `--dask`, two more jobs run on a Dask cluster of three workers: a worker, its keeper or its guard, the scheduler,
  or the helper of a daemon is killed, or stopped for a while.

At the end, over what PostgreSQL has and what the attempts wrote:

1. each occurrence between the first fault and the last has exactly one run or one decision (0 lost, 0 decided twice),
2. no attempt began twice, and no two attempts of a run were ever alive at once (0 twins),
3. no run is stuck: what was open after the last fault has ended a minute later, without a restart of a daemon, and
   all have in the end, with the exit status that the attempt had; lost are those alone whose keeper was killed, or
   whose worker or scheduler was, and failed those that were, or that fail by themselves,
4. no daemon has ended by itself, and each is back within a minute,
5. after the death of a leader, or its stop, another one has started something within 15 seconds. The pauses are
   printed, of which 99 of 100 are to be at most 5 seconds.
"""

import argparse
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from tests.faults import many_cluster
from tests.faults.many_daemons import HOUR, NAMES, START_SECONDS, Pair, running_pair, send_signal, wait_for
from tests.faults.many_judgement import Report, find_waiting, judge
from tests.support.postgres_server import MISSING, start_server

MAX_PAUSE_SECONDS = 15.0
FAULTS = {
    "kill daemon": 4,
    "stop daemon": 4,
    "end daemon": 2,
    "kill worker": 2,
    "stop worker": 1,
    "kill keeper": 2,
    "stop keeper": 1,
    "restart server": 1,
    "kill server": 1,
    "kill backend": 1,
    "stop server": 1,
    "cut line": 2,
    "silence line": 3,
    "set clock": 2,
}


class Harm:
    """Random faults, one after the other."""

    def __init__(self, pair: Pair, report: Report, seed: int) -> None:
        self.pair, self.report = pair, report
        self.random = random.Random(seed)
        self.faults = FAULTS if pair.cluster is None else {**FAULTS, **many_cluster.FAULTS}

    def inflict(self) -> None:
        """Do one random thing, and undo what would keep it from ending."""
        fault = self.random.choices([*self.faults], [*self.faults.values()])[0]
        name = self.random.choice(NAMES)
        leader = self.pair.leader()
        if leader is not None and self.random.random() < 0.4:
            name = leader
        self.report.faults[fault] += 1
        self._check_daemons()
        action, _, target = fault.partition(" ")
        if target == "server":
            self._harm_server(action)
        elif fault in many_cluster.FAULTS:
            self.pair.cluster.harm(action, target, self.pair, name, self.random)
        elif fault == "set clock":
            self.pair.set_clock(name, self.random.randint(-HOUR, HOUR))
        elif fault in ("kill daemon", "stop daemon", "silence line"):
            self._take_out(fault, name)
        else:
            getattr(self, f"_{action}_{target}")(name)
        time.sleep(self.random.uniform(0.2, 2))

    def _check_daemons(self) -> None:
        for name, process in self.pair.processes.items():
            if process.poll() is not None:
                self.report.violations.append(f"daemon {name} ended by itself, with {process.returncode}")
                self.pair.start(name)

    def _take_out(self, fault: str, name: str) -> None:
        """Have a daemon disappear; if it leads, measure until the other one has started something."""
        pair = self.pair
        other = next(one for one in NAMES if one != name)
        if not wait_for(lambda: pair.is_ready(other) and pair.is_ready(name), START_SECONDS):
            self.report.violations.append(f"daemon {name} or {other} was not back within {START_SECONDS:g} s")
        was_leader, since = pair.leader() == name, time.monotonic()
        process, line = pair.processes[name], pair.lines[name]
        if fault == "silence line":
            line.silence()
        else:
            process.send_signal(signal.SIGKILL if fault == "kill daemon" else signal.SIGSTOP)
        if was_leader:
            self._note_pause(other, since, fault)
        else:
            time.sleep(self.random.uniform(0.2, 4))
        if fault == "silence line":
            line.speak()
        elif fault == "stop daemon":
            process.send_signal(signal.SIGCONT)
        else:
            process.wait(60)
            pair.start(name)

    def _note_pause(self, other: str, since: float, fault: str) -> None:
        """Measure until the other daemon has started something."""
        wait_for(lambda: self.pair.first_start(other, since) is not None, 4 * MAX_PAUSE_SECONDS)
        first = self.pair.first_start(other, since)
        pause = (time.monotonic() if first is None else first) - since
        self.report.pauses.append(pause)
        if first is None or pause > MAX_PAUSE_SECONDS:
            self.report.violations.append(f"{fault}: {pause:.1f} s until {other} started something")

    def _end_daemon(self, name: str) -> None:
        process = self.pair.processes[name]
        if is_stopped := self.random.random() < 0.5:
            # It finds that it has lost its claim, and that it is to stop, at the same time.
            process.send_signal(signal.SIGSTOP)
            time.sleep(self.random.uniform(0, 6))
        process.terminate()
        if is_stopped:
            process.send_signal(signal.SIGCONT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            self.report.violations.append(f"daemon {name} didn't end within 60 s after it was asked to")
            process.kill()
            process.wait()
        self.pair.start(name)

    def _kill_worker(self, _: str) -> None:
        keys = {note.pid: note.key for note in self.pair.notes() if note.what == "begin"}
        for worker in self.pair.workers()[:1]:
            self.report.killed_workers.add(keys[worker.pid])
            send_signal([worker], signal.SIGKILL)

    def _stop_worker(self, _: str) -> None:
        self._stop(self.pair.workers()[:1])

    def _kill_keeper(self, name: str) -> None:
        if keeper := self.pair.keeper(name):
            self.report.killed_keepers.append((name, time.monotonic()))
            send_signal([keeper], signal.SIGKILL)

    def _stop_keeper(self, name: str) -> None:
        keeper = self.pair.keeper(name)
        self._stop([] if keeper is None else [keeper])

    def _kill_backend(self, _: str) -> None:
        backends = self._list_server()[1:]
        send_signal([self.random.choice(backends)] if backends else [], signal.SIGKILL)

    def _cut_line(self, name: str) -> None:
        self.pair.lines[name].cut()
        time.sleep(self.random.uniform(0, 4))
        self.pair.lines[name].mend()

    def _harm_server(self, action: str) -> None:
        server = self.pair.server
        if action == "restart":
            server.restart()
        elif action == "stop":
            self._stop(self._list_server())
        else:
            processes = self._list_server()
            send_signal(processes[:1], signal.SIGKILL)
            psutil.wait_procs(processes, timeout=20)
            server.start()

    def _list_server(self) -> list[psutil.Process]:
        with suppress(psutil.Error, OSError):
            main = psutil.Process(self.pair.server.pid)
            return [main, *main.children()]
        return []

    def _stop(self, processes: Sequence[psutil.Process]) -> None:
        send_signal(processes, signal.SIGSTOP)
        time.sleep(self.random.uniform(0.2, 4))
        send_signal(processes, signal.SIGCONT)


def run_campaign(home: Path, server: Any, faults: int, seed: int, *, with_dask: bool = False) -> Report:
    """Do so many faults, let everything settle, and judge."""
    report = Report()
    with running_pair(home, server, start_cluster=many_cluster.Cluster if with_dask else None) as pair:
        ((began,),) = server.execute("SELECT clock_timestamp()")
        harm = Harm(pair, report, seed)
        for _ in range(faults):
            harm.inflict()
        wait_for(lambda: pair.leader() is not None, START_SECONDS)
        time.sleep(8)
        report.violations += find_waiting(pair)
        ((ended,),) = server.execute("SELECT clock_timestamp() - interval '6 seconds'")
        pair.end()
        # The rest has a daemon that starts nothing new, so that what runs can end.
        pair.settle()
        if pair.cluster is not None:
            report.cluster_harms = pair.cluster.harmed_at
        judge(pair, report, began, ended)
    return report


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a campaign and print the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dask", action="store_true", help="have jobs on a Dask cluster too, and harm that")
    parser.add_argument("--keep", action="store_true", help="keep the folder")
    options = parser.parse_args(arguments)
    server = start_server()
    if server is None:
        print(MISSING)
        return 1
    home = Path(tempfile.mkdtemp(prefix="rae-many-"))
    try:
        report = run_campaign(home, server, options.faults, options.seed, with_dask=options.dask)
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
