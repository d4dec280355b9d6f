"""A service of the system that another user runs, as that user sees it.

Root looks with the rights of that user, in a process of its own. So no plugin of another user's configuration is loaded
with the rights of root, and what the daemon would not be able to do is an error of `service install`. The state
directory depends on that user's home; it is noted in the service's file, so that root's commands find the daemon.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import frozen

from rae_auto.config import load
from rae_auto.errors import ConfigError, SchedulerError
from rae_auto.model.primitives.formatting import quote
from rae_auto.paths import configured_state_directory, state_directory
from rae_auto.registry import Registry
from rae_auto.toolkit.files import is_folder, is_there

LOOK_SECONDS = 60.0
"""Time in which the configuration must be read; it loads plugins."""

_MODULE = "rae_auto.service.other_user"


@frozen(kw_only=True)
class UserView:
    """The facts of a configuration for one user; `search_path` has the folders of PATH that the user may enter."""

    state: Path | None
    """The state directory; None if that can't be known."""
    is_configured: bool
    """The configuration names that directory."""
    search_path: str
    shutdown_grace: timedelta


def look_as(user: str, config: Path) -> UserView:
    """Return how a user sees a configuration. Root alone may ask. Errors: ConfigError, SchedulerError."""
    import pwd

    entry = pwd.getpwnam(user)
    variables = {"HOME": entry.pw_dir, "USER": user, "LOGNAME": user, "PATH": os.environ.get("PATH", os.defpath)}
    if chosen := os.environ.get("RAE_STATE_DIR"):
        variables["RAE_STATE_DIR"] = os.path.abspath(chosen)  # noqa: PTH100 - links are kept
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", _MODULE, str(config)],
            user=entry.pw_uid,
            group=entry.pw_gid,
            extra_groups=os.getgrouplist(user, entry.pw_gid),
            env=variables,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=LOOK_SECONDS,
            check=False,
        )
    except PermissionError:
        raise _unreachable(user) from None
    except subprocess.TimeoutExpired:
        raise SchedulerError(f"{config} has not been read after {LOOK_SECONDS:g} s") from None
    if done.returncode:
        last = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise _unreachable(user, f" ({last})")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if problems := answer.get("problems"):
        raise ConfigError([f"for the user {quote(user)}: {problem}" for problem in problems])
    return UserView(
        state=Path(answer["state"]),
        is_configured=answer["configured"],
        search_path=answer["path"],
        shutdown_grace=timedelta(seconds=answer["grace"]),
    )


def _unreachable(user: str, detail: str = "") -> SchedulerError:
    return SchedulerError(
        f"--user: {quote(user)} can't run {sys.executable}{detail}; install rae-auto where that user can read it, "
        "as in 'python3 -m venv /opt/rae-auto', and run this from there"
    )


def look(config: Path) -> dict[str, Any]:
    """Return the answer for `look_as`: the facts of this user, or the problems."""
    try:
        loaded = load(config, Registry())
    except ConfigError as error:
        return {"problems": error.problems}
    state = state_directory(config)
    if (problem := _find_state_problem(state)) is not None:
        return {"problems": [f"{config}: {problem}"]}
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return {
        "state": str(state),
        "configured": not os.environ.get("RAE_STATE_DIR") and configured_state_directory(config) is not None,
        "path": os.pathsep.join(folder for folder in folders if is_folder(folder) and os.access(folder, os.X_OK)),
        "grace": loaded.shutdown_grace.total_seconds(),
    }


def _find_state_problem(state: Path) -> str | None:
    """Return why this user can't have a state directory there, as those without a home; None if nothing is known."""
    above = next(folder for folder in (state, *state.parents) if is_there(folder))
    if os.access(above, os.W_OK | os.X_OK):
        return None
    return (
        f"the state directory {state} can't be created or written; create a folder that belongs to the user and name "
        'it with the key state, as in state = "/var/lib/rae-auto"'
    )


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]))))  # noqa: T201 - the answer to `look_as`
