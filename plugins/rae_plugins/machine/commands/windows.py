"""Commands on Windows: each in a job object, which is ended as a whole, with threads that read and wait.

asyncio can't read a pipe there that a child writes to, unless it has started the child itself; then the child is not in
a job object before it runs. The calls are those of the keeper, which starts jobs in the same way.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from typing import Any

from attrs import define, field

from rae_auto.toolkit.commands.contract import CommandNotStarted, CommandRequest, CommandResult, OutputEnd
from rae_auto.toolkit.threads.daemon_threads import DaemonThreads
from rae_plugins.executors.process.keeper.spawn import SpawnError
from rae_plugins.executors.process.keeper.windows.create_process import SuspendedProcess, create_suspended
from rae_plugins.executors.process.keeper.windows.job_object import KILLED_EXIT_CODE, JobObject
from rae_plugins.executors.process.keeper.windows.kernel32 import Kernel32

MAX_THREADS = 64
"""Two for each command that runs."""

MAX_DRAIN_SECONDS = 2.0
"""Time to read what is still in the pipe, once all that could write to it have ended."""

_READ_BYTES = 1 << 16

_threads = DaemonThreads("command", MAX_THREADS)


@define(eq=False)
class _RunningCommand:
    """A process in its job object, and the pipe that it prints to."""

    kernel: Kernel32
    container: JobObject
    process: int
    reading: int
    end: OutputEnd
    is_read: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.is_read = _threads.submit(self._read)

    def _read(self) -> None:
        try:
            while part := os.read(self.reading, _READ_BYTES):
                self.end.add(part)
                if self.end.is_too_long:
                    self.container.kill()
        finally:
            os.close(self.reading)

    def wait(self) -> int:
        """Wait for the end of the process and return its exit code; blocks."""
        self.kernel.wait(self.process)
        return self.kernel.exit_code(self.process)

    def release(self) -> None:
        """Let the job object and the process go."""
        self.container.remove()
        self.kernel.close(self.process)


class JobObjectCommands:
    """Commands in job objects."""

    def __init__(
        self, kernel: Kernel32 | None = None, create: Callable[..., SuspendedProcess] = create_suspended
    ) -> None:
        """Make the calls of `kernel` and `create`, by default those of Windows. Errors: OSError."""
        self._kernel = kernel or Kernel32()
        self._create = create

    async def run(self, request: CommandRequest) -> CommandResult:
        """Run it in a job object, and kill what is left in it afterwards."""
        try:
            command = self._start(request)
        except (OSError, ValueError, RuntimeError, SpawnError) as error:
            raise CommandNotStarted((error.strerror if isinstance(error, OSError) else None) or str(error)) from None
        waiting = asyncio.wrap_future(_threads.submit(command.wait))
        try:
            code = await asyncio.shield(waiting)
        finally:
            command.container.kill()
            await asyncio.shield(self._finish(command, waiting))
        return command.end.make_result(code)

    async def _finish(self, command: _RunningCommand, waiting: "asyncio.Future[int]") -> None:
        await asyncio.wait({waiting})
        with contextlib.suppress(TimeoutError, OSError):
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(command.is_read)), MAX_DRAIN_SECONDS)
        command.release()

    def _start(self, request: CommandRequest) -> _RunningCommand:
        """Start it in its job object. Errors: OSError, ValueError, SpawnError."""
        container = JobObject(self._kernel, {})
        reading, writing = os.pipe()
        nothing = os.open(os.devnull, os.O_RDWR)
        wanted = {
            "argv": list(request.words),
            "cwd": str(request.directory),
            "env": dict(request.environment),
        }
        try:
            created = self._create(wanted, (nothing, writing, writing if request.with_errors else nothing))
            self._put_into(container, created)
        except BaseException:
            os.close(reading)
            container.remove()
            raise
        finally:
            os.close(writing)
            os.close(nothing)
        return _RunningCommand(self._kernel, container, created.process, reading, OutputEnd(request.max_bytes))

    def _put_into(self, container: JobObject, created: SuspendedProcess) -> None:
        try:
            container.assign(created.process)
            self._kernel.resume(created.thread)
        except OSError:
            with contextlib.suppress(OSError):
                self._kernel.call("TerminateProcess", created.process, KILLED_EXIT_CODE)
            self._kernel.close(created.process)
            raise
        finally:
            self._kernel.close(created.thread)
