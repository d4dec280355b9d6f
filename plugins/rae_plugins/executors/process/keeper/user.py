"""The switch to another user, between fork and exec.

The order is that of setpriv(1) and su(1): groups first, because afterwards they can't be changed any more. A program
that is setuid gives no privileges from then on (`PR_SET_NO_NEW_PRIVS`, prctl(2)), so that none leads back to root.
"""

import ctypes
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

PR_SET_NO_NEW_PRIVS = 38


def build_user_switch(user: Mapping[str, Any] | None) -> Callable[[], None] | None:
    """Return a function that makes this process one of a user; None if there is none to switch to.

    The function raises OSError if that fails, and then the process must not go on.
    """
    if user is None:
        return None
    # Before the fork, because afterwards little may be done.
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
    uid, gid, groups = user["uid"], user["gid"], list(user["groups"])

    def switch() -> None:
        os.setgroups(groups)
        os.setgid(gid)
        os.setuid(uid)
        if prctl is not None and prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")

    return switch
