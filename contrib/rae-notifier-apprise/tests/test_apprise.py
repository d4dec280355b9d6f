"""The notifier `apprise`: the real Apprise, with a real peer for its service json://."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import attrs
import pytest
from rae_notifier_apprise import AppriseNotifier

from rae_auto.api import Notifier
from rae_auto.model.policies import NotifyOn
from rae_auto.testing.notifiers import NOTICE, NotifierConformance
from rae_auto.toolkit.secrets.secret import find_secret_problems


class Peer:
    """An HTTP server that keeps what it is sent, and answers as a test wishes."""

    def __init__(self) -> None:
        self.documents: list[dict[str, Any]] = []
        self.status = 200
        self.may_answer = Event()
        self.may_answer.set()
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                peer.documents.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                peer.may_answer.wait(30)
                self.send_response(peer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://127.0.0.1:{self.server.server_port}/secret-path"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.may_answer.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    started = Peer()
    yield started
    started.close()


class TestConforms(NotifierConformance):
    @pytest.fixture
    def plugin(self, peer: Peer) -> Notifier:
        # Five processes start at the same time in one of the tests, also on a slow machine.
        return AppriseNotifier(url=peer.url, timeout="100s")

    @pytest.fixture
    def read(self, peer: Peer) -> Callable[[], list[str]]:
        return lambda: [document["message"].splitlines()[0] for document in peer.documents]

    @pytest.fixture
    def failing(self) -> Notifier:
        return AppriseNotifier(url="json://127.0.0.1:1/")


def notify(notifier: Notifier, **changes: Any) -> None:
    asyncio.run(notifier.notify(attrs.evolve(NOTICE, **changes)))


def test_message_has_title_facts_and_output(peer: Peer) -> None:
    notify(AppriseNotifier(url=peer.url), host="attic", output="disk full")
    notify(AppriseNotifier(url=peer.url), kind=NotifyOn.RECOVERY)
    first, second = peer.documents
    assert first["title"] == "[attic] backup failed: exit code 3"
    assert "exit code: 3" in first["message"]
    assert first["message"].rstrip().endswith("disk full")
    assert (first["type"], second["type"]) == ("failure", "success")
    assert "apprise" not in sys.modules


def test_address_comes_from_a_secret(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text(peer.url + "\n")
    path.chmod(0o600)
    notify(AppriseNotifier(url=f"${{file:{path}}}"))
    assert len(peer.documents) == 1
    (warning,) = find_secret_problems(AppriseNotifier(url=f"${{file:{tmp_path}/none}}"))
    assert "which can't be read" in warning


def test_refusal_names_the_service_and_no_address(peer: Peer) -> None:
    peer.status = 500
    with pytest.raises(RuntimeError) as caught:
        notify(AppriseNotifier(url=peer.url))
    message = "the service json did not take the notice; try its address with the program apprise"
    assert str(caught.value) == message


def test_unknown_service_is_reported() -> None:
    with pytest.raises(RuntimeError, match=r"the service nosuch is unknown to Apprise, or its address is incomplete"):
        notify(AppriseNotifier(url="nosuch://secret"))


def test_service_that_hangs_is_given_up_and_its_process_ended(peer: Peer) -> None:
    peer.may_answer.clear()
    # Less than Apprise itself waits for its peer.
    notifier = AppriseNotifier(url=peer.url, timeout="2s")
    with pytest.raises(RuntimeError, match=r"the service json did not answer within 2 s"):
        notify(notifier)


def test_address_without_a_service_is_refused() -> None:
    with pytest.raises(ValueError, match=r'must be an address of Apprise, as in "ntfy://my-topic"'):
        AppriseNotifier(url="my-topic")
