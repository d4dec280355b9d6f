"""Checks whether a process of this machine exists."""

import os
import sys


def is_process_there(pid: int, platform: str = sys.platform) -> bool:
    """Return whether there is a process of this pid, of whatever user. A zombie counts: its parent has yet to look."""
    if platform == "win32":
        # os.kill would end it there.
        import psutil

        return bool(psutil.pid_exists(pid))
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
