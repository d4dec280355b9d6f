"""Cost of each trigger and guard while nothing happens: `python tests/benchmarks/all_triggers.py`.

One real daemon without any, one for each trigger with one job, one in which each guard has been asked once, and one
with all of it, which has a budget of 50 MB; all at once, so that each has the same time. Processor time is that of the
daemon itself, and of the commands that it has waited for. TMPDIR should lie where little happens: the folders above the
watched one are watched too.

Options: `--seconds` to measure, `--settle` seconds before, and the names of what to measure, as they are printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measuring.daemons import rae_daemon
from measuring.processes import cpu_seconds, resident_mb, wake_ups

SETTLE_SECONDS = 20
"""Time in which what is done once after a start is done; the guards are asked in it."""

GUARDS_ASKED_AFTER = timedelta(seconds=8)

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


def trigger_tables(kinds: Mapping[str, str]) -> str:
    tables = [f'[jobs.t{n}]\ncommand = ["true"]\ntrigger = {text}\n' for n, text in enumerate(kinds.values())]
    return "\n".join([FOLLOWED, *tables])


def guard_tables() -> str:
    """Each guard in a job of its own, so that each is asked: once."""
    at = (datetime.now(UTC) + GUARDS_ASKED_AFTER).isoformat()
    tables = [
        f'[jobs.g{n}]\ncommand = ["true"]\ntrigger = {{ type = "once", at = "{at}" }}\nguards = [{text}]\n'
        for n, text in enumerate(GUARDS.values())
    ]
    return "\n".join(tables)


def configurations() -> dict[str, str]:
    """Return the jobs of each daemon by what they have."""
    return {
        "(no trigger)": FOLLOWED,
        **{name: trigger_tables({name: text}) for name, text in TRIGGERS.items()},
        "(all guards)": guard_tables(),
        "(all)": trigger_tables(TRIGGERS) + guard_tables(),
    }


def main(seconds: float, settle: float, names: list[str]) -> None:
    with ExitStack() as stack:
        pids = {}
        for name, tables in configurations().items():
            if names and name not in names:
                continue
            place = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            (place / "in").mkdir()
            pids[name] = stack.enter_context(rae_daemon(place, tables))
        time.sleep(settle)
        before = {name: (cpu_seconds(pid, with_children=True), wake_ups(pid)) for name, pid in pids.items()}
        time.sleep(seconds)
        print(f"{seconds:g} s of {len(pids)} idle daemons at a load average of {os.getloadavg()[0]:.1f}")
        print(f"{'one job with':>22}  resident     processor    wake-ups")
        for name, pid in pids.items():
            spent, woken = cpu_seconds(pid, with_children=True) - before[name][0], wake_ups(pid) - before[name][1]
            ms, times = spent * 1e3 / seconds, woken / seconds
            print(f"{name:>22}  {resident_mb(pid):5.1f} MB  {ms:6.2f} ms/s  {times:6.2f} a second")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", choices=[*configurations(), []])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS)
    given = parser.parse_args()
    main(given.seconds, given.settle, given.names)
