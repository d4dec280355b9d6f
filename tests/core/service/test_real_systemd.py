"""A service on a real systemd, in namespaces of its own where it can touch nothing of this machine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def obstacle() -> str | None:
    """Return why no systemd can be started here safely."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "namespaces need root on Linux"
    if not os.path.exists("/lib/systemd/systemd") or shutil.which("unshare") is None:
        return "systemd or unshare isn't installed"
    mounts = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    if not any(os.access(f"{mount}/cgroup.procs", os.W_OK) for mount in mounts):
        return "no cgroups, version 2, can be created here"
    if any(str(HERE).startswith(hidden) or sys.prefix.startswith(hidden) for hidden in ("/tmp/", "/run/", "/var/")):
        return "rae-auto is in a directory that is hidden from the test's systemd"
    return None


def see_in_namespace(script: str, folder: Path) -> Any:
    """Return what a script saw beside a real systemd; skip the test where none can run."""
    if (reason := obstacle()) is not None:
        pytest.skip(reason)
    output = folder / "output"
    with output.open("w") as file:
        command = ["sh", HERE / "in_namespace.sh", sys.executable, HERE / script]
        # To a file: a pipe would be kept open by whatever outlives the timeout.
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, timeout=210)
    text = output.read_text()
    if done.returncode == 77:
        pytest.skip(f"systemd does not start here: {text[-500:]}")
    assert done.returncode == 0, text
    return json.loads(text.splitlines()[-1])


@pytest.mark.timeout(240)
def test_import_switches_timers_of_a_real_systemd_off_and_on(tmp_path: Path) -> None:
    seen = see_in_namespace("switching_timers.py", tmp_path)
    off, on = ["disabled", "inactive"], ["enabled", "active"]
    others = {"backup-other": ["enabled", "inactive"], "idle": off}
    assert seen["before"] == {"backup": on, **others}
    assert "1 timer of the source disabled" in seen["import"]
    assert seen["disabled"] == {"backup": off, **others}
    assert "0 timers of the source disabled" in seen["import again"]
    assert "1 timer of the source restored" in seen["restore"]
    assert seen["restored"] == seen["before"]
    assert ("0 timers of the source restored" in seen["restore again"], seen["left"]) == (True, [])


@pytest.mark.timeout(240)
def test_service_lives_on_a_real_systemd(tmp_path: Path) -> None:
    seen = see_in_namespace("life_of_a_service.py", tmp_path)
    assert "enabled and started" in seen["install"]
    assert seen["active"] == "active"
    assert seen["status text"].startswith("2 jobs")
    assert "enabled, running" in seen["status"]
    assert (seen["kill mode"], seen["watchdog"]) == ("process", "30s")
    assert seen["another daemon"] is True
    assert "still running, for the next daemon to take over" in seen["restart"]
    assert (seen["job after the restart"], seen["job after the crash"], seen["pids of the job"]) == (True, True, 1)
    # A job whose tree has limits is in a cgroup of its own, and stays there when no daemon runs.
    assert seen["cgroups"]["bounded"] == seen["cgroup after the crash"] == "/rae-job-"
    assert seen["cgroups"]["long"] == seen["cgroups"]["daemon"] in ("", "/rae-auto")
    assert (seen["jobs after the stop without jobs"], seen["cgroup of a job without daemon"]) == (
        [True] * 2,
        "/rae-job-",
    )
    assert (seen["ends that the next daemon saw"], seen["cgroups that are left"]) == (["bounded", "long"], [])
    assert (seen["healthy daemon"], seen["job after the watchdog"]) == (True, True)
    assert (seen["reload"], seen["reload of errors"] != 0, seen["active after errors"]) == (0, True, "active")
    assert (seen["stop"], seen["job after the stop"], seen["result"]) == (0, False, "success")
    assert "removed" in seen["uninstall"]
    assert seen["load state"] == "not-found"
