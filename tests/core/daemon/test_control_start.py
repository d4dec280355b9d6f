"""The control socket while the daemon starts, and when a start is refused."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import connecting, in_time

from rae_auto.daemon import control_server
from rae_auto.daemon.control_server import ControlServer


async def pong(_: Any) -> str:
    return "pong"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control.sock"


def test_server_that_never_served_removes_its_socket(path):
    server = ControlServer({})
    server.bind(path)
    assert path.exists()
    server.retire()
    in_time(lambda: server.start(path))
    assert not path.exists()
    in_time(server.close)


def test_retired_server_leaves_the_socket_of_another_daemon(path):
    """A start that was refused has released the state directory's lock by then."""
    refused, other = ControlServer({}), ControlServer({})
    refused.bind(path)
    other.bind(path)
    refused.retire()
    assert path.exists()
    other.retire()
    assert not path.exists()
    in_time(refused.close)
    in_time(other.close)


def test_early_commands_answer_while_a_start_takes_long(path, monkeypatch):
    monkeypatch.setattr(control_server, "EARLY_ANSWER_SECONDS", 0.05)

    async def early(_: Any) -> str:
        return "starting"

    async def work():
        server = ControlServer({}, {"status": early})
        await server.start(path)
        async with connecting(path) as connect:
            waiting, asking = await connect(), await connect()
            listing = asyncio.ensure_future(waiting.ask("list"))
            before = await asking.ask("status")
            assert not listing.done()
            server.complete({"list": pong, "status": pong})
            answers = before, await listing, await asking.ask("status")
        server.retire()
        await server.close()
        return answers

    assert in_time(work) == ("starting", "pong", "pong")
