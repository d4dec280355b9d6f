"""A service's life on a real systemd, played inside the namespaces of `in_namespace.sh`; prints what it saw as JSON."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HOME = Path(os.environ["HOME"])
CONFIG = """
shutdown_grace = "1s"
[jobs.long]
shell = "echo $$ >> {home}/pids; while [ ! -e {home}/finish ]; do sleep 0.1; done; echo done"
[jobs.bounded]
shell = "echo $$ > {home}/bounded; while [ ! -e {home}/finish ]; do sleep 0.1; done"
limits = {{ cpu_time = "1h" }}
"""

seen: dict[str, Any] = {}


def rae(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "rae_auto", *arguments], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout}{done.stderr}"


def prop(name: str) -> str:
    command = ["systemctl", "--user", "show", "--value", f"--property={name}", "rae-auto.service"]
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()


def wait(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not happen; seen: {json.dumps(seen)}")
        time.sleep(0.1)


def last_runs(count: int) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(rae("history", "--json"))
    return runs[:count]


def cgroup_of(pid: int) -> str:
    """Return the cgroup of a process below that of the unit, without the numbers in its name."""
    path = next(line for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines() if line.startswith("0::"))
    below = path.partition("/rae-auto.service")[2]
    return re.sub("[0-9][0-9_]*-.*", "", below)


def start_job(name: str, file: Path) -> int:
    """Start a job that writes its pid to a file; return the pid."""
    before = file.read_text() if file.exists() else ""
    rae("trigger", name)
    wait(
        lambda: file.exists() and file.read_text().endswith("\n") and file.read_text() != before, f"the start of {name}"
    )
    return int(file.read_text().split()[-1])


def see_leave_running() -> None:
    """Stop the daemon without its jobs, and see that the next one takes them over."""
    jobs = [start_job("long", HOME / "pids"), start_job("bounded", HOME / "bounded")]
    seen["stop without jobs"] = rae("stop", "--leave-running")
    wait(lambda: prop("ActiveState") == "inactive", "the end of the daemon")
    seen["jobs after the stop without jobs"] = [os.path.exists(f"/proc/{job}") for job in jobs]
    seen["cgroup of a job without daemon"] = cgroup_of(jobs[1])
    seen["start beside jobs"] = rae("service", "start")
    wait(lambda: prop("ActiveState") == "active", "a start beside jobs")
    (HOME / "finish").touch()
    wait(lambda: {run["state"] for run in last_runs(2)} == {"succeeded"}, "the ends of both jobs")
    seen["ends that the next daemon saw"] = sorted(run["job"] for run in last_runs(2))
    (HOME / "finish").unlink()
    unit = next(Path("/sys/fs/cgroup").rglob("rae-auto.service"))
    seen["cgroups that are left"] = [path.name for path in unit.iterdir() if path.name.startswith("rae-job")]


def see_watchdog() -> None:
    """Shorten the watchdog's time, see that a healthy daemon lives on, and that a stopped one is replaced."""
    drop_in = HOME / ".config/systemd/user/rae-auto.service.d/fast.conf"
    drop_in.parent.mkdir()
    drop_in.write_text("[Service]\nWatchdogSec=2\nTimeoutAbortSec=1\nRestartSec=0\n")
    subprocess.call(["systemctl", "--user", "daemon-reload"])
    rae("service", "restart")
    healthy = prop("MainPID")
    time.sleep(5)
    seen["healthy daemon"] = prop("MainPID") == healthy
    os.kill(int(healthy), signal.SIGSTOP)
    wait(lambda: prop("MainPID") not in ("0", healthy) and prop("ActiveState") == "active", "a start by the watchdog")
    drop_in.unlink()
    drop_in.parent.rmdir()
    subprocess.call(["systemctl", "--user", "daemon-reload"])


def main() -> None:
    (HOME / "rae.toml").write_text(CONFIG.format(home=HOME))
    (HOME / "rae.toml").chmod(0o600)
    seen["install"] = rae("service", "install")
    seen["active"], seen["status text"] = prop("ActiveState"), prop("StatusText")
    seen["status"] = rae("service", "status")
    seen["kill mode"], seen["watchdog"] = prop("KillMode"), prop("WatchdogUSec")
    first = prop("MainPID")

    job = start_job("long", HOME / "pids")
    bounded = start_job("bounded", HOME / "bounded")
    seen["cgroups"] = {"daemon": cgroup_of(int(first)), "long": cgroup_of(job), "bounded": cgroup_of(bounded)}
    seen["restart"] = rae("service", "restart")
    second = prop("MainPID")
    seen["another daemon"] = first != second
    seen["job after the restart"] = os.path.exists(f"/proc/{job}")

    os.kill(int(second), signal.SIGKILL)
    wait(lambda: prop("MainPID") not in ("0", second) and prop("ActiveState") == "active", "a start after the crash")
    seen["job after the crash"] = os.path.exists(f"/proc/{job}")
    seen["cgroup after the crash"] = cgroup_of(bounded)

    seen["reload"] = subprocess.call(["systemctl", "--user", "reload", "rae-auto.service"])
    (HOME / "rae.toml").write_text("nonsense = 1\n")
    seen["reload of errors"] = subprocess.call(["systemctl", "--user", "reload", "rae-auto.service"])
    seen["active after errors"] = prop("ActiveState")
    (HOME / "rae.toml").write_text(CONFIG.format(home=HOME))

    see_watchdog()
    seen["job after the watchdog"] = os.path.exists(f"/proc/{job}")

    (HOME / "finish").touch()
    wait(lambda: {run["state"] for run in last_runs(2)} == {"succeeded"}, "the ends of the jobs")
    seen["pids of the job"] = len((HOME / "pids").read_text().split())

    (HOME / "finish").unlink()
    see_leave_running()
    job = start_job("long", HOME / "pids")
    seen["stop"] = subprocess.call(["systemctl", "--user", "stop", "rae-auto.service"])
    seen["job after the stop"] = os.path.exists(f"/proc/{job}")
    seen["result"] = prop("Result")
    seen["uninstall"] = rae("service", "uninstall")
    seen["load state"] = prop("LoadState")


main()
print(json.dumps(seen))
