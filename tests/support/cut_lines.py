"""A line to a Unix socket that can be cut, or be silent: then what is sent arrives once it speaks again."""

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

CHUNK_BYTES = 1 << 16
END_SECONDS = 10.0


class Line:
    """A socket of the same name in a folder of its own, which passes on what is said, in a thread."""

    def __init__(self, target: Path) -> None:
        # Not in the folder of a test, whose path may be too long for a socket.
        self.place = Path(tempfile.mkdtemp(prefix="rae-line-"))
        self._target = target
        self._path = self.place / target.name
        self._loop = asyncio.new_event_loop()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    def cut(self) -> None:
        """End all connections, and refuse others until `mend`."""
        self._call(self._cut)

    def mend(self) -> None:
        """Accept connections again."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def silence(self) -> None:
        """Pass nothing on until `speak`, as a network that drops packets: no end learns of it."""
        self._call(self._speaks.clear)

    def speak(self) -> None:
        """Pass on what was sent meanwhile, and what comes."""
        self._call(self._speaks.set)

    def remove(self) -> None:
        """End it."""
        self.cut()
        asyncio.run_coroutine_threadsafe(self._wait_for_connections(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.place)

    def _call(self, function: Callable[[], None]) -> None:
        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
            self._path.unlink(missing_ok=True)
        for writer in self._writers:
            writer.transport.abort()

    async def _wait_for_connections(self) -> None:
        self._speaks.set()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others, timeout=END_SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_unix_server(self._serve, self._path)
            # The server may run as another user than what connects.
            self._path.chmod(0o666)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            onward_reader, onward_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(onward_writer)
        try:
            await asyncio.gather(self._pass(reader, onward_writer), self._pass(onward_reader, writer))
        finally:
            self._writers -= {writer, onward_writer}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        await self._speaks.wait()
        writer.close()
