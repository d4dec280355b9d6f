"""Servers on TCP send at once what they write: an answer never waits for the acknowledgement of its beginning."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from rae_auto.control.transports.loopback import LoopbackTransport
from rae_plugins.commands.ui.server import bind_listener


def listen_for_commands(place: Path) -> socket.socket:
    return LoopbackTransport().listen(place / "control.port", 1).socket


def listen_for_browsers(_: Path) -> socket.socket:
    return bind_listener("127.0.0.1", 0)


@pytest.mark.parametrize("listen", [listen_for_commands, listen_for_browsers])
def test_server_sends_without_delay(listen: Callable[[Path], socket.socket], tmp_path: Path) -> None:
    async def find_option() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        async with await asyncio.start_server(answer, sock=listen(tmp_path)) as server:
            host, port = server.sockets[0].getsockname()
            _, writer = await asyncio.open_connection(host, port)
            is_prompt = await found
            writer.close()
        return is_prompt

    assert asyncio.run(find_option())
