"""rae-trigger-mqtt with a real broker and a real daemon that is killed again and again."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.contrib_plugins import install_contrib_plugin
from tests.support.daemons import Daemons
from tests.support.packages import need
from tests.support.ports import free_port
from tests.support.waiting import eventually

MOSQUITTO = "/usr/sbin/mosquitto"
MESSAGES, KILLS = 30, 3


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Run mosquitto, and return its port."""
    need({MOSQUITTO: "mosquitto"})
    number = free_port()
    place = tmp_path / "broker"
    place.mkdir()
    user = "user root\n" if os.getuid() == 0 else ""
    (place / "conf").write_text(f"listener {number} 127.0.0.1\nallow_anonymous true\n{user}")
    process = subprocess.Popen([MOSQUITTO, "-c", place / "conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield number
    process.terminate()
    process.wait()


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

    def started() -> list[str]:
        """Return the payload of each run."""
        events = [json.loads(path.read_text()) for path in (daemons.home / "events").iterdir() if path.stat().st_size]
        return [event["payload"] for event in events]

    def is_subscribed() -> bool:
        publish(port, "hello")
        return bool(started())

    eventually(is_subscribed)
    for number in range(MESSAGES):
        publish(port, f"{number}")
        if number % (MESSAGES // KILLS) == 5:
            daemons.kill()
        elif number % (MESSAGES // KILLS) == 9:
            daemons.serve()
    eventually(lambda: len(set(started())) > MESSAGES)
    assert sorted(one for one in started() if one != "hello") == sorted(f"{number}" for number in range(MESSAGES))
