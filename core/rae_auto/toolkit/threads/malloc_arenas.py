"""The memory of threads: glibc gives each a heap of its own, which rarely returns memory to the system.

The daemon's threads wait for disks and peers nearly all of the time, and Python lets one of them run at once. So heaps
of their own gain nothing, and cost 1 to 2 MB, most of it when a thread is the first to import something. By
`tests/benchmarks/memory_of_notices.py` the native log and e-mail add 3.2 MB with them, and 1.6 MB without.
"""

import sys
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3)."""

LARGE_BLOCK_BYTES = 64 << 10
"""Size from which on a block of memory has pages of its own, which go back to the system with it."""


def give_back_memory() -> None:
    """Return to the system what this process has freed; without effect where the C library isn't glibc.

    glibc returns what lies at the end of its heap alone. A start reads a store of thousands of jobs into memory at
    once, and what is below the jobs that stay would never be returned: 2 MB with 10,000 jobs.
    """
    _call_glibc("malloc_trim", 0)


def share_one_arena() -> None:
    """Have all threads of this process share one heap, from now on; without effect where the C library isn't glibc."""
    _call_glibc("mallopt", _M_ARENA_MAX, 1)


def return_large_blocks() -> None:
    """Have large blocks returned to the system as soon as they are freed, from now on; without effect likewise.

    glibc keeps them otherwise, and the more, the larger they were: with each text of some hundred kilobytes that was
    made and freed, what was allocated meanwhile lies between holes.
    """
    _call_glibc("mallopt", _M_MMAP_THRESHOLD, LARGE_BLOCK_BYTES)
    _call_glibc("mallopt", _M_TRIM_THRESHOLD, LARGE_BLOCK_BYTES)


def _call_glibc(name: str, *arguments: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes  # lazy: start-up

    with suppress(OSError, AttributeError):
        getattr(ctypes.CDLL(None), name)(*arguments)
