"""The start of the daemon's process: a report if it takes long, and a restart in the same process."""

import contextlib
import gc
import linecache
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rae_auto.errors import ClaimLost
from rae_auto.runtime.concurrency.limited_calls import SLOW_CALL_SECONDS, reporting_if_slow
from rae_auto.toolkit.threads.garbage import set_threshold
from rae_auto.toolkit.threads.malloc_arenas import give_back_memory


@contextlib.contextmanager
def report_slow_reading(path: Path) -> Iterator[None]:
    """Say on standard error that reading the file takes long: there is no log yet, and the main thread may hang."""
    hint = "the processor may be busy, or a file system slow: that of this file, or of one that a plugin reads"
    text = f"rae-auto: {path} is still being read after {SLOW_CALL_SECONDS:.0f} s; {hint}\n"
    with reporting_if_slow(SLOW_CALL_SECONDS, sys.stderr.write, text):
        yield


def start_again(environment: Mapping[str, str], error: ClaimLost) -> None:
    """Start the program again in this process, to stand by. Raises the error if that can't be done.

    Nothing in memory is worth keeping, and whatever jobs run in threads of this process ends for sure: another daemon
    may be repeating it.
    """
    if not hasattr(os, "fork"):
        # There a program can't take the place of another; the service manager starts it again.
        raise error
    os.execve(sys.executable, sys.orig_argv, dict(environment))  # noqa: S606 - the same program


def forget_generated_sources() -> None:
    """Give up the sources of the methods that attrs has generated for hundreds of classes, which it keeps: 1 MB.

    Their lines are then missing in a traceback. Call it when most classes are made, so that the rest gets the memory.
    """
    linecache.clearcache()
    # Of a class with slots attrs makes another one. The newest of those that are left over, 0.15 MB, are still young.
    gc.collect(0)


def tune_memory() -> None:
    """Exempt the loaded jobs from garbage collection, which comes less often, and give back what the start took."""
    gc.freeze()
    # Nothing is left to search, but Python then lets go of tuples that it had put by for reuse: 1 MB of holes.
    gc.collect()
    give_back_memory()
    set_threshold(20_000, 20, 20)
