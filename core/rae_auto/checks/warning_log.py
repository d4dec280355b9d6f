"""Warnings of `rae-auto check` in the daemon's log, beside its start and its reloads and never in their way.

A small configuration is checked in a thread. A large one takes seconds of computing, in which a thread would compete
with the event loop for the interpreter, so it is checked in a process of its own, at low priority:
`python -m rae_auto.checks.warning_log FILE` prints the warnings as JSON.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE

from loguru import logger

from rae_auto.model.primitives.formatting import format_count
from rae_auto.registry import Registry
from rae_auto.runtime.concurrency.limited_calls import call_within

MAX_JOBS_IN_THREAD = 200
"""The number of jobs up to which the check takes less than about 0.1 s."""

MAX_LINES = 20
"""The number of warnings that are logged at once."""

TIMEOUT_SECONDS = 120.0
_NICE = 10


class WarningLog:
    """Logs the warnings about a configuration, each once as long as it stays."""

    def __init__(self, path: Path, registry: Registry) -> None:
        self._path = path
        self._registry = registry
        self._logged: frozenset[str] = frozenset()
        self._turn = asyncio.Lock()

    async def update(self, jobs: int) -> None:
        """Check the configuration with this number of jobs, and log the new warnings."""
        async with self._turn:
            try:
                lines = await (self._check_in_thread() if jobs <= MAX_JOBS_IN_THREAD else self._check_in_process())
            except (OSError, ValueError, TimeoutError) as error:
                logger.debug("the configuration can't be checked for warnings: {!r}", error)
                return
        found = {_without_line(line, self._path): line for line in lines}
        new = [line for text, line in found.items() if text not in self._logged]
        self._logged = frozenset(found)
        for line in new[:MAX_LINES]:
            logger.warning("{}", line)
        if len(new) > MAX_LINES:
            more = format_count(len(new) - MAX_LINES, "more warning")
            logger.warning("{}: {}; 'rae-auto check' shows all", self._path, more)

    async def _check_in_thread(self) -> Sequence[str]:
        return await call_within(TIMEOUT_SECONDS, "check", find_warnings, self._path, self._registry.fork())

    async def _check_in_process(self) -> Sequence[str]:
        # A thread waits for it, because a transport of asyncio would have to be closed before the loop is.
        process = _start_check(self._path)
        try:
            out, _ = await call_within(TIMEOUT_SECONDS, "check", process.communicate)
        finally:
            if process.returncode is None:
                process.kill()
        lines: list[str] = json.loads(out)
        return lines


def _start_check(path: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", __name__, str(path)]
    return subprocess.Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)


def find_warnings(path: Path, registry: Registry) -> Sequence[str]:
    """Return the warnings about a configuration; nothing is prepared. Those about one with errors are left out."""
    from rae_auto.checks.check import check_file  # lazy: memory

    report = check_file(path, registry, prepares=False)
    return () if report.errors else report.warnings


def _without_line(line: str, path: Path) -> str:
    """Return a warning without file and line, because the line changes with what is above it."""
    return line.removeprefix(f"{path}:").lstrip("0123456789")


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(_NICE)
    json.dump(find_warnings(Path(sys.argv[1]), Registry()), sys.stdout)
