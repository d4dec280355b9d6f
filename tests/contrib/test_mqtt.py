"""rae-trigger-mqtt with a real broker and a real daemon that is killed again and again."""

import json
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.packages import need
from tests.support.waiting import eventually

from rae_auto.testing.harness.ports import free_port

MOSQUITTO = "/usr/sbin/mosquitto"
MESSAGES, KILLS = 30, 3


class Broker:
    """A mosquitto that keeps sessions and messages on disk."""

    def __init__(self, place: Path) -> None:
        self.port = free_port()
        self._command = [MOSQUITTO, "-c", place / "conf"]
        user = "user root\n" if os.getuid() == 0 else ""
        kept = f"persistence true\npersistence_location {place}/\n"
        (place / "conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n{kept}{user}")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    need({MOSQUITTO: "mosquitto"})
    place = tmp_path / "broker"
    place.mkdir()
    one = Broker(place)
    yield one
    one.stop()


@pytest.fixture
def port(broker: Broker) -> int:
    return broker.port


@pytest.fixture
def daemons(tmp_path: Path, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemons]:
    """Return a configuration with a job for each message."""
    monkeypatch.setenv("PYTHONPATH", str(install_contrib_plugin("rae-trigger-mqtt", tmp_path / "plugin")))
    job = f"""
[jobs.note]
shell = 'printf %s "$RAE_EVENT" > "{{home}}/events/$RAE_RUN_ID"'
overlap = "allow"
overlap_max = 1000
trigger = {{ type = "mqtt", topic = "work/#", port = {port} }}
"""
    (tmp_path / "events").mkdir()
    these = Daemons(tmp_path, job)
    yield these
    these.end()


def started(daemons: Daemons) -> list[str]:
    """Return the payload of each run."""
    events = [json.loads(path.read_text()) for path in (daemons.home / "events").iterdir() if path.stat().st_size]
    return [event["payload"] for event in events]


def wait_until_subscribed(daemons: Daemons, port: int) -> None:
    """Return once a message has started a run; there may be several of these."""

    def is_subscribed() -> bool:
        publish(port, "hello")
        return bool(started(daemons))

    eventually(is_subscribed)


def publish(port: int, payload: str) -> None:
    from paho.mqtt.client import Client
    from paho.mqtt.enums import CallbackAPIVersion

    # Not by paho.mqtt.publish, which on a loaded machine may go round for ever.
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish("work/item", payload, qos=1).wait_for_publish(60)
    client.disconnect()
    client.loop_stop()


@pytest.mark.requirement("R3", "S15")
def test_each_message_is_one_run_whenever_the_daemon_is_killed(daemons: Daemons, port: int) -> None:
    pytest.importorskip("paho")
    daemons.serve()
    wait_until_subscribed(daemons, port)
    for number in range(MESSAGES):
        publish(port, f"{number}")
        if number % (MESSAGES // KILLS) == 5:
            daemons.kill()
        elif number % (MESSAGES // KILLS) == 9:
            daemons.serve()
    check_runs(daemons)


@pytest.mark.requirement("R3", "S15")
def test_each_message_is_one_run_through_restarts_of_the_broker(daemons: Daemons, broker: Broker) -> None:
    """Go on where the broker and the daemon were, also with messages that had started nothing before a restart."""
    pytest.importorskip("paho")
    daemons.serve()
    wait_until_subscribed(daemons, broker.port)
    for number in range(MESSAGES):
        publish_to(broker, f"{number}")
        if number % (MESSAGES // KILLS) == 5:
            broker.stop()
            broker.start()
    check_runs(daemons)


def check_runs(daemons: Daemons) -> None:
    """Check that each message has started one run, or does."""
    eventually(lambda: len(set(started(daemons))) > MESSAGES, 120)
    found = sorted(one for one in started(daemons) if one != "hello")
    assert found == sorted(f"{number}" for number in range(MESSAGES))


def publish_to(broker: Broker, payload: str) -> None:
    """Publish a message, once the broker accepts connections."""
    eventually(lambda: is_listening(broker.port))
    publish(broker.port, payload)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return not probe.connect_ex(("127.0.0.1", port))
