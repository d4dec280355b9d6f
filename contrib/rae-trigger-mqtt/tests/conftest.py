"""A real broker, mosquitto, started and killed by the tests."""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from rae_trigger_mqtt import MqttTrigger
from rae_trigger_mqtt.connection import BrokerConnection

from rae_auto.testing.harness.ports import free_port

START_SECONDS = 60.0


class Broker:
    """A mosquitto that keeps its messages on disk."""

    def __init__(self, program: str, place: Path, *lines: str) -> None:
        self.port = free_port()
        self._command = [program, "-c", str(place / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None
        settings = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {place}/"]
        user = ["user root"] if os.getuid() == 0 else []
        text = "\n".join([*settings, *user, *(lines or ("allow_anonymous true",))])
        (place / "mosquitto.conf").write_text(text + "\n")

    def start(self) -> None:
        """Start it, and return once it accepts connections."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            assert time.monotonic() < deadline, "mosquitto accepts no connections"
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it, and return when it has ended."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        *,
        retain: bool = False,
        qos: int = 1,
        properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Publish a message, with properties of its own, and return once the broker has it."""
        # Not by paho.mqtt.publish, which on a loaded machine may go round for ever.
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        added = Properties(PacketTypes.PUBLISH)
        added.UserProperty = list(properties)
        client.connect("127.0.0.1", self.port)
        client.loop_start()
        client.publish(topic, payload, qos, retain, added).wait_for_publish(START_SECONDS)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def program() -> str:
    """Return the path of mosquitto."""
    found = shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("mosquitto isn't installed; run 'apt-get install mosquitto'")
    return found


@pytest.fixture
def make_broker(program: str) -> Callable[..., Broker]:
    """Return a function that makes a broker with a folder and further lines of its configuration."""
    return partial(Broker, program)


@pytest.fixture
def broker(make_broker: Callable[..., Broker], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """Run a broker."""
    one = make_broker(tmp_path_factory.mktemp("broker"))
    one.start()
    yield one
    one.stop()


@pytest.fixture
def trigger(broker: Broker) -> MqttTrigger:
    """Return a trigger for two kinds of topics."""
    return MqttTrigger(topic=["home/+/door", "plant/#"], port=broker.port)


class Subscriptions:
    """The subscriptions of the trigger; it gets no message that is published before the first."""

    def __init__(self) -> None:
        self._done = asyncio.Semaphore(0)

    async def next(self) -> None:
        """Return after the next subscription."""
        async with asyncio.timeout(START_SECONDS):
            await self._done.acquire()

    def note(self) -> None:
        """Note a subscription."""
        self._done.release()


@pytest.fixture
def subscriptions(monkeypatch: pytest.MonkeyPatch) -> Subscriptions:
    """Return what tells of each subscription."""
    noted, subscribe = Subscriptions(), BrokerConnection.subscribe

    async def subscribe_and_note(self: BrokerConnection, topics: tuple[str, ...], qos: int) -> None:
        await subscribe(self, topics, qos)
        noted.note()

    monkeypatch.setattr(BrokerConnection, "subscribe", subscribe_and_note)
    return noted
