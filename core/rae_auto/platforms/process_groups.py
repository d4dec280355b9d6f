"""The end of a process together with those that it has started."""

import os
import signal
import sys
from contextlib import suppress


def kill_with_children(pid: int, platform: str = sys.platform) -> None:
    """Kill a process that was started with `start_new_session=True`, and its children; ones that are gone are fine."""
    if platform != "win32":
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        return
    # Windows has no sessions: the children are those that name it as their parent.
    import psutil

    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (*process.children(recursive=True), process):
            with suppress(psutil.Error):
                one.kill()
