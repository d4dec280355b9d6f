"""The client reads whole lines, however the bytes of the daemon are cut."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.platforms import unix_sockets

from rae_auto.control.client import Client
from rae_auto.control.protocol import encode_error, encode_event, encode_result
from rae_auto.errors import DaemonUnreachable, JobNotFound

pytestmark = unix_sockets

ANSWER = encode_result(1, {})
STARTED, ENDED = encode_event({"kind": "started"}), encode_event({"kind": "ended"})

Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path) -> Iterator[Play]:
    """Return what makes a daemon that reads one request, sends some parts one by one, and closes or goes on."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "control.sock"))
    listener.listen(1)
    done = threading.Event()
    threads: list[threading.Thread] = []

    def serve(parts: tuple[bytes, ...], closes: bool) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            for part in parts:
                connection.sendall(part)
            if not closes:
                done.wait(30)

    def start(*parts: bytes, closes: bool = False) -> None:
        threads.append(threading.Thread(target=serve, args=(parts, closes)))
        threads[-1].start()

    yield start
    done.set()
    for thread in threads:
        thread.join()
    listener.close()


def test_events_that_arrive_with_the_answer(play: Play, tmp_path: Path) -> None:
    half = len(ENDED) // 2
    play(ANSWER + STARTED + ENDED[:half], ENDED[half:])
    with Client(tmp_path) as client:
        client.subscribe()
        assert [client.read_event(10), client.read_event(10)] == [{"kind": "started"}, {"kind": "ended"}]


def test_wait_for_events_that_arrived_with_the_answer(play: Play, tmp_path: Path) -> None:
    play(ANSWER + STARTED + ENDED)
    with Client(tmp_path) as client:
        client.subscribe()
        assert client.wait_for_event(10) is True
        assert client.wait_for_event(0) is False, "both count as one"


def test_answer_in_many_parts(play: Play, tmp_path: Path) -> None:
    line = encode_result(1, "x" * 300_000)
    play(*(line[start : start + 999] for start in range(0, len(line), 999)))
    with Client(tmp_path) as client:
        assert client.call("history") == "x" * 300_000


def test_answers_to_one_message_come_in_turn_each_with_its_error(play: Play, tmp_path: Path) -> None:
    play(encode_result(1, "first") + encode_error(1, JobNotFound("second")))
    with Client(tmp_path) as client:
        answers = client.call_each(("ping", {}), ("history", {"job": "second"}))
        assert next(answers) == "first"
        with pytest.raises(JobNotFound, match="second"):
            next(answers)


def test_daemon_that_ends(play: Play, tmp_path: Path) -> None:
    play(ANSWER + STARTED + b'{"ev', closes=True)
    with Client(tmp_path) as client:
        assert list(client.events()) == [{"kind": "started"}]
        assert client.wait_for_event(None) is None
        with pytest.raises(DaemonUnreachable, match="closed the connection; see its log"):
            client.receive(None)


def test_daemon_that_says_nothing(play: Play, tmp_path: Path) -> None:
    play()
    with (
        Client(tmp_path, timeout=0.05) as client,
        pytest.raises(DaemonUnreachable, match=r"^the daemon has not answered for 0\.05 s; see its log$"),
    ):
        client.call("status")
