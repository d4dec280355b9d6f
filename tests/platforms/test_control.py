"""The contract of the control connection: a real daemon in a process of its own, over each transport."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.control_service import TRANSPORTS
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.control.client import Client
from rae_auto.control.transports.choice import TRANSPORT_VARIABLE, control_transport
from rae_auto.errors import DaemonUnreachable

JOBS = """
[jobs.plain]
python = "time:time"
"""
LONG = "x" * 20_000


@pytest.fixture(params=TRANSPORTS)
def daemons(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    monkeypatch.setenv(TRANSPORT_VARIABLE, request.param)
    made = Daemons(tmp_path, JOBS)
    yield made
    made.end()


def test_client_reaches_the_daemon_and_its_end(daemons):
    process = daemons.serve()
    path = control_transport().path(daemons.state)
    assert path.exists()
    with Client(daemons.state) as client:
        assert client.call("ping")["pid"] == process.pid
        client.call("stop")
        client.wait_closed()
    assert process.wait(60) == 0
    assert not path.exists()
    with pytest.raises(DaemonUnreachable, match="no daemon is running"):
        Client(daemons.state)


def test_client_without_a_daemon_is_refused_in_one_line(daemons):
    with pytest.raises(DaemonUnreachable, match=r"no daemon is running for .*; start one with 'rae-auto run'"):
        Client(daemons.state)


def test_file_of_a_killed_daemon_misleads_neither_client_nor_successor(daemons):
    daemons.serve()
    daemons.kill()
    assert control_transport().path(daemons.state).exists()
    with pytest.raises(DaemonUnreachable):
        Client(daemons.state)
    assert daemons.ask_after_start("ping")["pid"] == daemons.started[-1].pid


def test_events_are_seen_in_the_event_stream(daemons):
    daemons.serve()
    seen: list[Any] = []

    def listen() -> None:
        with Client(daemons.state) as client:
            seen.append(next(iter(client.events())))

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    eventually(lambda: daemons.ask("record_event", name="door.opened") and bool(seen))
    listening.join(30)
    assert (seen[0]["kind"], seen[0]["event"]["name"]) == ("event", "door.opened")


def test_big_answer_arrives_whole(daemons):
    daemons.serve()
    for number in range(100):
        daemons.ask("record_event", name="big", data={"text": LONG, "number": number})
    events = daemons.ask("list_events")
    assert sorted(event["data"]["number"] for event in events) == list(range(100))
    assert len(json.dumps(events)) > 100 * len(LONG)


def test_many_clients_are_served_at_once(daemons):
    daemons.serve()
    answers: list[Any] = []

    def ask() -> None:
        answers.extend(daemons.ask("ping")["pid"] for _ in range(20))

    clients = [threading.Thread(target=ask) for _ in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert answers == [daemons.started[-1].pid] * 160
