"""A broker that takes the connection, and then says nothing, or goes."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from rae_trigger_mqtt import MqttTrigger, connection

from rae_auto.testing.sources import Listener, RealTimer

CONNECTED = bytes([0x20, 3, 0, 0, 0])
"""The packet CONNACK of MQTT 5."""

SUBSCRIBE = 0x82
"""The first byte of that packet."""


@pytest.mark.parametrize(
    ("goes", "problem"),
    [
        (True, "the connection to the broker ended"),
        (False, "the broker didn't answer the subscription to plant/# within 0.5 s"),
    ],
)
def test_subscription_without_an_answer_ends_the_source_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, goes: bool, problem: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        if not goes:
            # Only now, because it holds for the connection, too.
            monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.5)
        writer.write(CONNECTED)
        asked = await reader.read(1 << 16)
        assert asked[0] == SUBSCRIBE
        if not goes:
            await reader.read()
        writer.close()

    async def watch() -> BaseException | None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            listener = Listener(tmp_path, RealTimer())
            async with listener.watching(MqttTrigger(topic="plant/#", port=port)) as task:
                await asyncio.wait({task})
            return task.exception()

    error = run_limited(watch())
    assert isinstance(error, ConnectionError)
    assert problem in str(error)


def run_limited(scene: Coroutine[Any, Any, BaseException | None]) -> BaseException | None:
    """Run a scene, for less than a subscription may take."""

    async def limited() -> BaseException | None:
        async with asyncio.timeout(15):
            return await scene

    return asyncio.run(limited())
