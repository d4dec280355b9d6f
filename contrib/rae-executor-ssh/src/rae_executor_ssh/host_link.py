"""The line to one host: opened when it is needed, opened again when it breaks, closed when nothing needs it any more.

One `ssh` process serves all attempts on a host, so a start costs no handshake. A connection can die silently, as after
a suspend, so the daemon asks at intervals and closes a connection that gives no answer. The host does the same.
Attempts that are running there are not affected.
"""

import asyncio
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from loguru import logger

from rae_executor_ssh.ssh_command import (
    MIN_PYTHON,
    REMOTE_PACKAGE,
    build_command,
    build_loader,
    explain_failure,
    parse_report,
)
from rae_plugins.executors.remote.bundle import build_bundle
from rae_plugins.executors.remote.line import ProcessLine, end_process, read_end, start_process

CONNECT_SECONDS = 30.0
"""Time that a connection may take, from the start of ssh to the agent's first report."""

PING_SECONDS, SILENCE_SECONDS = 10.0, 30.0
"""Interval between questions to the host, and time without an answer after which the line is cut."""

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.25, 20.0
"""Bounds of the time between two tries to connect, which doubles."""


class LineBroken(Exception):
    """A connection that could not be made, or has ended; its text says why."""


class HostLink(ProcessLine):
    """The line to a host."""

    idle_seconds = 60.0

    def __init__(self, host: str, config: str | None, python: str, directory: str) -> None:
        super().__init__(host)
        self.host = host
        self._command = build_command(host, config, python)
        self._python = python
        self._directory = directory
        self._opened = asyncio.Event()
        self._tried = asyncio.Event()
        self._last_report_at = 0.0

    @property
    def handle(self) -> Mapping[str, Any]:
        """Return what identifies an attempt later, beside its token."""
        return {"host": self.host}

    @property
    def can_send(self) -> bool:
        return self.is_open

    async def wait_until_open(self, seconds: float) -> str | None:
        """Return None once the line is open, or why it isn't: when a try has failed, or the time is over."""
        self.want()
        if not self.is_open:
            opened = asyncio.create_task(self._opened.wait())
            tried = asyncio.create_task(self._tried.wait())
            try:
                await asyncio.wait({opened, tried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                opened.cancel()
                tried.cancel()
        return None if self.is_open else self.problem or f"{self.host}: still connecting"

    def want(self) -> bool:
        """Have the line open, by a new try if none is under way."""
        if is_new := super().want():
            self._tried.clear()
        return is_new

    async def keep_open(self) -> None:
        """Connect, and again whenever the line breaks, until nothing needs it."""
        delay = FIRST_RETRY_SECONDS
        while not self.is_idle():
            began = time.monotonic()
            try:
                await self._serve_connection()
            except LineBroken as error:
                self._note_problem(str(error))
            if time.monotonic() - began > MAX_RETRY_SECONDS:
                delay = FIRST_RETRY_SECONDS
            if not self.is_idle():
                await asyncio.sleep(delay)
            delay = min(2 * delay, MAX_RETRY_SECONDS)

    def _note_problem(self, problem: str) -> None:
        if problem != self.problem and self._listeners:
            logger.warning(
                "executor ssh: no connection to {} ({}); attempts under way: {}; trying again",
                self.host,
                problem,
                len(self._listeners),
            )
        self.problem = problem
        self._tried.set()

    async def _serve_connection(self) -> None:
        """Connect, and pass messages on until the line breaks or isn't needed. Raises LineBroken."""
        try:
            self.process = process = await start_process(self._command)
        except OSError as error:
            raise LineBroken(f"ssh can't be started: {error.strerror}") from None
        errors = asyncio.create_task(read_end(process.stderr))
        try:
            await self._introduce(process)
            self._note_opened()
            await self._pass_messages(process)
        except (TimeoutError, OSError, ValueError) as error:
            raise LineBroken(await self._explain(process, errors, error)) from None
        finally:
            self.is_open = False
            self._opened.clear()
            await end_process(process)
            errors.cancel()

    async def _introduce(self, process: asyncio.subprocess.Process) -> None:
        """Start the agent, and ship it first where the host lacks it. Raises TimeoutError, OSError, LineBroken."""
        assert process.stdin is not None and process.stdout is not None
        bundle = build_bundle(REMOTE_PACKAGE)
        async with asyncio.timeout(CONNECT_SECONDS):
            process.stdin.write(build_loader(bundle, self._directory))
            while True:
                line = await process.stdout.readline()
                if not line:
                    raise ConnectionError
                report = parse_report(line)
                if report is None:
                    continue
                if "need" in report:
                    process.stdin.write(bundle.content)
                    await process.stdin.drain()
                elif "old_python" in report:
                    needed = ".".join(map(str, MIN_PYTHON))
                    raise LineBroken(f"{self.host}: its Python is {report['old_python']}; install {needed} or later")
                elif "problem" in report:
                    raise LineBroken(f"{self.host}: {report['problem']}; make room or set directory")
                elif "hello" in report:
                    return

    def _note_opened(self) -> None:
        if self.problem is not None and self._listeners:
            logger.info("executor ssh: connected to {} again", self.host)
        self.problem = None
        self.is_open = True
        self._last_report_at = time.monotonic()
        self._opened.set()
        self._tried.set()
        self.resume_all()

    async def _pass_messages(self, process: asyncio.subprocess.Process) -> None:
        """Pass reports on until nothing needs the line. Raises ConnectionError when it breaks, TimeoutError."""
        assert process.stdout is not None
        asking = asyncio.create_task(self._ask())
        try:
            while True:
                reading = asyncio.ensure_future(process.stdout.readline())
                done, _ = await asyncio.wait({reading, asking}, return_when=asyncio.FIRST_COMPLETED)
                if reading not in done:
                    reading.cancel()
                    asking.result()
                    return
                line = reading.result()
                if not line:
                    raise ConnectionError
                self._last_report_at = time.monotonic()
                self.pass_on(json.loads(line))
        finally:
            asking.cancel()

    async def _ask(self) -> None:
        """Ask the host at intervals, until nothing needs the line. Raises TimeoutError when it doesn't answer."""
        while not self.is_idle():
            self.send({"do": "ping"})
            await asyncio.sleep(PING_SECONDS)
            if time.monotonic() - self._last_report_at > SILENCE_SECONDS:
                raise TimeoutError

    async def _explain(
        self, process: asyncio.subprocess.Process, errors: "asyncio.Task[bytes]", error: Exception
    ) -> str:
        if isinstance(error, TimeoutError):
            return f"{self.host}: it does not answer"
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 1.0)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(errors), 1.0)
        text = errors.result().decode(errors="replace") if errors.done() and not errors.cancelled() else ""
        return explain_failure(self.host, self._python, process.returncode, text)
