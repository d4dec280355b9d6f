"""The port of the loopback interface: its file, the proof of both ends, and what foreign peers can do there."""

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_peer import Peer, identity, in_time
from tests.support.control_service import PING, PONG, served, serving
from tests.support.platforms import posix

from rae_auto.control.client import Client
from rae_auto.control.transports import loopback
from rae_auto.control.transports.choice import TRANSPORT_VARIABLE, control_transport
from rae_auto.control.transports.handshake import MAX_LINE_BYTES, ClientHandshake, ServerHandshake
from rae_auto.control.transports.loopback import HOST, LoopbackTransport, read_control_file
from rae_auto.daemon.control_server import MAX_CLIENTS, ControlServer
from rae_auto.errors import DaemonUnreachable, StoreError
from rae_auto.platforms.file_rights import file_rights


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TRANSPORT_VARIABLE, "loopback")
    return tmp_path / "control.port"


async def open_port(path: Path) -> Peer:
    """Connect to the daemon as a foreign peer, which knows the port and not the token."""
    return Peer(*await asyncio.open_connection(HOST, read_control_file(path).port))


async def is_hung_up(peer: Peer) -> bool:
    is_over = await peer.receive_bytes() == b""
    await peer.close()
    return is_over


# The file


@posix
@pytest.mark.requirement("S6")
def test_file_is_private_whatever_the_umask(path):
    async def work(_connect, _server):
        return stat.S_IMODE(path.stat().st_mode)

    before = os.umask(0)
    try:
        assert served(path, work) == 0o600
    finally:
        os.umask(before)


def test_each_start_has_a_port_and_a_token_of_its_own(path):
    async def work(_connect, _server):
        return read_control_file(path)

    first, second = served(path, work), served(path, work)
    assert first.token != second.token
    assert not path.exists()


def test_port_is_open_on_the_loopback_interface_alone(path):
    async def work(_connect, server):
        return server._listening.socket.getsockname()[0]

    assert served(path, work) == HOST


@pytest.mark.requirement("S7")
def test_file_of_a_dead_daemon_is_replaced(path):
    path.write_text('{"port": 1, "token": "old"}')

    async def work(connect, _):
        return await (await connect()).exchange(PING)

    assert served(path, work) == PONG


@pytest.mark.requirement("S7")
@pytest.mark.parametrize(
    "plant",
    [
        lambda path: path.write_text("mine"),
        lambda path: path.write_text("[]"),
        lambda path: path.write_text('{"port": "80", "token": "x"}'),
        lambda path: path.write_text('{"port": 80, "token": ""}'),
        lambda path: path.write_text('{"port": 70000, "token": "x"}'),
        Path.mkdir,
        pytest.param(lambda path: path.symlink_to("nowhere"), marks=posix),
        pytest.param(lambda path: os.mkfifo(path), marks=posix),
    ],
)
def test_file_that_is_not_of_a_daemon_is_left_in_place(path, plant):
    plant(path)
    before = identity(path)
    with pytest.raises(StoreError, match=r"control\.port exists and is not the control file of a daemon; remove it"):
        in_time(lambda: ControlServer({}).start(path))
    assert identity(path) == before
    with pytest.raises(OSError):
        LoopbackTransport().connect(path, 1)


def test_removed_file_is_written_again_and_old_clients_stay(path):
    async def work(connect, server):
        old = await connect()
        path.unlink()
        was_bound = server.is_bound
        await server.restore()
        new = await connect()
        return was_bound, server.is_bound, await old.exchange(PING), await new.exchange(PING)

    assert served(path, work) == (False, True, PONG, PONG)


def test_file_of_the_next_daemon_is_not_removed(path):
    async def work():
        async with serving(path):
            path.unlink()
            LoopbackTransport().listen(path, 1).socket.close()
        return path.exists()

    assert in_time(work)


@posix
@pytest.mark.requirement("S6")
def test_control_file_that_others_can_read_is_not_used(path):
    async def work(connect, _):
        path.chmod(0o644)
        with pytest.raises(ConnectionError, match=f"other users can read; run 'chmod 600 {path}'"):
            await connect()
        with pytest.raises(DaemonUnreachable):
            await asyncio.to_thread(Client, path.parent)

    served(path, work)


# The proof


@pytest.mark.requirement("S6")
@pytest.mark.parametrize(
    "sent",
    [
        PING,
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"rae-auto \n" + PING,
        b"rae-auto " + b"0" * 64 + b"\n" + b"0" * 64 + b"\n" + PING,
        b"\xff" * 10 * MAX_LINE_BYTES,
        b"rae-auto " + b"0" * 64 + b"\n\n" + PING,
    ],
)
def test_peer_without_the_token_gets_no_answer(path, sent):
    ran = []

    async def work(connect, _):
        foreign_peer = await open_port(path)
        foreign_peer.send(sent)
        received = await foreign_peer.receive_bytes()
        await foreign_peer.close()
        return received, await (await connect()).exchange(PING)

    async def ping(_: Any) -> str:
        ran.append(1)
        return "pong"

    received, after = served(path, work, ping=ping)
    assert b"pong" not in received
    assert read_token_free(received)
    assert after == PONG
    assert ran == [1]


def read_token_free(received: bytes) -> bool:
    """Return whether there is at most the line of the server, which proves what it knows and tells nothing."""
    return received == b"" or len(received.split()) == 2


@pytest.mark.requirement("S6")
def test_wrong_token_is_refused_on_both_sides(path):
    async def work(_connect, _server):
        control_file = read_control_file(path)
        path.write_text(json.dumps({"port": control_file.port, "token": "0" * 64}))
        with pytest.raises(ConnectionError, match="not the daemon"):
            await control_transport().open_connection(path, 1 << 16)
        with pytest.raises(DaemonUnreachable):
            await asyncio.to_thread(Client, path.parent)

    served(path, work)


@contextmanager
def listening_foreign_peer(path: Path, answer: bytes) -> Iterator[list[bytes]]:
    """The port of a dead daemon, at which a program of another user listens now."""
    received: list[bytes] = []
    with socket.create_server((HOST, 0)) as server:
        server.settimeout(30)
        path.write_text(json.dumps({"port": server.getsockname()[1], "token": "secret"}))
        file_rights().make_private(path)

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                received.append(connection.recv(1 << 16))
                connection.sendall(answer)
                with suppress(ConnectionError):
                    while part := connection.recv(1 << 16):
                        received.append(part)

        thread = threading.Thread(target=serve)
        thread.start()
        yield received
        thread.join()


@pytest.mark.requirement("S6")
@pytest.mark.parametrize("answer", [b"\n", b"0 0\n", b"{}", b"x" * 1000])
@pytest.mark.parametrize("is_async", [False, True])
def test_foreign_peer_at_the_port_learns_neither_token_nor_request(path, answer, is_async, monkeypatch):
    monkeypatch.setattr(loopback, "HANDSHAKE_TIMEOUT_SECONDS", 0.2)
    with listening_foreign_peer(path, answer) as received:
        if is_async:
            with pytest.raises(OSError, match=r"not the daemon|^$"):
                in_time(lambda: control_transport().open_connection(path, 1 << 16))
        else:
            with pytest.raises(DaemonUnreachable, match="no daemon is running"):
                Client(path.parent)
    assert len(received) == 1
    assert b"secret" not in received[0]


def test_proof_of_the_server_does_not_serve_as_that_of_a_client():
    client, server = ClientHandshake("token"), ServerHandshake("token")
    challenge = server.answer(client.hello())
    assert challenge is not None
    assert not server.is_proven(challenge.split()[1])
    assert server.is_proven(client.answer(challenge))


def test_proof_of_one_connection_does_not_serve_for_another():
    client, servers = ClientHandshake("token"), [ServerHandshake("token") for _ in range(2)]
    challenges = [server.answer(client.hello()) for server in servers]
    assert not servers[1].is_proven(client.answer(challenges[0]))


# Foreign peers in crowds


@pytest.mark.requirement("S6", "R32")
def test_crowd_of_foreign_peers_drops_no_client(path):
    async def work(connect, _):
        client = await connect()
        foreign_peers = [await open_port(path) for _ in range(3 * MAX_CLIENTS)]
        answers = await client.exchange(PING), await (await connect()).exchange(PING)
        first = await is_hung_up(foreign_peers[0])
        for foreign_peer in foreign_peers[1:]:
            await foreign_peer.close()
        return answers, first

    assert served(path, work) == ((PONG, PONG), True)


@pytest.mark.requirement("S6", "R32")
def test_foreign_peer_who_says_nothing_is_disconnected(path, monkeypatch):
    monkeypatch.setattr(loopback, "HANDSHAKE_TIMEOUT_SECONDS", 0.05)

    async def work(_connect, _server):
        return await is_hung_up(await open_port(path))

    assert served(path, work)


def test_foreign_peer_who_waits_does_not_delay_the_end(path):
    async def work():
        async with serving(path):
            foreign_peer = await open_port(path)
        return await is_hung_up(foreign_peer)

    assert in_time(work)


# Answers


def test_big_answers_and_events_arrive_whole(path):
    async def long(_: Any) -> str:
        return "x" * 5_000_000

    async def work(connect, server):
        asking, listening = await connect(), await connect()
        await listening.ask("events")
        answer = await asking.ask("long")
        for number in range(1000):
            server.publish({"kind": "job", "n": number})
        events = [(await listening.receive())["event"]["n"] for _ in range(1000)]
        return len(answer), events

    assert served(path, work, long=long) == (5_000_000, list(range(1000)))


@pytest.mark.parametrize("name", ["tcp", "Unix"])
def test_unknown_transport_is_refused_by_name(name, monkeypatch):
    monkeypatch.setenv(TRANSPORT_VARIABLE, name)
    expected = f'RAE_CONTROL_TRANSPORT: there is no transport "{name}" here; use "unix" or "loopback", or unset it'
    with pytest.raises(DaemonUnreachable) as refusal:
        control_transport("linux")
    assert str(refusal.value) == expected


def test_windows_has_the_loopback_interface(monkeypatch):
    monkeypatch.delenv(TRANSPORT_VARIABLE, raising=False)
    assert isinstance(control_transport("win32"), LoopbackTransport)
    monkeypatch.setenv(TRANSPORT_VARIABLE, "unix")
    with pytest.raises(DaemonUnreachable, match='use "loopback", or unset it'):
        control_transport("win32")
