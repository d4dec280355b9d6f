"""Clients of `rae-auto mcp`. A server takes a second of CPU to start, so those who may share one do."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr
from threading import Thread
from typing import Any

from tests.support.daemons import Daemons

Questions = Callable[[Any], Awaitable[Any]]


class McpSessions:
    """A server and its client for each way to start one; each is asked from one task, as its library wants it."""

    def __init__(self, daemons: Daemons) -> None:
        self._daemons = daemons
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        self._questions: dict[tuple[str, ...], asyncio.Queue[tuple[Questions, asyncio.Future[Any]] | None]] = {}
        self._tasks: dict[tuple[str, ...], asyncio.Task[None]] = {}

    def ask(self, questions: Questions, *options: str, mode: str) -> Any:
        """Return the answers of a server with these options, in a mode of the protocol."""
        return asyncio.run_coroutine_threadsafe(self._ask(questions, (mode, *options)), self._loop).result(60)

    def close(self) -> None:
        """End all servers."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _ask(self, questions: Questions, how: tuple[str, ...]) -> Any:
        if how not in self._tasks:
            self._questions[how] = asyncio.Queue()
            self._tasks[how] = asyncio.create_task(self._serve(how))
        answers = self._loop.create_future()
        await self._questions[how].put((questions, answers))
        await asyncio.wait({answers, self._tasks[how]}, return_when=asyncio.FIRST_COMPLETED)
        if not answers.done():
            self._tasks[how].result()
        return answers.result()

    async def _serve(self, how: tuple[str, ...]) -> None:
        # Late: each worker imports this module, and one needs the library, which takes a second to import.
        # It remembers the standard error of that moment, which pytest may have replaced by one without a descriptor.
        with redirect_stderr(sys.__stderr__):
            from mcp import Client
            from mcp.client.stdio import StdioServerParameters

        mode, *options = how
        server = StdioServerParameters(
            command=sys.executable,
            args=["-m", "rae_auto", "mcp", *options, "--config", str(self._daemons.config)],
            env={"RAE_STATE_DIR": str(self._daemons.state)},
        )
        async with Client(server, mode=mode, read_timeout_seconds=50) as client:
            while (asked := await self._questions[how].get()) is not None:
                questions, answers = asked
                try:
                    answers.set_result(await questions(client))
                except Exception as error:
                    answers.set_exception(error)

    async def _close(self) -> None:
        for questions in self._questions.values():
            await questions.put(None)
        await asyncio.gather(*self._tasks.values())
