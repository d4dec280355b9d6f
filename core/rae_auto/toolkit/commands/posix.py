"""Commands on POSIX: each leads a session of its own, which is killed as a whole."""

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process

from rae_auto.platforms.process_groups import kill_with_children
from rae_auto.toolkit.commands.contract import CommandNotStarted, CommandRequest, CommandResult, OutputEnd

_PIPE = 1 << 16
_MAX_PIPE_READS = 16
"""A pipe holds a megabyte at most."""


class SessionCommands:
    """Commands in sessions."""

    async def run(self, request: CommandRequest) -> CommandResult:
        """Run it in a session of its own; whatever is left of that afterwards is killed."""
        with _OutputPipe(request.max_bytes) as pipe:
            try:
                process = await asyncio.create_subprocess_exec(
                    *request.words,
                    stdin=DEVNULL,
                    stdout=pipe.writing,
                    stderr=pipe.writing if request.with_errors else DEVNULL,
                    cwd=request.directory,
                    env=request.environment,
                    start_new_session=True,
                )
            except (OSError, ValueError, RuntimeError) as error:
                reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
                raise CommandNotStarted(reason) from None
            pipe.process = process
            try:
                code = await process.wait()
            finally:
                await kill(process)
            pipe.read_rest()
            return pipe.end.make_result(code)


async def kill(process: Process) -> None:
    """Kill one that leads a session, with all that are still in that."""
    kill_with_children(process.pid)
    await asyncio.shield(process.wait())


class _OutputPipe:
    """A pipe for what the command prints, read all the time, of which the end is stored.

    asyncio's own would be waited for until all have closed it, also those whom the command has left behind.
    """

    process: Process | None = None

    def __init__(self, max_bytes: int | None) -> None:
        self.end = OutputEnd(max_bytes)
        self._reading, self.writing = os.pipe()
        os.set_blocking(self._reading, False)

    def __enter__(self) -> "_OutputPipe":
        asyncio.get_running_loop().add_reader(self._reading, self._read)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.get_running_loop().remove_reader(self._reading)
        os.close(self._reading)
        os.close(self.writing)

    def read_rest(self) -> None:
        """Take what is still in the pipe."""
        for _ in range(_MAX_PIPE_READS):
            if not self._read():
                break

    def _read(self) -> bool:
        try:
            part = os.read(self._reading, _PIPE)
        except BlockingIOError:
            return False
        self.end.add(part)
        if self.end.is_too_long and self.process is not None:
            kill_with_children(self.process.pid)
        return True
