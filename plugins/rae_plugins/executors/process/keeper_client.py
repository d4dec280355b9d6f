"""The daemon's side of the keeper's protocol, and the attempts that its own keeper holds."""

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
from typing import IO, Any

from attrs import define, field

from rae_auto.api import Execution
from rae_auto.model.run import Result
from rae_auto.toolkit.files import open_private
from rae_plugins.executors.process.attempt_files import to_result
from rae_plugins.executors.process.identity import ProcessTree
from rae_plugins.executors.process.keeper.termination import Termination, describe_survivors
from rae_plugins.executors.process.terminate import carry_out

KEEPER_SCRIPT = Path(__file__).parent / "keeper" / "__main__.py"

KEEPER_EXIT_SECONDS = 0.2
"""Time in which a keeper without jobs exits once the daemon has disconnected."""


@define(eq=False)
class KeeperClient:
    """Starts a keeper when the first job starts, and another one after it was killed."""

    error_path: Path | None = None
    """Path of the file for the traceback of a keeper that fails; it is thrown away if there is no path."""
    _writer: asyncio.StreamWriter | None = field(init=False, default=None)
    _connecting: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _process: "subprocess.Popen[bytes] | None" = field(init=False, default=None)
    _reading: "asyncio.Task[None] | None" = field(init=False, default=None)
    _attempts: "dict[str, KeeperAttempt]" = field(init=False, factory=dict)

    async def spawn(self, request: Mapping[str, Any]) -> Execution:
        """Have a job spawned. Errors: RuntimeError with the keeper's explanation."""
        writer = await self._connect()
        key = request["key"]
        attempt = self._attempts[key] = KeeperAttempt(writer, key, request["run"])
        _send(writer, request)
        await attempt.started
        return attempt

    async def close(self) -> None:
        """Disconnect; the keeper exits once its last job has ended."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(self._process.wait, KEEPER_EXIT_SECONDS)
            # It survives the daemon on purpose, of which Popen would warn.
            self._process.returncode = self._process.returncode or 0

    async def _connect(self) -> asyncio.StreamWriter:
        # Several first starts come together: one of them starts the keeper for all.
        async with self._connecting:
            if self._writer is None:
                ours, theirs = socket.socketpair()
                with theirs:
                    self._process = _start_keeper(theirs, self.error_path)
                reader, self._writer = await asyncio.open_connection(sock=ours)
                self._reading = asyncio.get_running_loop().create_task(self._read_reports(reader))
            return self._writer

    async def _read_reports(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            self._handle_report(json.loads(line))
        attempts, self._attempts = self._attempts, {}
        # Forgotten at once: the next start may come at any time, and gets a keeper of its own.
        writer, self._writer = self._writer, None
        process, self._process = self._process, None
        if writer is not None:
            writer.close()
        if process is not None:
            # It has closed its end of the socket, so it is gone, and this only reaps it.
            await asyncio.to_thread(process.wait)
        for attempt in attempts.values():
            await attempt.handle_lost_keeper()

    def _handle_report(self, report: Mapping[str, Any]) -> None:
        match report:
            case {"started": key}:
                record = {name: report[name] for name in report if name != "started"}
                _set_result(self._attempts[key].started, record)
            case {"failed": key, "error": error}:
                _set_error(self._attempts.pop(key).started, error)
            case {"ended": key, "exit": record}:
                _set_result(self._attempts.pop(key).ended, to_result(record))


class KeeperAttempt(Execution):
    """An attempt that our own keeper holds, and ends on request."""

    def __init__(self, writer: asyncio.StreamWriter, key: str, run: str) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[Mapping[str, Any]] = loop.create_future()
        self.ended: asyncio.Future[Result] = loop.create_future()
        self._writer = writer
        self._key = key
        self._run = run

    @property
    def handle(self) -> Mapping[str, Any]:
        return self.started.result()

    async def wait(self) -> Result:
        return await asyncio.shield(self.ended)

    async def cancel(self, grace: timedelta) -> None:
        """Have the whole tree end: SIGTERM, and after the grace SIGKILL until nothing is left."""
        if not self.ended.done():
            _send(self._writer, {"end": self._key, "grace": grace.total_seconds()})
            await asyncio.wait({self.ended})

    async def handle_lost_keeper(self) -> None:
        """End what is left of the attempt: its keeper was killed, so nothing holds or watches it any more."""
        if not self.started.done():
            _set_error(self.started, "the keeper process was killed")
            return
        tree = ProcessTree.from_record(self.handle, self._run)
        termination = await carry_out(Termination(0, time.monotonic(), tree.members))
        error = "its keeper process was killed, so its exit status is unknown"
        survivors = termination.survivors
        _set_result(self.ended, Result(error=f"{error}; {describe_survivors(survivors)}" if survivors else error))


def _start_keeper(channel: socket.socket, error_path: Path | None) -> "subprocess.Popen[bytes]":
    """Start a keeper that reads from `channel`: without site packages, environment or our terminal's signals.

    Nor with our standard error: it survives us, and whoever reads that would wait for its end.
    """
    with _open_error_file(error_path) as errors:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", str(KEEPER_SCRIPT)],
            stdin=channel.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=errors,
            cwd="/",
            env={},
            start_new_session=True,
        )


def _open_error_file(path: Path | None) -> IO[bytes]:
    with suppress(OSError):
        if path is not None:
            return os.fdopen(open_private(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND), "wb")
    return Path(os.devnull).open("wb")


def _send(writer: asyncio.StreamWriter, request: Mapping[str, Any]) -> None:
    # Without drain: what the keeper has yet to read is little, and bounded by the number of jobs that may run.
    writer.write(json.dumps(request).encode() + b"\n")


def _set_result(future: "asyncio.Future[Any]", value: Any) -> None:
    if not future.done():
        future.set_result(value)


def _set_error(future: "asyncio.Future[Any]", error: str) -> None:
    if not future.done():
        future.set_exception(RuntimeError(error))
