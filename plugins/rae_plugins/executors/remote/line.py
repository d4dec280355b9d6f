"""The line to where attempts run: a process with messages over its standard streams, started when it is needed."""

import asyncio
import json
import os
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from rae_auto.toolkit.threads.duties import keep_going

END_SECONDS = 2.0
"""Time that the process has to end, before it is killed."""

MAX_ERROR_BYTES = 4096

MAX_REPORT_BYTES = 4 << 20
"""Size of a report beyond which the line is broken: an end has the index of its output, of up to 1.3 MB.

Twice as much is read ahead at most, when output comes faster than it can be written.
"""

Message = Mapping[str, Any]


class AttemptListener(Protocol):
    """An attempt, as the line sees it."""

    token: str

    def resume(self) -> None:
        """Say again what the other side has to know of the attempt: the line is open."""
        ...

    def handle_report(self, report: Message) -> None:
        """Handle a report about the attempt."""
        ...


class ProcessLine(ABC):
    """A line by way of a process: opened when it is needed, opened again when it ends, closed when idle."""

    idle_seconds: float
    """Time for which the line is kept when no attempt needs it."""

    def __init__(self, name: str) -> None:
        """Have a line to `name`, as messages call it."""
        self.name = name
        self.is_open = False
        self.problem: str | None = None
        """Why it isn't open, once a try has failed."""
        self.process: asyncio.subprocess.Process | None = None
        self._listeners: dict[str, AttemptListener] = {}
        self._wanted_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def handle(self) -> Mapping[str, Any]:
        """Return what identifies an attempt later, beside its token."""

    @abstractmethod
    async def keep_open(self) -> None:
        """Open the line, and again whenever it ends, until `is_idle`. Its errors are those that it doesn't expect."""

    @property
    def can_send(self) -> bool:
        """Tell whether a message would arrive now."""
        return self.process is not None

    def add(self, listener: AttemptListener) -> None:
        """Open the line if necessary, and pass reports about an attempt on to it."""
        self._listeners[listener.token] = listener
        self.want()
        if self.can_send:
            listener.resume()

    def remove(self, token: str) -> None:
        """Pass on no more reports about an attempt."""
        self._listeners.pop(token, None)
        self._wanted_at = time.monotonic()

    def resume_all(self) -> None:
        """Say again what the other side has to know of all attempts."""
        for listener in list(self._listeners.values()):
            listener.resume()

    def send(self, message: Message) -> None:
        """Send a message if the line can; `AttemptListener.resume` repeats what was lost."""
        if self.can_send and self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    def pass_on(self, report: Message) -> None:
        """Pass a report on to the attempt that it is about."""
        listener = self._listeners.get(report.get("token", ""))
        if listener is not None:
            listener.handle_report(report)

    def want(self) -> bool:
        """Have the line open; return whether that is new."""
        self._wanted_at = time.monotonic()
        if self._task is not None and not self._task.done():
            return False
        self._task = asyncio.create_task(keep_going(f"line to {self.name}", self._keep_open))
        return True

    async def _keep_open(self) -> None:
        """Keep it open, and note an error that ends it: attempts are out of reach until it is opened again."""
        try:
            await self.keep_open()
        except Exception as error:
            self.is_open = False
            self.problem = f"{self.name}: the line has ended by {error!r}"
            raise

    def is_idle(self) -> bool:
        """Return whether nothing has needed the line for a while."""
        return not self._listeners and time.monotonic() - self._wanted_at > self.idle_seconds

    async def close(self) -> None:
        """Close the line. The attempts go on."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None


async def start_process(command: Sequence[str]) -> asyncio.subprocess.Process:
    """Start the process of a line, in a session of its own. Errors: OSError."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=pipe, limit=MAX_REPORT_BYTES, start_new_session=True
    )


async def read_end(stream: asyncio.StreamReader | None) -> bytes:
    """Return the end of what comes through a stream."""
    end = b""
    while stream is not None and (data := await stream.read(MAX_ERROR_BYTES)):
        end = (end + data)[-MAX_ERROR_BYTES:]
    return end


async def end_process(process: asyncio.subprocess.Process) -> None:
    """End a process, and what it has started in its session, such as a proxy; one that doesn't end is killed."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGTERM)
        else:
            process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
