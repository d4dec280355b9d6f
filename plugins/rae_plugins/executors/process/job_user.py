"""The user that a job runs as, if it isn't the daemon's."""

import os
from collections.abc import Collection, Mapping
from typing import Any

from rae_auto.model.job import Job
from rae_auto.model.primitives.formatting import quote

SESSION_VARIABLES = (
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "SSH_AUTH_SOCK",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
)
"""Variables of the daemon's own session, which another user has no part in."""

NEEDS_ROOT = (
    "needs a daemon of root; install one with 'sudo rae-auto service install --system', or run a daemon as this user"
)


def find_user_problem(name: str) -> str | None:
    """Return why a job can't run as a user of this name, or None."""
    import pwd

    try:
        pwd.getpwnam(name)
    except KeyError:
        return f"this machine has no user {quote(name)}; create it, or correct the name"
    return None


def to_request(name: str | None) -> dict[str, Any] | None:
    """Return the ids that the keeper is to switch to; None to stay. Raises ValueError if there is no such user."""
    if name is None:
        return None
    import pwd

    if problem := find_user_problem(name):
        raise ValueError(f"user: {problem}")
    entry = pwd.getpwnam(name)
    return {"name": name, "uid": entry.pw_uid, "gid": entry.pw_gid, "groups": os.getgrouplist(name, entry.pw_gid)}


def build_user_environment(job: Job, environment: Mapping[str, str], passed: Collection[str] = ()) -> dict[str, str]:
    """Return the environment of a job: with the home and the name of its user, as login(1) sets them.

    What `env` of the job sets stays; variables of the daemon's session stay only if they are `passed` on purpose.
    """
    if job.user is None:
        return dict(environment)
    import pwd

    entry = pwd.getpwnam(job.user)
    own = {"HOME": entry.pw_dir, "USER": job.user, "LOGNAME": job.user, "SHELL": entry.pw_shell or "/bin/sh"}
    kept = {name: value for name, value in environment.items() if name not in SESSION_VARIABLES or name in passed}
    return {**kept, **own, **{name: environment[name] for name in job.env if name in environment}}
