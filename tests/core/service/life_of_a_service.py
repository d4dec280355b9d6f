"""A service's life on a real systemd, played inside the namespaces of `in_namespace.sh`; prints what it saw as JSON."""

import json
import os
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
"""

seen: dict[str, Any] = {}


def rae(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "rae_auto", *arguments], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout}{done.stderr}"


def prop(name: str) -> str:
    command = ["systemctl", "--user", "show", "--value", f"--property={name}", "rae-auto.service"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()


def wait(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 30
    while not check():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not happen; seen: {json.dumps(seen)}")
        time.sleep(0.1)


def last_run() -> dict[str, Any]:
    runs: list[dict[str, Any]] = json.loads(rae("history", "--json"))
    return runs[0]


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

    rae("trigger", "long")
    wait((HOME / "pids").exists, "the start of the job")
    job = int((HOME / "pids").read_text())
    seen["restart"] = rae("service", "restart")
    second = prop("MainPID")
    seen["another daemon"] = first != second
    seen["job after the restart"] = os.path.exists(f"/proc/{job}")

    os.kill(int(second), signal.SIGKILL)
    wait(lambda: prop("MainPID") not in ("0", second) and prop("ActiveState") == "active", "a start after the crash")
    seen["job after the crash"] = os.path.exists(f"/proc/{job}")

    seen["reload"] = subprocess.call(["systemctl", "--user", "reload", "rae-auto.service"])
    (HOME / "rae.toml").write_text("nonsense = 1\n")
    seen["reload of errors"] = subprocess.call(["systemctl", "--user", "reload", "rae-auto.service"])
    seen["active after errors"] = prop("ActiveState")
    (HOME / "rae.toml").write_text(CONFIG.format(home=HOME))

    see_watchdog()
    seen["job after the watchdog"] = os.path.exists(f"/proc/{job}")

    (HOME / "finish").touch()
    wait(lambda: last_run()["state"] == "succeeded", "the end of the job")
    seen["pids of the job"] = len((HOME / "pids").read_text().split())

    (HOME / "finish").unlink()
    rae("trigger", "long")
    wait(lambda: len((HOME / "pids").read_text().split()) == 2, "the second start of the job")
    seen["stop"] = subprocess.call(["systemctl", "--user", "stop", "rae-auto.service"])
    seen["job after the stop"] = os.path.exists(f"/proc/{(HOME / 'pids').read_text().split()[1]}")
    seen["result"] = prop("Result")
    seen["uninstall"] = rae("service", "uninstall")
    seen["load state"] = prop("LoadState")


main()
print(json.dumps(seen))
