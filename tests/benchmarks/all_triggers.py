"""Cost of each trigger and guard while nothing happens: `python tests/benchmarks/all_triggers.py [SECONDS]`.

One real daemon without any, one for each trigger with one job, one in which each guard has been asked once, and one
with all of it, which has a budget of 50 MB; all at once, so that each has the same time. Processor time is that of the
daemon itself, and of the commands that it has waited for. TMPDIR should lie where little happens: the folders above the
watched one are watched too.
"""

import os
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from daemons import daemon_of
from peers import cpu_seconds, resident, wake_ups

SETTLE = 20
"""Seconds in which what is done once after a start is done; the guards are asked in them."""

ASKED_AFTER = timedelta(seconds=8)

TRIGGERS = {
    "cron": '{ type = "cron", expression = "0 0 1 1 *" }',
    "interval": '{ type = "interval", every = "1d" }',
    "once": '{ type = "once", at = "2100-01-01T00:00:00Z" }',
    "manual": '{ type = "manual" }',
    "file": '{ type = "file", paths = ["~/in"], recursive = true }',
    "file, polling": '{ type = "file", paths = ["~/in"], polling = "always" }',
    "system": '{ type = "system", on = ["boot", "resume", "clock-changed", "network-up", "device-added"] }',
    "system, processes": '{ type = "system", on = ["process-started"], process = "nothing" }',
    "threshold": '{ type = "threshold", metric = "memory", above = 99 }',
    "threshold, processes": '{ type = "threshold", metric = "process-count", of = "nothing", above = 9 }',
    "threshold, command": '{ type = "threshold", command = ["echo", "1"], above = 9 }',
    "usage, events": '{ type = "usage", pattern = "habit", of = "tea" }',
    "usage, idle": '{ type = "usage", pattern = "idle", for = "1h" }',
    "usage, application": '{ type = "usage", pattern = "duration", application = "nothing", for = "1h" }',
    "job": '{ type = "job", jobs = ["followed"] }',
    "combine": """{ type = "combine", within = "1h", all = [
        { type = "job", jobs = ["followed"] }, { type = "cron", expression = "0 0 1 1 *" }] }""",
}

GUARDS = {
    "time": '{ type = "time", from = "00:00", to = "23:59" }',
    "weekday": '{ type = "weekday", days = ["mon-sun"] }',
    "calendar": '{ type = "calendar", dates = ["2000-01-01"] }',
    "power": '{ type = "power" }',
    "idle": '{ type = "idle", for = "10m" }',
    "network": '{ type = "network" }',
    "load": '{ type = "load", below = 100 }',
    "path": '{ type = "path", path = "/" }',
    "command": '{ type = "command", command = ["true"] }',
}

FOLLOWED = '[jobs.followed]\ncommand = ["true"]\n'


def triggers(kinds: Mapping[str, str]) -> str:
    tables = [f'[jobs.t{n}]\ncommand = ["true"]\ntrigger = {text}\n' for n, text in enumerate(kinds.values())]
    return "\n".join([FOLLOWED, *tables])


def guards() -> str:
    """Each guard in a job of its own, so that each is asked: once."""
    at = (datetime.now(UTC) + ASKED_AFTER).isoformat()
    tables = [
        f'[jobs.g{n}]\ncommand = ["true"]\ntrigger = {{ type = "once", at = "{at}" }}\nonly = [{text}]\n'
        for n, text in enumerate(GUARDS.values())
    ]
    return "\n".join(tables)


def main(seconds: int) -> None:
    configurations = {
        "(no trigger)": FOLLOWED,
        **{name: triggers({name: text}) for name, text in TRIGGERS.items()},
        "(all guards)": guards(),
        "(all)": triggers(TRIGGERS) + guards(),
    }
    with ExitStack() as stack:
        pids = {}
        for name, tables in configurations.items():
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (place / "in").mkdir()
            pids[name] = stack.enter_context(daemon_of(place, tables))
        time.sleep(SETTLE)
        before = {name: (spent(pid), wake_ups(pid)) for name, pid in pids.items()}
        time.sleep(seconds)
        print(f"{seconds} s of {len(pids)} idle daemons at a load average of {os.getloadavg()[0]:.1f}")
        print(f"{'one job with':>22}  resident     processor    wake-ups")
        for name, pid in pids.items():
            ms, woken = (spent(pid) - before[name][0]) * 1e3 / seconds, (wake_ups(pid) - before[name][1]) / seconds
            print(f"{name:>22}  {resident(pid):5.1f} MB  {ms:6.2f} ms/s  {woken:6.2f} a second", flush=True)


def spent(pid: int) -> float:
    """Seconds of the processor, with those of the children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return cpu_seconds(pid) + (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2] or ["30"]))
