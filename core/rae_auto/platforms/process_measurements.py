"""Measurements of this process."""

import os
import sys
from pathlib import Path


def measure_process(platform: str = sys.platform) -> dict[str, float]:
    """Return the CPU time in seconds, the resident memory in bytes, and the number of open files or handles."""
    times = os.times()
    facts: dict[str, float] = {"cpu_seconds": times.user + times.system}
    if platform == "linux":
        # Without psutil, whose import would be measured too.
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        facts["resident_bytes"] = pages * os.sysconf("SC_PAGE_SIZE")
        facts["open_files"] = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone, without paths
        return facts
    import psutil

    process = psutil.Process()
    facts["resident_bytes"] = process.memory_info().rss
    facts["open_files"] = process.num_handles() if platform == "win32" else process.num_fds()
    return facts
