"""What this machine can bound, and by what."""

import os
import sys
from pathlib import Path
from typing import Any

from rae_auto.model.policies import Limits
from rae_plugins.executors.process.keeper.cgroups import CONTROLLERS, controllers_of, own_directory
from rae_plugins.executors.process.keeper.limits import ioprio_call

if os.name == "posix":
    import resource

WATCH = "the keeper looks at the tree's processes while they run"


def backends() -> dict[str, str | None]:
    """The mechanism of each limit, or None."""
    if os.name != "posix":
        return dict.fromkeys(("memory", "cpu_time", "processes", "open_files", "file_size", "nice", "ionice"))
    linux = sys.platform == "linux" and Path("/proc/self").is_dir()
    found: dict[str, str | None] = {
        "memory": WATCH if linux else None,
        "cpu_time": f"{WATCH}, and RLIMIT_CPU" if linux else "RLIMIT_CPU, for each process by itself",
        "processes": WATCH if linux else None,
        "open_files": "RLIMIT_NOFILE, for each process",
        "file_size": "RLIMIT_FSIZE, for each file",
        "nice": "setpriority",
        "ionice": "ioprio_set" if ioprio_call() else None,
    }
    own = own_directory() if linux else None
    controllers = controllers_of(own) if own else set()
    for limit, controller in CONTROLLERS.items():
        if controller in controllers:
            found[limit] = f"a cgroup of its own, by the {controller} controller"
    return found


def not_permitted(limits: Limits) -> dict[str, str]:
    """Limits of a kind that can be enforced, with values that this user may not set."""
    found: dict[str, str] = {}
    if os.name != "posix" or os.geteuid() == 0:
        return found
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limits.open_files is not None and files != resource.RLIM_INFINITY and limits.open_files > files:
        found["open_files"] = f"this user may have at most {files}"
    if limits.nice is not None and limits.nice < 0 and not _may_be_impolite(limits.nice):
        found["nice"] = "only root may go before others"
    return found


def asked(limits: Limits) -> dict[str, Any]:
    """The limits that are set, as the keeper takes them."""
    values = {name: getattr(limits, name) for name in limits.given}
    if limits.cpu_time is not None:
        values["cpu_time"] = limits.cpu_time.total_seconds()
    return {**values, "best_effort": limits.best_effort} if values else {}


def _may_be_impolite(nice: int) -> bool:
    kind = getattr(resource, "RLIMIT_NICE", None)
    return kind is not None and 20 - resource.getrlimit(kind)[0] <= os.nice(0) + nice
