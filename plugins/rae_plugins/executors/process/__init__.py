"""Runs commands as processes that outlive a crash of the daemon."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor
from rae_auto.hookspecs import hookimpl
from rae_auto.model.policies import Limits
from rae_auto.model.run import Result
from rae_plugins.executors.process import bounds
from rae_plugins.executors.process.identity import ProcessIdentity, Tree
from rae_plugins.executors.process.keeper.ending import Ending, told

KEEPER = Path(__file__).parent / "keeper" / "__main__.py"

SHELL = "/bin/sh"

LOOK_AGAIN = 0.1
"""Seconds between looks at an adopted process."""


@define(kw_only=True, eq=False)
class ProcessExecutor(Executor):
    """Runs `command` (an argv, never a shell) or `shell` (text for /bin/sh), each in a session of its own.

    A keeper process between daemon and jobs holds their pipes and notes how they end, so that a job outlives a daemon
    that is killed, and its true exit status is there for the next one.
    """

    type: ClassVar[str] = "process"

    leftover: Literal["kill", "allow"] = field(
        default="kill",
        metadata={"help": 'what becomes of processes that a command leaves behind; "allow" for starters of services'},
    )
    _channel: asyncio.StreamWriter | None = field(init=False, default=None)
    _opening: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _keeper: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _listening: "asyncio.Task[None] | None" = field(init=False, default=None)
    _starting: "dict[str, asyncio.Future[Mapping[str, Any]]]" = field(init=False, factory=dict)
    _running: "dict[str, asyncio.Future[Result]]" = field(init=False, factory=dict)

    @classmethod
    def available(cls) -> str | None:
        """Why not here: Windows has neither sessions nor signals as they are used."""
        return "it needs a POSIX system; on Windows use the thread executor" if os.name == "nt" else None

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """By what each limit is enforced on this machine."""
        return bounds.backends()

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Also values for which one lacks the permission."""
        return {**super().unenforceable(limits), **bounds.not_permitted(limits)}

    async def start(self, assignment: Assignment) -> Execution:
        """Have the keeper spawn the command; raises what it says against that."""
        job = assignment.job
        argv = (SHELL, "-c", job.shell) if job.shell else job.argv
        if not argv:
            raise ValueError("the process executor needs command or shell")
        key = assignment.output.name
        request = {
            "key": key,
            "run": assignment.run,
            "argv": argv,
            "env": dict(assignment.environment),
            "cwd": job.cwd or str(Path.home()),
            "output": str(assignment.output),
            "cap": job.limits.output,
            "hide": assignment.secrets,
            "limits": bounds.asked(job.limits),
            "leftover": self.leftover,
            "kill_after": job.kill_after.total_seconds(),
        }
        channel = await self._channel_to_keeper()
        loop = asyncio.get_running_loop()
        starting = self._starting[key] = loop.create_future()
        ended = self._running[key] = loop.create_future()
        _say(channel, request)
        return _Kept(channel, key, await starting, ended)

    async def find(self, assignment: Assignment, handle: Mapping[str, Any] | None) -> Execution | Result | None:
        """What an earlier keeper has noted of the attempt."""
        output = assignment.output
        if (ended := _read(output.with_suffix(".exit"))) is not None:
            return _result(ended)
        record = _read(output.with_suffix(".start")) or handle or {}
        identity = ProcessIdentity.of(record)
        if identity is None or not identity.alive():
            # Between the two looks it may have ended.
            ended = _read(output.with_suffix(".exit"))
            return None if ended is None else _result(ended)
        return _Adopted(record, Tree.of(identity, assignment.run, record), output.with_suffix(".exit"))

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
                _settle(self._starting.pop(key), {name: report[name] for name in report if name != "started"})
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


def _say(channel: asyncio.StreamWriter, request: Mapping[str, Any]) -> None:
    # Without waiting for the keeper to take it: what it has yet to take is little, and bounded by what may run.
    channel.write(json.dumps(request).encode() + b"\n")


class _Kept(Execution):
    """An attempt in the hands of our own keeper, which is told what to do with it."""

    def __init__(
        self,
        channel: asyncio.StreamWriter,
        key: str,
        record: Mapping[str, Any],
        ended: "asyncio.Future[Result]",
    ) -> None:
        self._channel = channel
        self._key = key
        self._record = record
        self._ended = ended

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._record

    async def wait(self) -> Result:
        return await asyncio.shield(self._ended)

    async def cancel(self, grace: timedelta) -> None:
        """SIGTERM to the whole tree, SIGKILL to what is left after the grace, until nothing is left."""
        if not self._ended.done():
            _say(self._channel, {"end": self._key, "grace": grace.total_seconds()})
            await asyncio.wait({self._ended})


class _Adopted(Execution):
    """An attempt of an earlier daemon, whose keeper, if that lives, notes its end on disk."""

    def __init__(self, record: Mapping[str, Any], tree: Tree, exit_record: Path) -> None:
        self._record = record
        self._tree = tree
        self._exit_record = exit_record
        self._ending: Ending | None = None

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._record

    async def cancel(self, grace: timedelta) -> None:
        """As its keeper would end it, which nobody can tell to any more."""
        loop = asyncio.get_running_loop()
        if self._ending is not None:
            self._ending.shorten(grace.total_seconds(), loop.time())
            return
        ending = self._ending = Ending(grace.total_seconds(), loop.time(), self._tree.members)
        while not ending.over:
            await asyncio.to_thread(ending.step, loop.time())
            # Short, since the grace may be made shorter meanwhile.
            await asyncio.sleep(min(LOOK_AGAIN, max(0.0, ending.next_look - loop.time())))

    async def wait(self) -> Result:
        # Nobody tells us of the end of another's child.
        while self._has_keeper() or self._tree.leader.alive():
            if (ended := _read(self._exit_record)) is not None:
                return _result(ended)
            if self._ending is not None and self._ending.escaped:
                return Result(error=told(self._ending.escaped))
            await asyncio.sleep(LOOK_AGAIN)
        ended = _read(self._exit_record)
        return Result(error="it ended, but its keeper left no exit status") if ended is None else _result(ended)

    def _has_keeper(self) -> bool:
        return self._tree.keeper is not None and self._tree.keeper.alive()


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
        exit_code=record["exit_code"],
        signal=record["signal"],
        error=record.get("error"),
        cpu_time=timedelta(seconds=record.get("cpu", 0)),
        max_memory=record.get("memory"),
    )


@hookimpl
def rae_executors() -> list[type[Executor]]:
    """The process executor."""
    return [ProcessExecutor]
