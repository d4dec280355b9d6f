"""Runs commands as processes that outlive a crash of the daemon."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.model.run import Result
from rae_plugins.executors.process.identity import ProcessIdentity, Tree
from rae_plugins.executors.process.limits import SHELL, limited

KEEPER = Path(__file__).with_name("keeper.py")

LOOK_AGAIN = 0.1
"""Seconds between looks at what was asked to end, and at an adopted process."""


@define(kw_only=True, eq=False)
class ProcessExecutor(Executor):
    """Runs `command` (an argv, never a shell) or `shell` (text for /bin/sh), each in a session of its own.

    A keeper process between daemon and jobs holds their pipes and notes how they end, so that a job outlives a daemon
    that is killed, and its true exit status is there for the next one.
    """

    type: ClassVar[str] = "process"

    _channel: asyncio.StreamWriter | None = field(init=False, default=None)
    _opening: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _keeper: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _listening: "asyncio.Task[None] | None" = field(init=False, default=None)
    _starting: "dict[str, asyncio.Future[ProcessIdentity]]" = field(init=False, factory=dict)
    _running: "dict[str, asyncio.Future[Result]]" = field(init=False, factory=dict)

    @classmethod
    def available(cls) -> str | None:
        """Why not here: Windows has neither sessions nor signals as they are used."""
        return "it needs a POSIX system; on Windows use the thread executor" if os.name == "nt" else None

    async def start(self, assignment: Assignment) -> Execution:
        """Have the keeper spawn the command; raises what it says against that."""
        job = assignment.job
        argv = (SHELL, "-c", job.shell) if job.shell else job.argv
        if not argv:
            raise ValueError("the process executor needs command or shell")
        key = assignment.output.name
        request = {
            "key": key,
            "argv": limited(argv, job.limits),
            "env": dict(assignment.environment),
            "cwd": job.cwd or str(Path.home()),
            "output": str(assignment.output),
            "cap": job.limits.output,
            "hide": assignment.secrets,
        }
        loop = asyncio.get_running_loop()
        starting = self._starting[key] = loop.create_future()
        ended = self._running[key] = loop.create_future()
        channel = await self._channel_to_keeper()
        channel.write(json.dumps(request).encode() + b"\n")
        await channel.drain()
        return _Kept(assignment.run, await starting, ended)

    async def find(self, assignment: Assignment, handle: Mapping[str, Any] | None) -> Execution | Result | None:
        """What an earlier keeper has noted of the attempt."""
        output = assignment.output
        if (ended := _read(output.with_suffix(".exit"))) is not None:
            return _result(ended)
        record = _read(output.with_suffix(".start")) or handle
        identity = ProcessIdentity.of(record) if record else None
        if identity is None or not identity.alive():
            # Between the two looks it may have ended.
            ended = _read(output.with_suffix(".exit"))
            return None if ended is None else _result(ended)
        return _Adopted(assignment.run, identity, output.with_suffix(".exit"))

    async def close(self) -> None:
        """Let the keeper go; it stays until its last job has ended."""
        if self._channel is not None:
            self._channel.close()
        if self._listening is not None:
            self._listening.cancel()
        if self._keeper is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._keeper.wait, 0.2)
            # It may outlive us on purpose, which Popen would warn of.
            self._keeper.returncode = self._keeper.returncode or 0

    async def _channel_to_keeper(self) -> asyncio.StreamWriter:
        # Of the first starts, which come together, one has the keeper started for all.
        async with self._opening:
            if self._channel is None:
                ours, theirs = socket.socketpair()
                with theirs:
                    self._keeper = _start_keeper(theirs)
                reader, self._channel = await asyncio.open_connection(sock=ours)
                self._listening = asyncio.get_running_loop().create_task(self._listen(reader))
            return self._channel

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._heard(json.loads(line))
        # Whoever killed the keeper has killed what we could have known of its jobs.
        for ended in self._running.values():
            if not ended.done():
                ended.set_result(Result(error="its keeper process was killed, so its end is unknown"))
        for starting in self._starting.values():
            if not starting.done():
                starting.set_exception(RuntimeError("the keeper process was killed"))
        self._running.clear()
        self._starting.clear()
        # The next start may come at any time, and gets a keeper of its own.
        channel, self._channel = self._channel, None
        keeper, self._keeper = self._keeper, None
        if channel is not None:
            channel.close()
        if keeper is not None:
            # It has closed its end of the channel, so it is over: this only takes its status.
            await asyncio.to_thread(keeper.wait)

    def _heard(self, report: Mapping[str, Any]) -> None:
        match report:
            case {"started": key}:
                identity = ProcessIdentity(report["pid"], report["ticks"], report["boot"])
                _settle(self._starting.pop(key), identity)
            case {"failed": key, "error": error}:
                del self._running[key]
                starting = self._starting.pop(key)
                if not starting.done():
                    starting.set_exception(RuntimeError(error))
            case {"ended": key, "exit": record}:
                _settle(self._running.pop(key), _result(record))


def _start_keeper(channel: socket.socket) -> "subprocess.Popen[bytes]":
    """A keeper that listens on `channel`: without site packages, environment or our terminal's signals."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(KEEPER)],
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        cwd="/",
        env={},
        start_new_session=True,
    )


class _Process(Execution):
    """A process that is known by its identity, and ended by it."""

    def __init__(self, run: str, identity: ProcessIdentity) -> None:
        self._identity = identity
        self._tree = Tree(identity, run)
        self._kill_at = float("inf")

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._identity.handle

    async def cancel(self, grace: timedelta) -> None:
        """SIGTERM to the whole tree, SIGKILL to what is left after the grace, until nothing is left."""
        loop = asyncio.get_running_loop()
        asked_before = self._kill_at < float("inf")
        self._kill_at = min(self._kill_at, loop.time() + grace.total_seconds())
        if asked_before:
            return
        await asyncio.to_thread(self._tree.signal, signal.SIGTERM)
        while await asyncio.to_thread(self._tree.members):
            if loop.time() >= self._kill_at:
                # Again and again: what is killed may just have had a child.
                await asyncio.to_thread(self._tree.signal, signal.SIGKILL)
            await asyncio.sleep(LOOK_AGAIN)


class _Kept(_Process):
    """A process of our own keeper."""

    def __init__(self, run: str, identity: ProcessIdentity, ended: "asyncio.Future[Result]") -> None:
        super().__init__(run, identity)
        self._ended = ended

    async def wait(self) -> Result:
        return await asyncio.shield(self._ended)


class _Adopted(_Process):
    """A process of an earlier daemon's keeper, which notes its end on disk."""

    def __init__(self, run: str, identity: ProcessIdentity, exit_record: Path) -> None:
        super().__init__(run, identity)
        self._exit_record = exit_record

    async def wait(self) -> Result:
        # Nobody tells us of the end of another's child.
        while self._identity.alive():  # noqa: ASYNC110
            await asyncio.sleep(LOOK_AGAIN)
        for _ in range(20):
            # The keeper writes the record after it has read the last of the output.
            if (ended := _read(self._exit_record)) is not None:
                return _result(ended)
            await asyncio.sleep(LOOK_AGAIN)
        return Result(error="it ended, but its keeper left no exit status")


def _settle(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return record


def _result(record: Mapping[str, Any]) -> Result:
    return Result(
        exit_code=record["exit_code"], signal=record["signal"], cpu_time=timedelta(seconds=record.get("cpu", 0))
    )


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """The process executor."""
    return [ProcessExecutor]
