"""Limits on this machine: the mechanism that enforces each, and the values that this user may set."""

import os
import sys
from pathlib import Path
from typing import Any

from rae_auto.model.policies import Limits
from rae_plugins.executors.process.keeper.cgroups import CONTROLLERS, available_controllers, find_own_directory
from rae_plugins.executors.process.keeper.limits import find_ioprio_call

KEEPER_CHECKS = "checked while the job runs"


WINDOWS_BACKENDS: dict[str, str | None] = {
    "memory": "a job object",
    "cpu_time": f"a job object, {KEEPER_CHECKS}",
    "processes": "a job object, which counts processes and not threads",
    "open_files": None,
    "file_size": None,
    "nice": "the priority class of a job object",
    "ionice": None,
}
"""Mechanism of each limit on Windows."""


def backends() -> dict[str, str | None]:
    """Return the mechanism of each limit; None where there is none."""
    if os.name != "posix":
        return WINDOWS_BACKENDS
    is_linux = sys.platform == "linux" and Path("/proc/self").is_dir()
    mechanisms: dict[str, str | None] = {
        "memory": KEEPER_CHECKS if is_linux else None,
        "cpu_time": f"{KEEPER_CHECKS}, and RLIMIT_CPU" if is_linux else "RLIMIT_CPU, for each process by itself",
        "processes": KEEPER_CHECKS if is_linux else None,
        "open_files": "RLIMIT_NOFILE, for each process",
        "file_size": "RLIMIT_FSIZE, for each file",
        "nice": "setpriority",
        "ionice": "ioprio_set" if find_ioprio_call() else None,
    }
    own_directory = find_own_directory() if is_linux else None
    controllers = available_controllers(own_directory) if own_directory else set()
    for limit, controller in CONTROLLERS.items():
        if controller in controllers:
            mechanisms[limit] = f"a cgroup of its own, by the {controller} controller"
    return mechanisms


def explain_not_permitted(limits: Limits) -> dict[str, str]:
    """Return the limits with values that this user may not set, each with the reason."""
    reasons: dict[str, str] = {}
    if os.name != "posix" or os.geteuid() == 0:
        return reasons
    import resource  # not at the top: the module can then be imported on Windows

    max_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limits.open_files is not None and max_files != resource.RLIM_INFINITY and limits.open_files > max_files:
        reasons["open_files"] = f"this user may set at most {max_files}"
    if limits.nice is not None and limits.nice < 0 and not _may_raise_priority(limits.nice):
        reasons["nice"] = "only root may raise the priority of a process; use 0 or more"
    return reasons


def to_request(limits: Limits) -> dict[str, Any]:
    """Return the limits that are set, as a request to the keeper holds them."""
    values = {name: getattr(limits, name) for name in limits.names}
    if limits.cpu_time is not None:
        values["cpu_time"] = limits.cpu_time.total_seconds()
    return {**values, "best_effort": limits.best_effort} if values else {}


def _may_raise_priority(nice: int) -> bool:
    import resource  # not at the top: the module can then be imported on Windows

    number = getattr(resource, "RLIMIT_NICE", None)
    return number is not None and 20 - resource.getrlimit(number)[0] <= os.nice(0) + nice
