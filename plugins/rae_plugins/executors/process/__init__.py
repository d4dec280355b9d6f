"""Runs commands as processes that outlive a crash of the daemon."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor, NeverStarted
from rae_auto.hookspecs import hookimpl
from rae_auto.model.policies import Limits
from rae_auto.model.run import Result
from rae_auto.toolkit.files import open_private, write_whole
from rae_plugins.executors.process import bounds
from rae_plugins.executors.process.identity import Tree
from rae_plugins.executors.process.keeper.procfs import boot_id
from rae_plugins.executors.process.keeper.termination import Termination, told

KEEPER = Path(__file__).parent / "keeper" / "__main__.py"

SHELL = "/bin/sh"

LOOK_AGAIN = 0.1
"""Seconds between looks at an adopted process."""

BEGINNING = 10
"""How often one looks for the start record of a process that a keeper is about to spawn."""

LAST_LOOKS = 20
"""How often one looks for the exit record of an adopted process that is gone."""


@define(kw_only=True, eq=False)
class ProcessExecutor(Executor):
    """Runs `command` (an argv, never a shell) or `shell` (text for /bin/sh), each in a session of its own.

    A keeper process between daemon and jobs holds their pipes and notes how they end, so that a job outlives a daemon
    that is killed, and its true exit status is there for the next one.
    """

    type: ClassVar[str] = "process"

    orphans: Literal["kill", "allow"] = field(
        default="kill",
        metadata={
            "help": 'what happens to processes that a command leaves behind; "allow" for a job that starts a service',
            "former": "leftover",
        },
    )
    _is_same_boot: bool = field(init=False, default=False)
    """Whether the machine has been up since the last daemon: only then do all files of before tell the truth."""
    _channel: asyncio.StreamWriter | None = field(init=False, default=None)
    _opening: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _keeper: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _listening: "asyncio.Task[None] | None" = field(init=False, default=None)
    _in_hand: "dict[str, _Kept]" = field(init=False, factory=dict)

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

    async def open(self, directory: Path) -> None:
        """Note which boot this is."""
        boot, note = boot_id(), directory / "boot"
        before = note.read_text() if note.exists() else boot
        self._is_same_boot = boot is not None and boot == before
        if boot is not None and not (note.exists() and self._is_same_boot):
            write_whole(note, boot.encode())

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
            "orphans": self.orphans,
            "kill_after": job.kill_after.total_seconds(),
        }
        channel = await self._channel_to_keeper()
        execution = self._in_hand[key] = _Kept(channel, key, assignment.run)
        _say(channel, request)
        await execution.started
        return execution

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """What an earlier keeper has noted of the attempt."""
        output = assignment.output
        if handle is None and self._is_same_boot and _claimed(output):
            return NeverStarted()
        record = await _noted(output) or handle or {}
        if (ended := _read(output.with_suffix(".exit"))) is not None:
            return _result(ended)
        tree = Tree.of(record, assignment.run)
        if tree.is_kept() or tree.begun():
            return _Adopted(record, tree, output.with_suffix(".exit"))
        # Between the two looks it may have ended.
        if (ended := _read(output.with_suffix(".exit"))) is not None:
            return _result(ended)
        # No second attempt while anything of the first may live.
        await _ended(Termination(0, time.monotonic(), tree.members))
        return None

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
        in_hand, self._in_hand = self._in_hand, {}
        # The next start may come at any time, and gets a keeper of its own.
        channel, self._channel = self._channel, None
        keeper, self._keeper = self._keeper, None
        if channel is not None:
            channel.close()
        if keeper is not None:
            # It has closed its end of the channel, so it is over: this only takes its status.
            await asyncio.to_thread(keeper.wait)
        for execution in in_hand.values():
            await execution.orphaned()

    def _heard(self, report: Mapping[str, Any]) -> None:
        match report:
            case {"started": key}:
                record = {name: report[name] for name in report if name != "started"}
                _settle(self._in_hand[key].started, record)
            case {"failed": key, "error": error}:
                _fail(self._in_hand.pop(key).started, error)
            case {"ended": key, "exit": record}:
                _settle(self._in_hand.pop(key).ended, _result(record))


def _claimed(output: Path) -> bool:
    """Whether no keeper has begun with the attempt, and from now on none can: the first thing it does is the same."""
    try:
        os.close(open_private(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    except OSError:
        return False
    return True


async def _noted(output: Path) -> dict[str, Any] | None:
    """What the keeper noted at the start of an attempt; it may be about to, where its file is there alone."""
    for _ in range(BEGINNING):
        if (record := _read(output.with_suffix(".start"))) is not None:
            return record
        if not _is_taken(output):
            break
        await asyncio.sleep(LOOK_AGAIN)
    return None


def _is_taken(output: Path) -> bool:
    """Whether a keeper has the attempt in hand as far as the files tell."""
    return output.exists() and not output.with_suffix(".exit").exists()


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

    def __init__(self, channel: asyncio.StreamWriter, key: str, run: str) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[Mapping[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[Result] = loop.create_future()
        self._channel = channel
        self._key = key
        self._run = run

    @property
    def handle(self) -> Mapping[str, Any]:
        return self.started.result()

    async def wait(self) -> Result:
        return await asyncio.shield(self.ended)

    async def cancel(self, grace: timedelta) -> None:
        """SIGTERM to the whole tree, SIGKILL to what is left after the grace, until nothing is left."""
        if not self.ended.done():
            _say(self._channel, {"end": self._key, "grace": grace.total_seconds()})
            await asyncio.wait({self.ended})

    async def orphaned(self) -> None:
        """Its keeper was killed, and with it what could have been known: what is left of it must not go on unseen."""
        if not self.started.done():
            _fail(self.started, "the keeper process was killed")
            return
        ending = await _ended(Termination(0, time.monotonic(), Tree.of(self.handle, self._run).members))
        error = "its keeper process was killed, so its end is unknown"
        _settle(self.ended, Result(error=f"{error}; {told(ending.escaped)}" if ending.escaped else error))


class _Adopted(Execution):
    """An attempt of an earlier daemon, whose keeper, if that lives, notes its end on disk."""

    def __init__(self, record: Mapping[str, Any], tree: Tree, exit_record: Path) -> None:
        self._record = record
        self._tree = tree
        self._exit_record = exit_record
        self._ending: Termination | None = None

    @property
    def handle(self) -> Mapping[str, Any]:
        return self._record

    async def cancel(self, grace: timedelta) -> None:
        """As its keeper would end it, which nobody can tell to any more."""
        if self._ending is not None:
            self._ending.shorten(grace.total_seconds(), time.monotonic())
        else:
            self._ending = Termination(grace.total_seconds(), time.monotonic(), self._tree.members)
            await _ended(self._ending)

    async def wait(self) -> Result:
        # Nobody tells us of the end of another's child.
        left = LAST_LOOKS
        while left:
            is_kept, begun = self._tree.is_kept(), self._tree.begun()
            # After the look, so that what its keeper noted last is seen.
            if (ended := _read(self._exit_record)) is not None:
                return _result(ended)
            if self._ending is not None and self._ending.escaped:
                return Result(error=told(self._ending.escaped))
            if not begun:
                # While its keeper still ends what it has left behind, that may take its time.
                members = await asyncio.to_thread(self._tree.members) if is_kept else []
                left = LAST_LOOKS if members else left - 1 if is_kept else 0
            await asyncio.sleep(LOOK_AGAIN if left else 0)
        return Result(error="it ended, but its keeper left no exit status")


async def _ended(ending: Termination) -> Termination:
    """An ending that was carried out from here; its grace may be made shorter meanwhile."""
    while not ending.over:
        await asyncio.to_thread(ending.step, time.monotonic())
        await asyncio.sleep(min(LOOK_AGAIN, max(0.0, ending.next_look - time.monotonic())))
    return ending


def _settle(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[Any]", error: str) -> None:
    if not future.done():
        future.set_exception(RuntimeError(error))


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
