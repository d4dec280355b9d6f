"""A command as an attempt: in a session of its own, and ended with all that it started.

Theory
======

*The tree* of an attempt are the processes of its session's group, and all that have its run's id in the environment
with which they were started (`RAE_RUN_ID`). A process that leaves the group is found by the second, one that clears its
environment by the first. One that does both is not found; the built-in process executor ends those too, with a keeper.

*A daemon that is killed* leaves the tree behind. Its output has no reader then, so it can't be adopted: `find` of an
executor ends it with `end_processes_of_run`, and returns None. So nothing runs twice, and the run counts as lost.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from rae_auto.api import Assignment, Execution
from rae_auto.model.run import Result
from rae_auto.toolkit.attempts.attempt_output import AttemptOutput

READ_BYTES = 1 << 16
END_TIMEOUT_SECONDS = 5.0
"""Time that killed processes have to vanish."""

_KILL = getattr(signal, "SIGKILL", signal.SIGTERM)


class ProcessAttempt(Execution):
    """A running command. Its handle has the pid, for people; `find` needs only the id of the run."""

    def __init__(self, process: asyncio.subprocess.Process, assignment: Assignment) -> None:
        """Begin to read what the process prints."""
        self._process = process
        self._assignment = assignment
        self._reading = asyncio.create_task(self._read())

    @property
    def handle(self) -> Mapping[str, Any]:
        """Return the pid."""
        return {"pid": self._process.pid}

    async def _read(self) -> None:
        """Write the output to its file, and go on reading when it is full, so that the command isn't held up."""
        stream, assignment = self._process.stdout, self._assignment
        assert stream is not None
        output = AttemptOutput(assignment.output, assignment.job.limits.output, assignment.secrets)
        failure: OSError | None = None
        try:
            while data := await stream.read(READ_BYTES):
                if failure is None:
                    try:
                        await asyncio.to_thread(output.write, data)
                    except OSError as error:
                        failure = error
        finally:
            with suppress(OSError):
                output.close()
        if failure is not None:
            raise failure

    async def wait(self) -> Result:
        """Wait for the end of the command, end what it has left behind, and return the result."""
        code = await self._process.wait()
        await end_processes_of_run(self._assignment.run, self._process.pid)
        error = None
        try:
            await asyncio.wait_for(asyncio.shield(self._reading), END_TIMEOUT_SECONDS)
        except TimeoutError:
            self._reading.cancel()
        except OSError as failure:
            error = f"its output can't be written: {failure.strerror}"
        return Result(exit_code=code, error=error) if code >= 0 else Result(signal=-code, error=error)

    async def cancel(self, grace: timedelta) -> None:
        """Ask the tree to end, and kill what is left of it `grace` later."""
        await end_processes_of_run(self._assignment.run, self._process.pid, signal.SIGTERM, wait_seconds=0)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), grace.total_seconds())
        await end_processes_of_run(self._assignment.run, self._process.pid)


async def start_process(assignment: Assignment, argv: Sequence[str]) -> ProcessAttempt:
    """Start a command with the environment, folder, standard input and umask of an attempt.

    Raises OSError, such as FileNotFoundError for a program that doesn't exist.
    """
    job = assignment.job
    options: dict[str, Any] = {} if job.umask is None else {"umask": int(job.umask, 8)}
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=job.cwd or job.directory,
        env=assignment.environment,
        stdin=asyncio.subprocess.DEVNULL if assignment.stdin is None else asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        **options,
    )
    attempt = ProcessAttempt(process, assignment)
    if assignment.stdin is not None and process.stdin is not None:
        process.stdin.write(assignment.stdin.encode())
        process.stdin.close()
    return attempt


async def end_processes_of_run(
    run: str, group: int | None = None, number: int = _KILL, *, wait_seconds: float = END_TIMEOUT_SECONDS
) -> None:
    """Send a signal to all processes of a run, and wait until they are gone.

    `group` is the pid of its command while that is known to be its own, None after a restart of the daemon.
    """
    if group is not None and hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
    await asyncio.to_thread(_end, run, number, wait_seconds)


def _end(run: str, number: int, wait_seconds: float) -> None:
    import psutil  # lazy: start-up

    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get("RAE_RUN_ID") == run:
                process.send_signal(number)
                found.append(process)
    if wait_seconds:
        psutil.wait_procs(found, wait_seconds)
