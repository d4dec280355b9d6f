"""The connection to the scheduler: made, watched and made again; messages to workers go through it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from distributed import Client

from rae_executor_dask.cluster.encryption import build_security, explain_failure, first_line
from rae_executor_dask.cluster.relay_program import RelayProgram
from rae_executor_dask.cluster.settings import ClusterSettings
from rae_executor_dask.cluster.worker_line import Message, Unreachable

CONNECT_SECONDS = 5.0
FIRST_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.25, 5.0
LOOK_SECONDS, PING_SECONDS, SILENCE_SECONDS = 0.2, 5.0, 10.0
"""Intervals of looks at the connection and of questions to the scheduler, and time without an answer."""

WORKERS_SECONDS = 1.0
"""Time for which the list of workers counts as current."""


class ClusterConnection:
    """The connection to one scheduler."""

    def __init__(self, settings: ClusterSettings, topic: str, program: RelayProgram) -> None:
        """Connect to the scheduler, where workers report under `topic`."""
        self.scheduler = settings.scheduler
        self._tls = settings.tls
        self.client: Client | None = None
        self._topic = topic
        self._program = program
        self._installed: set[str] = set()
        self._workers: Mapping[str, Mapping[str, Any]] = {}
        self._workers_at = float("-inf")

    async def keep(self, handle_event: Callable[[Message], None], note: Callable[[str | None], None]) -> None:
        """Connect, and again whenever that breaks; `note` gets None once connected, else why it isn't."""
        delay = FIRST_RETRY_SECONDS
        while True:
            try:
                async with asyncio.timeout(2 * CONNECT_SECONDS):
                    client = await Client(
                        self.scheduler,
                        asynchronous=True,
                        timeout=CONNECT_SECONDS,
                        set_as_default=False,
                        name="rae-auto",
                        security=build_security(self._tls),
                    )
            except Exception as error:
                note(f"{self.scheduler}: {explain_failure(error, self._tls)}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, MAX_RETRY_SECONDS)
                continue
            delay = FIRST_RETRY_SECONDS
            client.subscribe_topic(self._topic, lambda event: handle_event(event[1]))
            self._installed.clear()
            self._workers_at = float("-inf")
            self.client = client
            note(None)
            await _wait_until_broken(client)
            self.client = None
            note(f"{self.scheduler}: the connection has ended")
            with suppress(Exception):
                async with asyncio.timeout(2.0):
                    await client._close(fast=True)

    async def read_workers(self) -> Mapping[str, Mapping[str, Any]] | None:
        """Return the workers by address, as of a moment ago; None without a connection."""
        client, now = self.client, asyncio.get_running_loop().time()
        if client is None:
            return None
        if now - self._workers_at > WORKERS_SECONDS:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    identity = await client.scheduler.identity(n_workers=-1)
            except Exception:
                return None
            self._workers, self._workers_at = identity["workers"], now
        return self._workers

    async def call(self, address: str, message: Message, seconds: float) -> Message:
        """Send a message to the relay of a worker, and return its reply. Raises Unreachable."""
        client = self.client
        if client is None:
            raise Unreachable(address)
        try:
            async with asyncio.timeout(seconds):
                await self.install(address)
                found = await client.scheduler.broadcast(
                    msg={"op": self._program.operation, "text": json.dumps(message)},
                    workers=[address],
                    on_error="return_pickle",
                )
        except Exception as error:
            self._installed.discard(address)
            raise Unreachable(f"{address}: {first_line(error)}") from error
        answer = found.get(address)
        if not isinstance(answer, str):
            self._installed.discard(address)
            raise Unreachable(f"{address}: it could not be asked")
        try:
            reply = json.loads(answer)
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise Unreachable(f"{address}: its reply makes no sense")
        if "error" in reply:
            raise Unreachable(f"{address}: {reply['error']}")
        return reply

    async def install(self, address: str) -> None:
        """Have a worker serve messages. Errors: those of Dask."""
        client = self.client
        if client is not None and address not in self._installed:
            await client.run(exec, self._program.text, self._program.describe(address), workers=[address])
            self._installed.add(address)


async def _wait_until_broken(client: Client) -> None:
    """Return when the connection has ended, or the scheduler doesn't answer."""
    loop = asyncio.get_running_loop()
    asked_at = loop.time()
    while client.status == "running":
        await asyncio.sleep(LOOK_SECONDS)
        if loop.time() - asked_at > PING_SECONDS:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    await client.scheduler.ncores(workers=[])
            except Exception:
                return
            asked_at = loop.time()
