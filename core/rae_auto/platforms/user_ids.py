"""The number of the user of this process, which POSIX has."""

import os

NO_USER_ID = -1
"""The number on Windows, where users have names and SIDs."""


def own_user_id() -> int:
    """Return the real user id, or `NO_USER_ID`."""
    return os.getuid() if hasattr(os, "getuid") else NO_USER_ID


def is_root() -> bool:
    """Return whether the effective user is root; False where there is none."""
    return hasattr(os, "geteuid") and os.geteuid() == 0
