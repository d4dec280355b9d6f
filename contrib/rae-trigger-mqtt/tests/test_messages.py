"""Options, topics, payloads and identities, without any broker."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from rae_trigger_mqtt import MqttTrigger
from rae_trigger_mqtt.identity import MAX_TOPICS, Identities
from rae_trigger_mqtt.messages import MAX_UNACKNOWLEDGED, MqttMessage, find_key, is_wanted, read_payload, to_event

from rae_auto.api.plugin import Kind
from rae_auto.config.relative_paths import resolve_ref
from rae_auto.model.plugin_ref import TriggerRef

MAX_NUMBER = 65_535
"""Greatest packet identifier of MQTT."""


@pytest.mark.parametrize("topic", ["a", "a/b", "+/b", "a/+/c", "#", "a/#", "/", "a//b", "+"])
def test_topic_is_accepted(topic: str) -> None:
    assert MqttTrigger(topic=topic).topics == (topic,)


@pytest.mark.parametrize(
    ("topic", "problem"),
    [
        ("", 'must be a topic, as in "home/+/door"'),
        ([], "must be a topic, or a list of topics"),
        ("a/#/b", '"#" must be the last level; write "a/#"'),
        ("a/b#", '"#" must be a whole level'),
        ("a/b+/c", '"+" must be a whole level'),
        ("a\0b", "null character"),
    ],
)
def test_wrong_topic_is_refused_with_the_remedy(topic: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem.replace("+", r"\+")):
        MqttTrigger(topic=topic)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ca_file": "/ca.pem"}, "tls = true"),
        ({"password": "${env:X}"}, '"username"'),
        ({"username": "me", "password": "hunter2"}, "must be a reference"),
        ({"port": 70_000}, "from 1 to 65535"),
        ({"keep": "2000d"}, "365d"),
        ({"payload": 5}, "a text, or a list of texts"),
        ({"qos": 2}, "qos"),
        ({"key": ""}, '"key" must be the name'),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        MqttTrigger(topic="a", **options)


def test_file_of_authorities_is_looked_for_beside_the_configuration() -> None:
    plugins: Any = SimpleNamespace(names=lambda _: {"mqtt"}, get=lambda *_: MqttTrigger)
    ref = TriggerRef(type="mqtt", options={"topic": "a", "tls": True, "ca_file": "ca.pem"})
    assert resolve_ref(ref, Kind.TRIGGER, plugins, "/etc/rae").options["ca_file"] == "/etc/rae/ca.pem"


def test_password_that_others_can_read_is_warned_of() -> None:
    (sent,) = MqttTrigger(topic="a", host="hub", username="me", password="${env:SECRET}").warnings()
    assert "tls = true" in sent


@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (b"ON", "ON"),
        (b"21.5", "21.5"),
        (b'{"a": 1}', {"a": 1}),
        (b"[1]", [1]),
        (b"{half", "{half"),
        (b'{"a": NaN}', '{"a": NaN}'),
        (b'["\\ud800"]', '["\\ud800"]'),
        (b"\xff", {"base64": "/w=="}),
        (b"", ""),
    ],
)
def test_payload_is_text_or_json_or_base64(payload: bytes, value: object) -> None:
    assert read_payload(payload) == value
    assert to_event(MqttMessage("t", payload))["payload"] == value


@pytest.mark.parametrize(
    ("payload", "where", "is_it"),
    [
        (b'{"battery": {"low": true}}', {"battery.low": True}, True),
        (b'{"battery": {"low": 1}}', {"battery.low": True}, False),
        (b'{"battery.low": true}', {"battery.low": True}, True),
        (b'{"battery": 3}', {"battery.low": True}, False),
        (b'{"a": 1, "b": "x"}', {"a": 1, "b": "x"}, True),
        (b'{"a": 1, "b": "y"}', {"a": 1, "b": "x"}, False),
        (b"text", {"a": 1}, False),
    ],
)
def test_where_compares_values_of_json(payload: bytes, where: dict[str, Any], is_it: bool) -> None:
    assert is_wanted(MqttMessage("t", payload), (), where) is is_it


def test_payload_is_compared_as_it_is() -> None:
    assert is_wanted(MqttMessage("t", b"ON"), ("ON", "on"), {})
    assert not is_wanted(MqttMessage("t", b"ON "), ("ON", "on"), {})


def test_message_that_is_delivered_again_keeps_its_key_over_a_restart() -> None:
    identities = Identities()
    key = identities.identify(MqttMessage("t", b"x", number=7))
    again = Identities.from_document(identities.to_document())
    assert again.identify(MqttMessage("t", b"x", number=7, is_repeated=True)) == key


def test_number_that_is_used_again_is_another_message() -> None:
    identities = Identities()
    first = identities.identify(MqttMessage("t", b"x", number=1))
    assert identities.identify(MqttMessage("t", b"x", number=1)) != first
    # One that was never written down is new, whatever the broker says.
    assert identities.identify(MqttMessage("t", b"y", number=9, is_repeated=True)) not in (None, first)


def test_key_is_the_same_on_each_machine_that_shares_the_session() -> None:
    message = MqttMessage("t", b"x", number=7, subscription=99)
    key = Identities().identify(message)
    there = Identities()
    assert there.identify(evolve(message, is_repeated=True)) == key
    others = [evolve(message, number=8), evolve(message, subscription=98), evolve(message, payload=b"y")]
    assert key not in [there.identify(other) for other in others]


def test_number_used_again_in_the_same_connection_is_another_message() -> None:
    """As with a broker that gives the smallest free number, or after 65,535 messages."""
    message, identities = MqttMessage("t", b"x", number=1, subscription=99), Identities()
    keys = [identities.identify(message) for _ in range(3)]
    assert len(set(keys)) == 3
    assert identities.identify(evolve(message, is_repeated=True)) == keys[-1]


def test_what_is_written_for_a_message_is_bounded() -> None:
    """After all packet identifiers have been used: those that can be under way are known, and no others."""
    identities, keys = Identities(), {}
    for number in range(1, MAX_NUMBER + 1):
        keys[number] = identities.identify(MqttMessage("t", b"x", number=number))
    document = identities.to_document()
    assert len(json.dumps(document)) < 4096
    again = Identities.from_document(document)
    for number in range(MAX_NUMBER - MAX_UNACKNOWLEDGED + 1, MAX_NUMBER + 1):
        # Some are handled before the connection breaks once more.
        again = Identities.from_document(again.to_document()) if number % 5 == 0 else again
        assert again.identify(MqttMessage("t", b"x", number=number, is_repeated=True)) == keys[number]


def test_number_used_again_after_all_others_is_another_message() -> None:
    message, identities = MqttMessage("t", b"x", number=1, subscription=99), Identities()
    first = identities.identify(message)
    for number in range(2, MAX_NUMBER + 1):
        identities.identify(evolve(message, number=number))
    assert identities.identify(message) != first


def test_kept_message_of_which_only_the_key_was_written_down_is_not_lost() -> None:
    """The daemon is killed before the run is durable: the broker delivers it again, and it still counts."""
    kept, identities = MqttMessage("t", b"x", number=3, is_retained=True), Identities()
    key = identities.identify(kept)
    again = Identities.from_document(identities.to_document())
    assert again.identify(evolve(kept, is_repeated=True)) == key
    assert again.identify(evolve(kept, number=4)) is None


def test_key_of_the_publisher_counts_alone() -> None:
    identities = Identities()
    first = identities.identify(MqttMessage("t", b"x", number=1), "order 7")
    assert identities.identify(MqttMessage("t", b"y", number=2), "order 7") == first
    assert identities.identify(MqttMessage("t", b"y", number=3), "order 8") != first
    assert identities.identify(MqttMessage("u", b"x", number=4), "order 7") != first


@pytest.mark.parametrize(
    ("payload", "properties", "found"),
    [
        (b'{"order": {"id": 7}}', {}, "7"),
        (b'{"order": {"id": 7}}', {"order.id": "a"}, "a"),
        (b'{"order.id": "7"}', {}, '"7"'),
        (b"text", {}, None),
    ],
)
def test_key_is_a_property_or_a_value(payload: bytes, properties: dict[str, str], found: str | None) -> None:
    assert find_key(MqttMessage("t", payload, properties=properties), "order.id") == found


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"on", b"off"]),
            st.sampled_from(["handle", "die before the note", "die before the run", "die before the word"]),
            st.booleans(),
        ),
        max_size=12,
    )
)
def test_each_message_has_one_key_whenever_and_wherever_a_leader_dies(
    plan: list[tuple[bytes, str, bool]],
) -> None:
    """Two machines, one session: each message is delivered until it is acknowledged, by a broker that counts."""
    files = [Identities().to_document(), Identities().to_document()]
    durable: list[str] = []
    machine, connection, subscription_of = 0, 1, {}
    for number, (payload, fate, changes_machine) in enumerate(plan, 1):
        is_repeated = False
        while True:
            # What was sent once keeps the number of the subscription that it was sent by.
            subscription = subscription_of.setdefault(number, connection)
            identities = Identities.from_document(files[machine])
            message = MqttMessage("t", payload, number=number, is_repeated=is_repeated, subscription=subscription)
            key = identities.identify(message)
            assert key is not None
            if fate != "die before the note":
                files[machine] = identities.to_document()
            if fate not in ("die before the note", "die before the run") and key not in durable:
                durable.append(key)
            if fate == "handle":
                break
            fate, is_repeated, connection = "handle", True, connection + 1
            machine = 1 - machine if changes_machine else machine
    assert len(durable) == len(plan)


def test_kept_message_counts_when_it_differs_from_the_last_one() -> None:
    identities = Identities()
    kept = [identities.identify(MqttMessage("t", payload, is_retained=True)) for payload in (b"a", b"a", b"b", b"a")]
    assert [key is None for key in kept] == [False, True, False, False]
    assert identities.identify(MqttMessage("t", b"c", number=3)) is not None
    assert identities.identify(MqttMessage("t", b"c", is_retained=True)) is None


def test_topics_that_are_remembered_are_bounded() -> None:
    identities = Identities()
    for number in range(MAX_TOPICS + 5):
        identities.identify(MqttMessage(f"t/{number}", b"x", is_retained=True))
    assert len(identities.last) == MAX_TOPICS
    assert "t/4" not in identities.last
