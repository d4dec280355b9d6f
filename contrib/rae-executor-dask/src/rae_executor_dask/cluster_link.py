"""The line to the helper: a process that is started when it is needed, started again when it ends, and ended when idle.

One helper serves all executors of the same cluster in a daemon, whatever their labels.
"""

import asyncio
import json
import sys
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from loguru import logger

from rae_executor_dask.cluster.settings import ClusterSettings
from rae_plugins.executors.remote.line import Message, ProcessLine, end_process, read_end, start_process

HELPER_COMMAND = (sys.executable, "-m", "rae_executor_dask.cluster")

FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.1, 10.0
"""Bounds of the time between two starts of a helper that ends at once."""


class ClusterLink(ProcessLine):
    """The line to one cluster, through the helper."""

    _links: ClassVar[dict[tuple[int, ClusterSettings], "ClusterLink"]] = {}

    idle_seconds = 120.0

    def __init__(self, settings: ClusterSettings) -> None:
        super().__init__(settings.scheduler)
        self._settings = settings
        self._users = 0
        self._answers: dict[int, asyncio.Future[str | None]] = {}
        self._count = 0
        self._state_known = asyncio.Event()
        """The helper has said whether it is connected, so that `is_open` tells whether the scheduler is there."""

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
            await self.close()

    @property
    def handle(self) -> Mapping[str, Any]:
        """Return what identifies an attempt later, beside its token."""
        return {"scheduler": self.name}

    async def find_problem(self, labels: tuple[str, ...], resources: Mapping[str, float], seconds: float) -> str | None:
        """Return why no worker could take an attempt; None if one could."""
        self.want()
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

    def want(self) -> bool:
        """Have the helper run; what is known of the scheduler is that of the last one no more."""
        if is_new := super().want():
            self._state_known.clear()
        return is_new

    async def keep_open(self) -> None:
        """Start the helper, and again whenever it ends, until nothing needs it."""
        delay = FIRST_RETRY_SECONDS
        while not self.is_idle():
            began = time.monotonic()
            problem = await self._serve_helper()
            if self.is_idle():
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
            process = await start_process([*HELPER_COMMAND, self._settings.to_text()])
        except OSError as error:
            return f"it can't be started: {error.strerror}"
        self.process = process
        errors = asyncio.create_task(read_end(process.stderr))
        try:
            self.resume_all()
            await self._read_reports(process)
        except ValueError as error:
            return f"its report can't be read: {error}"
        finally:
            self.process = None
            self.is_open = False
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_result(f"{self.name}: the helper has ended")
            await end_process(process)
        text = (await errors).decode(errors="replace").strip()
        return text.splitlines()[-1] if text else f"status {process.returncode}"

    async def _read_reports(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while True:
            reading = asyncio.ensure_future(process.stdout.readline())
            while not reading.done():
                await asyncio.wait({reading}, timeout=self.idle_seconds / 4)
                if not reading.done() and self.is_idle():
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
            self.pass_on(report)

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
