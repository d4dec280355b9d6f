"""The control server, over each transport: what counts as a request, and that no client blocks the others."""

import asyncio
import errno
import importlib
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from loguru import logger
from tests.support.control_peer import in_time
from tests.support.control_service import PING, PONG, TRANSPORTS, served, serving
from tests.support.waiting import until

from rae_auto import Scheduler, StoreLocked
from rae_auto.control.protocol import MAX_REQUEST_BYTES
from rae_auto.control.transports.choice import TRANSPORT_VARIABLE, control_transport
from rae_auto.daemon import control_server
from rae_auto.daemon.control_server import MAX_CLIENTS, ControlServer
from rae_auto.errors import SchedulerClosed


@pytest.fixture(params=TRANSPORTS)
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(TRANSPORT_VARIABLE, request.param)
    return control_transport().path(tmp_path)


# What a request is


@pytest.mark.requirement("S6")
@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b"",
        b"GET / HTTP/1.1\r",
        b"\xff\xfe{}",
        b"[]",
        b'"ping"',
        b"null",
        b"{}",
        b'{"id":1}',
        b'{"command":1}',
        b'{"command":"ping","with":[]}',
        b'{"command":"ping","with":null}',
        b'{"command":"ping"',
        b'{"id":' + b"9" * 5000 + b',"command":"ping"}',
        b"[" * 60_000,
    ],
    ids=lambda line: line[:30].decode(errors="replace"),
)
def test_malformed_request_is_answered_and_disconnected(path, line):
    async def work(connect, _):
        peer, other = await connect(), await connect()
        return await peer.exchange(line + b"\n"), await peer.receive(), await other.exchange(PING)

    answer, after, other = served(path, work)
    assert (answer["id"], answer["error"]["kind"]) == (None, "BadRequest")
    assert answer["error"]["message"].isprintable()
    assert (after, other) == (None, PONG)


OF_OLD_DAEMON = "; if the program that asks is newer than this daemon, restart the daemon"


@pytest.mark.requirement("S6")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pimg", "unknown command 'pimg'; did you mean \"ping\"?"),
        ("event", "unknown command 'event'; did you mean \"events\"?"),
        ("__class__", f"unknown command '__class__'{OF_OLD_DAEMON}"),
        ("_serve", f"unknown command '_serve'{OF_OLD_DAEMON}"),
        ("", f"unknown command ''{OF_OLD_DAEMON}"),
        ("\x1b]0;x" + "z" * 1000, "unknown command '\\x1b]0;x" + "z" * 59 + f"'{OF_OLD_DAEMON}"),
    ],
)
def test_unknown_command_is_refused_and_the_next_is_served(path, name, expected):
    async def work(connect, _):
        peer = await connect()
        return await peer.refusal(name), await peer.exchange(PING)

    refused, after = served(path, work)
    assert (refused.kind, refused.message, after) == ("UnknownCommand", expected, PONG)


@pytest.mark.parametrize("number", [None, 0, -1.5, "x", [1], {"a": None}, "\ud800"])
def test_answer_repeats_the_id_of_its_request(path, number):
    async def work(connect, _):
        return await (await connect()).exchange(json.dumps({"id": number, "command": "ping"}).encode() + b"\n")

    assert served(path, work) == {"id": number, "result": "pong"}


def test_split_and_batched_requests_are_answered_in_order(path):
    async def work(connect, _):
        peer = await connect()
        for byte in PING[:-1]:
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        first = await peer.exchange(b"\n")
        peer.send(b"".join(b'{"id":%d,"command":"ping"}\n' % number for number in range(100)))
        return first, [(await peer.receive())["id"] for _ in range(100)]

    assert served(path, work) == (PONG, list(range(100)))


@pytest.mark.requirement("S6")
def test_request_of_maximum_size_is_read_and_a_longer_one_disconnected(path):
    async def work(connect, _):
        return [
            await (await connect()).exchange(PING.rjust(size))
            for size in (MAX_REQUEST_BYTES, 1 << 20, MAX_REQUEST_BYTES)
        ]

    assert served(path, work) == [PONG, None, PONG]


def test_failing_command_hides_details_and_keeps_the_connection(path):
    async def broken(_):
        raise ZeroDivisionError("secret")

    async def work(connect, _):
        peer = await connect()
        return await peer.refusal("broken"), await peer.exchange(PING)

    lines: list[str] = []
    logger.enable("rae_auto")
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    try:
        refused, after = served(path, work, broken=broken)
    finally:
        logger.remove(sink)
    assert refused.kind == "InternalError"
    assert "internal error: the command \"broken\" could not be answered: ZeroDivisionError('secret')" in lines
    assert "secret" not in refused.message
    assert after == PONG


def test_command_with_a_late_import_is_answered_without_descriptors(path, tmp_path, monkeypatch):
    (tmp_path / "late_part.py").write_text("ANSWER = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "late_part", raising=False)
    refused = [OSError(errno.EMFILE, "Too many open files")]
    read = SourceFileLoader.get_data

    def get_data(self, name):
        if "late_part" in str(name) and refused:
            raise refused.pop()
        return read(self, name)

    async def late(_):
        return {"answer": importlib.import_module("late_part").ANSWER}

    async def work(connect, _):
        return await (await connect()).exchange(b'{"id":1,"command":"late"}\n')

    monkeypatch.setattr(SourceFileLoader, "get_data", get_data)
    assert served(path, work, late=late)["result"] == {"answer": 42}
    assert refused == []


# Who stalls, goes, or comes in crowds


@pytest.mark.requirement("R32")
def test_half_a_request_times_out_but_an_idle_client_does_not(path, monkeypatch):
    monkeypatch.setattr(control_server, "CLIENT_TIMEOUT_SECONDS", 0.05)

    async def work(connect, _):
        idle, half = await connect(), await connect()
        return await half.exchange(PING[:10]), await idle.exchange(PING)

    assert served(path, work) == (None, PONG)


@asynccontextmanager
async def deaf(path: Path, request: bytes) -> AsyncIterator[socket.socket]:
    """A connection whose client has sent a request and doesn't read the answer."""
    with await asyncio.to_thread(control_transport().connect, path, None) as plain:
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_sendall(plain, request)
        yield plain


async def rest_of(plain: socket.socket) -> int:
    """Return the number of bytes until the other end closes."""
    received = 0
    with suppress(ConnectionError):
        while got := await asyncio.get_running_loop().sock_recv(plain, 1 << 20):
            received += len(got)
    return received


@pytest.mark.requirement("R32")
def test_client_that_never_reads_is_disconnected(path, monkeypatch):
    monkeypatch.setattr(control_server, "CLIENT_TIMEOUT_SECONDS", 0.05)

    async def work(connect, _):
        async with deaf(path, b'{"command":"long"}\n') as silent:
            # Sending tells that the other end hung up, and reads nothing.
            with pytest.raises(ConnectionError):
                while await asyncio.sleep(0, True):
                    await asyncio.get_running_loop().sock_sendall(silent, PING)
            return await rest_of(silent), await (await connect()).exchange(PING)

    async def long(_):
        return "x" * 10_000_000

    received, after = served(path, work, long=long)
    assert received < 10_000_000
    assert after == PONG


@pytest.mark.requirement("R32")
def test_slow_listener_is_disconnected_and_others_get_all_events(path):
    event = {"kind": "job", "job": "x" * 10_000}
    expected = 1000

    async def work(connect, server):
        async with deaf(path, b'{"command":"events"}\n') as silent:
            keen, other = await connect(), await connect()
            await keen.ask("events")
            delivered = 0
            for _ in range(expected):
                server.publish(event)
                delivered += await keen.receive() == {"event": event}
            return delivered, await rest_of(silent), await keen.exchange(PING), await other.exchange(PING)

    delivered, received, *answers = served(path, work)
    assert delivered == expected
    assert received < expected * len(event["job"])
    assert answers == [PONG, PONG]


@pytest.mark.parametrize("sent", [b"", PING[:10], PING * 50, b'{"command":"events"}\n', b'{"command":"slow"}\n'])
def test_client_that_disconnects_does_not_disturb_others(path, sent):
    go = asyncio.Event()

    async def slow(_):
        await go.wait()
        return "x" * 1_000_000

    async def work(connect, server):
        leaving, staying = await connect(), await connect()
        leaving.send(sent)
        during = await staying.exchange(PING)
        await leaving.close()
        go.set()
        await staying.ask("events")
        server.publish({"kind": "job"})
        return during, await staying.receive(), await staying.exchange(PING)

    assert served(path, work, slow=slow) == (PONG, {"event": {"kind": "job"}}, PONG)


def test_slow_command_blocks_only_its_own_client(path):
    go = asyncio.Event()

    async def slow(_):
        await go.wait()
        return "done"

    async def work(connect, _):
        waiting, other = await connect(), await connect()
        waiting.send(b'{"id":2,"command":"slow"}\n')
        during = await other.exchange(PING)
        go.set()
        return during, await waiting.receive()

    assert served(path, work, slow=slow) == (PONG, {"id": 2, "result": "done"})


@pytest.fixture
def _patient(monkeypatch):
    """Have no client lose its place, however slow the machine is."""
    monkeypatch.setattr(control_server, "QUIET_SECONDS", 60.0)
    monkeypatch.setattr(control_server, "MAX_WAIT_SECONDS", 60.0)


@pytest.mark.requirement("S6")
@pytest.mark.usefixtures("_patient")
def test_more_clients_than_places_are_all_answered(path):
    async def slow(_):
        await asyncio.sleep(0.01)
        return "done"

    async def work(connect, _):
        async def ask():
            peer = await connect()
            answer = await peer.exchange(b'{"id":2,"command":"slow"}\n')
            await peer.close()
            return answer

        # The proof of the loopback interface admits so many at once.
        limit = asyncio.Semaphore(6 * MAX_CLIENTS if path.suffix == ".sock" else MAX_CLIENTS)

        async def ask_in_turn():
            async with limit:
                return await ask()

        return await asyncio.gather(*(ask_in_turn() for _ in range(6 * MAX_CLIENTS)))

    assert served(path, work, slow=slow) == [{"id": 2, "result": "done"}] * (6 * MAX_CLIENTS)


@pytest.mark.requirement("S6")
@pytest.mark.usefixtures("_patient")
def test_client_is_disconnected_if_too_many_wait(path, monkeypatch):
    monkeypatch.setattr(control_server, "MAX_WAITING", 2)
    go, busy = asyncio.Event(), []

    async def slow(_):
        busy.append(None)
        await go.wait()
        return "done"

    async def work(connect, _):
        peers = [await connect() for _ in range(MAX_CLIENTS)]
        for peer in peers:
            peer.send(b'{"id":2,"command":"slow"}\n')
        await until(lambda: len(busy) == MAX_CLIENTS)
        waiting = [await connect() for _ in range(2)]
        refused = await (await connect()).exchange(PING)
        go.set()
        for peer in peers:
            await peer.receive()
            await peer.close()
        return refused, [await peer.exchange(PING) for peer in waiting]

    assert served(path, work, slow=slow) == (None, [PONG, PONG])


@pytest.fixture
def _impatient(monkeypatch):
    """Have places change hands soon: what these tests show doesn't depend on how long is waited."""
    monkeypatch.setattr(control_server, "QUIET_SECONDS", 0.02)
    monkeypatch.setattr(control_server, "MAX_WAIT_SECONDS", 0.05)


@pytest.mark.requirement("S6")
@pytest.mark.usefixtures("_impatient")
def test_too_many_clients_drop_the_oldest_except_listeners(path):
    async def work(connect, server):
        listener = await connect()
        await listener.ask("events")
        crowd = [await connect() for _ in range(2 * MAX_CLIENTS)]
        newest = await connect()
        answers = [await peer.exchange(PING) for peer in (newest, *crowd)]
        server.publish({"kind": "job"})
        return answers, await listener.receive()

    (newest, *crowd), delivered = served(path, work)
    assert (newest, delivered) == (PONG, {"event": {"kind": "job"}})
    # The listener and the newest have two of the places.
    gone = MAX_CLIENTS + 2
    assert crowd == [None] * gone + [PONG] * (len(crowd) - gone)


@pytest.mark.usefixtures("_impatient")
def test_oldest_listener_is_dropped_if_all_listen(path):
    async def work(connect, _):
        listeners = [await connect() for _ in range(MAX_CLIENTS)]
        for listener in listeners:
            await listener.ask("events")
        newest = await (await connect()).exchange(PING)
        return newest, await listeners[0].receive(), await listeners[1].exchange(PING)

    assert served(path, work) == (PONG, None, PONG)


# The end, and other daemons


@pytest.mark.requirement("S7")
def test_file_of_a_running_daemon_is_not_taken(tmp_path, path):
    async def work(connect, _):
        async with Scheduler(directory=tmp_path / "state"):
            before = path.stat().st_ino
            with pytest.raises(StoreLocked):
                async with Scheduler(directory=tmp_path / "state"), serving(path):
                    pass
            return path.stat().st_ino == before, await (await connect()).exchange(PING)

    assert served(path, work) == (True, PONG)


def test_retired_server_serves_its_clients_until_it_closes(path):
    async def work(connect, server):
        peer = await connect()
        first = await peer.exchange(PING)
        server.retire()
        with pytest.raises(FileNotFoundError):
            await connect()
        second = await peer.exchange(PING)
        await server.close()
        return first, second, await peer.receive()

    assert served(path, work) == (PONG, PONG, None)


def test_request_that_comes_too_late_finds_no_daemon(path):
    """One that was being answered is told that the scheduler stopped, because what became of it isn't known."""
    asked, go = asyncio.Event(), asyncio.Event()

    async def status(_):
        asked.set()
        await go.wait()
        raise SchedulerClosed("the scheduler isn't open")

    async def work(connect, server):
        early, late = await connect(), await connect()
        await late.exchange(PING)
        early.send(b'{"id":1,"command":"status"}\n')
        await asked.wait()
        server.retire()
        late.send(b'{"id":2,"command":"status"}\n')
        go.set()
        return (await early.receive())["error"]["kind"], (await late.receive())["error"]["kind"]

    assert served(path, work, status=status) == ("SchedulerClosed", "DaemonUnreachable")


def test_a_server_that_never_started_can_be_closed():
    async def work():
        server = ControlServer({})
        server.publish({"kind": "job"})
        server.retire()
        await server.close()

    in_time(work)
