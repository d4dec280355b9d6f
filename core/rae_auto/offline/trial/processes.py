"""Worker processes of the viewer: those that stand by, and the one that tries the plugin now."""

import asyncio
import json
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from rae_auto.offline.trial.worker_names import FOLDER, MODULE
from rae_auto.platforms.process_groups import kill_with_children

SPARE_WORKERS = 2
"""Number of workers that stand by: editors that format a file on save write it twice."""

MAX_LINE_BYTES = 1 << 24
MAX_PRINTED_LINES = 100
_MAX_PRINTED_CHARACTERS = 1000

Handler = Callable[[str, Any], object]


class TrialWorker:
    """A process of `worker`. `on_message` gets each message, with the kind "ended" for its end as the last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.printed: deque[str] = deque(maxlen=MAX_PRINTED_LINES)
        self.on_message: Handler = lambda _kind, _body: None
        self.is_ready = False
        """True once the worker has imported all that it needs."""
        self._is_ended = False
        self._tasks: list[asyncio.Task[None]] = []
        self._process: asyncio.subprocess.Process

    async def start(self) -> None:
        """Start it. Raises OSError."""
        self.folder.mkdir(mode=0o700)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            MODULE,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, FOLDER: str(self.folder), "TMPDIR": str(temporary)},
            start_new_session=True,
            limit=MAX_LINE_BYTES,
        )
        self._tasks = [asyncio.create_task(self._read_prints()), asyncio.create_task(self._read_messages())]

    def send(self, kind: str, body: Any = None) -> None:
        """Send a request or a key."""
        assert self._process.stdin is not None
        with suppress(OSError, RuntimeError):
            self._process.stdin.write(f"{json.dumps({'kind': kind, 'body': body})}\n".encode())

    def kill(self) -> None:
        """Kill it with all that it has started."""
        kill_with_children(self._process.pid)

    async def end(self) -> None:
        """Kill it with all that it has started, and delete what it wrote."""
        self._is_ended = True
        kill_with_children(self._process.pid)
        await self._process.wait()
        # What left its session may hold the pipes for ever.
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, self.folder, ignore_errors=True)

    async def _read_messages(self) -> None:
        assert self._process.stdout is not None
        with suppress(ValueError, OSError, KeyError, TypeError):
            async for line in self._process.stdout:
                message: Mapping[str, Any] = json.loads(line)
                self.is_ready = True
                self.on_message(message["kind"], message["body"])
        code = await self._process.wait()
        if not self._is_ended:
            await asyncio.wait({self._tasks[0]}, timeout=1)
            self.on_message("ended", code)

    async def _read_prints(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while part := await self._process.stderr.read(1 << 16):
            *lines, rest = (rest + part).split(b"\n")
            rest = rest[-_MAX_PRINTED_CHARACTERS:]
            for line in lines[-MAX_PRINTED_LINES:]:
                self._add_print(line)
            self.on_message("printed", None)
        if rest:
            self._add_print(rest)

    def _add_print(self, line: bytes) -> None:
        self.printed.append(line.decode(errors="replace").rstrip()[:_MAX_PRINTED_CHARACTERS])


class WorkerPool:
    """Workers that stand by in a folder."""

    def __init__(self, folder: Path, spare_workers: int = SPARE_WORKERS) -> None:
        self._folder = folder
        self._spare_workers = spare_workers
        self._count = 0
        self._is_closed = False
        self._workers: deque[asyncio.Task[TrialWorker]] = deque()

    def fill(self) -> None:
        """Start as many as are to stand by, unless the pool is closed."""
        while not self._is_closed and len(self._workers) < self._spare_workers:
            self._workers.append(asyncio.create_task(self._start()))

    async def take(self) -> TrialWorker:
        """Return a worker that stands by, or one that is just starting. Raises OSError."""
        if not self._workers:
            self._workers.append(asyncio.create_task(self._start()))
        return await self._workers.popleft()

    async def close(self) -> None:
        """End all that stand by."""
        self._is_closed = True
        for task in self._workers:
            with suppress(OSError):
                await (await task).end()

    async def _start(self) -> TrialWorker:
        self._count += 1
        worker = TrialWorker(self._folder / str(self._count))
        await worker.start()
        return worker
