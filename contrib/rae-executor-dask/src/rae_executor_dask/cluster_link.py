"""The line to the helper: a process that is started when it is needed, started again when it ends, and ended when idle.

One helper serves all executors of the same cluster in a daemon, whatever their labels.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar, Protocol

from loguru import logger

from rae_executor_dask.cluster.settings import ClusterSettings

HELPER_COMMAND = (sys.executable, "-m", "rae_executor_dask.cluster")

IDLE_SECONDS = 120.0
"""Time for which the helper is kept when no attempt needs it."""

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 10.0
"""Bounds of the time between two starts of a helper that ends at once."""

END_SECONDS = 2.0
MAX_LINE_BYTES = 64 << 20
MAX_ERROR_BYTES = 4096

Message = Mapping[str, Any]


class TaskListener(Protocol):
    """An attempt, as the line sees it."""

    token: str

    def resume(self) -> None:
        """Say again what the helper has to know of the attempt: it is a new one."""
        ...

    def handle_report(self, report: Message) -> None:
        """Handle a report about the attempt."""
        ...


class ClusterLink:
    """The line to one cluster, through the helper."""

    _links: ClassVar[dict[tuple[int, ClusterSettings], "ClusterLink"]] = {}

    def __init__(self, settings: ClusterSettings) -> None:
        self.name = settings.scheduler
        self.is_open = False
        """The scheduler is there."""
        self.problem: str | None = None
        self.process: asyncio.subprocess.Process | None = None
        self._settings = settings
        self._users = 0
        self._listeners: dict[str, TaskListener] = {}
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._count = 0
        self._state_known = asyncio.Event()
        """The helper has said whether it is connected."""
        self._wanted_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def acquire(cls, settings: ClusterSettings) -> "ClusterLink":
        """Return the line for these settings, which others may use too; `release` it."""
        key = id(asyncio.get_running_loop()), settings
        link = cls._links.setdefault(key, cls(settings))
        link._users += 1
        return link

    async def release(self) -> None:
        """Close the line if it has no other users. The attempts go on."""
        self._users -= 1
        if self._users == 0:
            self._links.pop((id(asyncio.get_running_loop()), self._settings), None)
            if self._task is not None:
                self._task.cancel()
                await asyncio.wait({self._task})

    @property
    def handle(self) -> Mapping[str, Any]:
        """Return what identifies an attempt later, beside its token."""
        return {"scheduler": self.name}

    def add(self, listener: TaskListener) -> None:
        """Start the helper if necessary, and pass reports about an attempt on to it."""
        self._listeners[listener.token] = listener
        self._want()
        if self.process is not None:
            listener.resume()

    def remove(self, token: str) -> None:
        """Pass on no more reports about an attempt."""
        self._listeners.pop(token, None)
        self._wanted_at = time.monotonic()

    def send(self, message: Message) -> None:
        """Send a message, if the helper is there; `TaskListener.resume` repeats what was lost."""
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.write(json.dumps(message).encode() + b"\n")

    async def find_problem(self, labels: tuple[str, ...], resources: Mapping[str, float], seconds: float) -> str | None:
        """Return why no worker could take an attempt; None if one could."""
        self._want()
        try:
            async with asyncio.timeout(seconds):
                await self._state_known.wait()
                if not self.is_open:
                    return self.problem
                self._count += 1
                number = self._count
                answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
                self._answers[number] = answer
                try:
                    self.send({"do": "ready", "id": number, "labels": labels, "resources": dict(resources)})
                    return await answer
                finally:
                    self._answers.pop(number, None)
        except TimeoutError:
            return self.problem or f"{self.name}: no answer yet"

    def _want(self) -> None:
        self._wanted_at = time.monotonic()
        if self._task is None or self._task.done():
            self._state_known.clear()
            self._task = asyncio.create_task(self._keep_helper())

    def _is_idle(self) -> bool:
        return not self._listeners and time.monotonic() - self._wanted_at > IDLE_SECONDS

    async def _keep_helper(self) -> None:
        """Start the helper, and again whenever it ends, until nothing needs it."""
        delay = FIRST_RETRY_SECONDS
        while not self._is_idle():
            began = time.monotonic()
            problem = await self._serve_helper()
            if self._is_idle():
                return
            logger.warning("executor dask: the helper for {} has ended ({}); starting another", self.name, problem)
            self.problem = f"{self.name}: the helper has ended ({problem})"
            self._state_known.set()
            if time.monotonic() - began > MAX_RETRY_SECONDS:
                delay = FIRST_RETRY_SECONDS
            await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_RETRY_SECONDS)

    async def _serve_helper(self) -> str:
        """Run a helper until it ends or nothing needs it; return how it ended."""
        try:
            process = await asyncio.create_subprocess_exec(
                *HELPER_COMMAND,
                self._settings.to_text(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                start_new_session=True,
            )
        except OSError as error:
            return f"it can't be started: {error.strerror}"
        self.process = process
        errors = asyncio.create_task(_read_end(process.stderr))
        try:
            for listener in list(self._listeners.values()):
                listener.resume()
            await self._read_reports(process)
        finally:
            self.process = None
            self.is_open = False
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result(f"{self.name}: the helper has ended")
            await _end(process)
        text = (await errors).decode(errors="replace").strip()
        return text.splitlines()[-1] if text else f"status {process.returncode}"

    async def _read_reports(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            reading = asyncio.ensure_future(process.stdout.readline())
            while not reading.done():
                await asyncio.wait({reading}, timeout=IDLE_SECONDS / 4)
                if not reading.done() and self._is_idle():
                    reading.cancel()
                    return
            line = reading.result()
            if not line:
                return
            self._handle_report(json.loads(line))

    def _handle_report(self, report: Message) -> None:
        if "open" in report:
            self._note_state(report["open"], report["problem"])
        elif "id" in report:
            answer = self._answers.get(report["id"])
            if answer is not None and not answer.done():
                answer.set_result(report["problem"])
        else:
            listener = self._listeners.get(report["token"])
            if listener is not None:
                listener.handle_report(report)

    def _note_state(self, is_open: bool, problem: str | None) -> None:
        if self._listeners and problem != self.problem:
            if is_open:
                logger.info("executor dask: connected to {} again", self.name)
            else:
                logger.warning(
                    "executor dask: no connection ({}); attempts under way: {}; trying again",
                    problem,
                    len(self._listeners),
                )
        self.is_open, self.problem = is_open, problem
        self._state_known.set()


async def _read_end(stream: asyncio.StreamReader | None) -> bytes:
    """Return the end of what comes through a stream."""
    end = b""
    while stream is not None and (data := await stream.read(MAX_ERROR_BYTES)):
        end = (end + data)[-MAX_ERROR_BYTES:]
    return end


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the helper, which ends by itself once its standard input is closed."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
