"""Options, topics, payloads and identities, without any broker."""

from typing import Any

import pytest
from rae_trigger_mqtt import MqttTrigger
from rae_trigger_mqtt.identity import MAX_TOPICS, Identities
from rae_trigger_mqtt.messages import MqttMessage, is_wanted, read_payload, to_event


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
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        MqttTrigger(topic="a", **options)


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
