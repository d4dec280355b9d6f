"""The command stop, when the daemon is gone before it could say so."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rae_auto.paths import socket_path

ANSWER = b'{"id": 1, "ok": true, "result": {"waits_for": [], "keeps": [], "grace_seconds": 30.0}}\n'
PING_ANSWER = b'{"id": 1, "result": {"pid": 7, "config": null}}\n'


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Serve one connection as a daemon that stops: it answers with `answer`, and is gone unless it `stays`."""
    threads: list[threading.Thread] = []
    listening = socket.socket(socket.AF_UNIX)

    def answer_once(answer: bytes, stays: bool) -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as lines:
            lines.readline()
            connection.sendall(PING_ANSWER)
            lines.readline()
            if not stays:
                listening.close()
            connection.sendall(answer)

    def start(answer: bytes, stays: bool = False) -> None:
        path = socket_path(tmp_path / "state")
        path.parent.mkdir(exist_ok=True)
        listening.bind(str(path))
        listening.listen(8)
        threads.append(threading.Thread(target=answer_once, args=(answer, stays)))
        threads[0].start()

    yield start
    for thread in threads:
        thread.join()
    listening.close()


@pytest.mark.parametrize("answer", [ANSWER, b""])
def test_stop_succeeds_when_the_daemon_is_gone_at_once(offline, serve, answer):
    serve(answer)
    said = offline("stop")
    assert (said.code, said.out, said.err) == (0, "stopped\n", "")


def test_stop_fails_when_the_daemon_does_not_answer(offline, serve):
    serve(b"", stays=True)
    said = offline("stop")
    assert (said.code, said.err) == (3, "rae-auto: the daemon closed the connection; see its log\n")
