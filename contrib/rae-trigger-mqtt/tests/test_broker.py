"""With a real broker: what is kept, lost connections, refusals, and a daemon that is killed."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from rae_trigger_mqtt import MqttTrigger

from rae_auto.api.trigger import EmitResult
from rae_auto.testing.sources import Listener, RealTimer

LEADER = str(Path(__file__).parent / "killed_leader.py")

Scene = Callable[[Listener], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], None]:
    """Return a function that plays a scene within a minute."""

    def run(scene: Scene) -> None:
        async def limited() -> None:
            async with asyncio.timeout(60):
                await scene(Listener(tmp_path / "source", RealTimer()))

        asyncio.run(limited())

    return run


def payloads(listener: Listener) -> list[object]:
    return [(occurrence.event or {})["payload"] for occurrence in listener.occurrences]


def test_only_messages_that_match_start_anything(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    async def scene(listener: Listener) -> None:
        async with listener.watching(evolve(trigger, where={"state": "open"})):
            await subscriptions.next()
            for topic, state in (("home/a/door", "shut"), ("home/a/lamp", "open"), ("plant/1/x", "open")):
                broker.publish(topic, json.dumps({"state": state}))
            await listener.wait_for(1)
        assert [occurrence.event for occurrence in listener.occurrences] == [
            {"topic": "plant/1/x", "payload": {"state": "open"}, "retained": False}
        ]

    play(scene)


def test_messages_wait_at_the_broker_without_a_daemon(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger):
            await subscriptions.next()
        for number in range(40):
            broker.publish("plant/1", f"{number}")
        async with listener.watching(trigger):
            await listener.wait_for(40)
        assert payloads(listener) == [f"{number}" for number in range(40)]

    play(scene)


def test_machines_with_one_name_continue_each_others_session(
    broker: Any, trigger: MqttTrigger, subscriptions: Any, tmp_path: Path
) -> None:
    """The daemon leads here, there, and here again: no message is lost, and none counts twice."""
    shared = evolve(trigger, client_id="rae-plant")

    async def scene() -> None:
        here, there = (Listener(tmp_path / name, RealTimer()) for name in ("here", "there"))
        for number, listener in enumerate([here, there, here]):
            async with listener.watching(shared):
                await subscriptions.next()
                broker.publish("plant/1", f"while {number} leads")
                await listener.wait_for(number + 1)
            broker.publish("plant/1", f"after {number}")
        found = [str(payload) for payload in (*payloads(here), *payloads(there))]
        assert sorted(found) == ["after 0", "after 1", "while 0 leads", "while 1 leads", "while 2 leads"]

    async def limited() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(limited())


@pytest.mark.parametrize("is_restarted", [False, True], ids=["broker stays", "broker restarts"])
@pytest.mark.parametrize("is_retained", [False, True], ids=["passing", "retained"])
def test_message_under_way_when_the_leader_is_killed_has_one_key(
    broker: Any, trigger: MqttTrigger, subscriptions: Any, tmp_path: Path, is_restarted: bool, is_retained: bool
) -> None:
    """`kill -9` after the run is durable, and before the broker knows: the machine that takes over has the same key."""
    shared = evolve(trigger, topic="plant/#", client_id="rae-plant")

    async def scene() -> None:
        here, there = (Listener(tmp_path / name, RealTimer()) for name in ("here", "there"))
        async with here.watching(shared):
            await subscriptions.next()
        broker.publish("plant/1", "on", retain=is_retained)
        command = [sys.executable, LEADER, str(tmp_path / "killed"), f"{broker.port}", "rae-plant", "after"]
        leader = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert leader.stdout is not None
        _, key = (await leader.stdout.readline()).decode().split()
        leader.kill()
        await leader.wait()
        if is_restarted:
            broker.stop()
            broker.start()
        async with there.watching(shared):
            await there.wait_for(1)
            broker.publish("plant/1", "on")
            await there.wait_for(2)
        first, second = (occurrence.key for occurrence in there.occurrences)
        assert first == key != second, "it started a second run, or the next message none"

    async def limited() -> None:
        async with asyncio.timeout(60):
            await scene()

    asyncio.run(limited())


def test_publisher_can_say_what_is_the_same_message(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    """By a property of MQTT 5, or by a value of the payload."""

    async def watch(listener: Listener) -> None:
        async with listener.watching(evolve(trigger, key="order.id")):
            await subscriptions.next()
            for payload, number in (("a", "7"), ("b", "7"), ("c", "8")):
                broker.publish("plant/1", payload, properties=[("order.id", number)])
            for count in (1, 2, 1):
                broker.publish("plant/1", json.dumps({"order": {"id": count}}))
            broker.publish("plant/1", "without")
            await listener.wait_for(5)
        assert payloads(listener) == ["a", "c", {"order": {"id": 1}}, {"order": {"id": 2}}, "without"]

    play(watch)


def test_message_that_was_not_durable_is_delivered_again_and_counts_once(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    async def scene(listener: Listener) -> None:
        keys = []

        def refuse(key: str) -> EmitResult:
            keys.append(key)
            raise OSError("no space left on device")

        good, listener.answer = listener.answer, refuse
        async with listener.watching(trigger) as task:
            await subscriptions.next()
            broker.publish("plant/1", "water")
            await asyncio.wait({task})
        assert isinstance(task.exception(), OSError)
        listener.answer = good
        async with listener.watching(trigger):
            (occurrence,) = await listener.wait_for(1)
        # Under the same key: had it been durable, the daemon would know it.
        assert keys == [occurrence.key]

    play(scene)


def test_kept_message_starts_one_run_until_it_changes(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    broker.publish("plant/pump", "on", retain=True)

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger):
            await listener.wait_for(1)
            broker.publish("plant/pump", "off", retain=True)
            await listener.wait_for(2)
        # Without its session, as after a long absence, the broker sends it again.
        state = listener.directory / "messages.json"
        state.write_text(json.dumps({**json.loads(state.read_text()), "client": "another"}))
        async with listener.watching(trigger):
            await subscriptions.next()
            broker.publish("plant/pump", "on", retain=True)
            await listener.wait_for(3)
        assert payloads(listener) == ["on", "off", "on"]

    play(scene)


def test_broker_that_is_killed_ends_the_source_and_loses_nothing(
    play: Callable[[Scene], None], broker: Any, trigger: MqttTrigger, subscriptions: Any
) -> None:
    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger) as task:
            await subscriptions.next()
            broker.stop(signal.SIGKILL)
            await asyncio.wait({task})
        assert isinstance(error := task.exception(), ConnectionError)
        assert "the connection to the broker ended" in str(error)
        async with listener.watching(trigger) as task:
            await asyncio.wait({task})
        assert "no connection to the broker 127.0.0.1" in str(task.exception())
        broker.start()
        async with listener.watching(trigger):
            await subscriptions.next()
            broker.publish("plant/1", "back")
            await listener.wait_for(1)

    play(scene)


def test_wrong_password_is_the_brokers_reason(
    play: Callable[[Scene], None],
    make_broker: Callable[..., Any],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    place = tmp_path_factory.mktemp("guarded")
    (place / "passwords").write_text("me:$7$101$AAAAAAAAAAAAAAAA$AAAA\n")
    guarded = make_broker(place, "allow_anonymous false", f"password_file {place}/passwords")
    guarded.start()
    secret = tmp_path / "password"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    trigger = MqttTrigger(topic="a", port=guarded.port, username="me", password=f"${{file:{secret}}}")

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger) as task:
            await asyncio.wait({task})
        assert "the broker refused the connection" in str(task.exception())

    try:
        play(scene)
    finally:
        guarded.stop()


def test_missing_password_file_is_named(play: Callable[[Scene], None], broker: Any) -> None:
    trigger = MqttTrigger(topic="a", port=broker.port, username="me", password="${file:/nowhere/password}")

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger) as task:
            await asyncio.wait({task})
        assert isinstance(task.exception(), ValueError)
        assert "password refers to /nowhere/password" in str(task.exception())

    play(scene)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("~/missing.pem", '"ca_file": {home}/missing.pem can\'t be read (No such file or directory); correct the path'),
        ("~/empty.pem", '"ca_file": {home}/empty.pem has no certificate in PEM format'),
    ],
)
def test_file_of_authorities_that_is_of_no_use_is_named(
    play: Callable[[Scene], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, problem: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "empty.pem").touch()
    trigger = MqttTrigger(topic="a", port=1, tls=True, ca_file=name)

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger) as task:
            await asyncio.wait({task})
        assert isinstance(task.exception(), ValueError)
        assert str(task.exception()) == problem.format(home=tmp_path)

    play(scene)


# The library leaves the socket of a failed handshake to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_certificate_that_is_not_trusted_ends_the_source(play: Callable[[Scene], None], broker: Any) -> None:
    # A broker without encryption is one that can't prove anything.
    trigger = MqttTrigger(topic="a", port=broker.port, tls=True)

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger) as task:
            await asyncio.wait({task})
        assert isinstance(task.exception(), ConnectionError)

    play(scene)
