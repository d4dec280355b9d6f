"""Messages as events, and whether the options want them. Pure."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

MAX_UNACKNOWLEDGED = 16
"""Messages that the broker may send before the first of them is acknowledged."""

_MISSING = object()


@frozen
class MqttMessage:
    """A message as it came. `number` is its packet identifier, 0 for QoS 0; `is_repeated` is the broker's DUP flag.

    `subscription` is the number of the subscription by which it came, 0 where the broker has none; `properties` are
    those that its publisher has added.
    """

    topic: str
    payload: bytes
    qos: int = 1
    number: int = 0
    is_retained: bool = False
    is_repeated: bool = False
    subscription: int = 0
    properties: Mapping[str, str] = field(factory=dict)


def read_payload(payload: bytes) -> Any:
    """Return a JSON value if the payload is an object or a list, otherwise text, or base 64 of what is neither."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(payload).decode()}
    if text[:1] in ("{", "["):
        try:
            value = json.loads(text)
            # JSON can hold half of a surrogate pair, and Python's parser reads NaN: no store keeps either.
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            return text
        return value
    return text


def to_event(message: MqttMessage) -> dict[str, Any]:
    """Return what the job gets."""
    return {
        "topic": message.topic,
        "payload": read_payload(message.payload),
        "retained": message.is_retained,
    }


def is_wanted(message: MqttMessage, payloads: tuple[str, ...], where: Mapping[str, Any]) -> bool:
    """Return whether a message has one of the payloads, if there are any, and all the values."""
    if payloads and message.payload not in [one.encode(errors="surrogateescape") for one in payloads]:
        return False
    if not where:
        return True
    value = read_payload(message.payload)
    return all(_same(_find(value, key), wanted) for key, wanted in where.items())


def find_key(message: MqttMessage, name: str) -> str | None:
    """Return what identifies a message: its property of this name, or that value of its JSON payload, as text."""
    if name in message.properties:
        return message.properties[name]
    value = _find(read_payload(message.payload), name)
    return None if value is _MISSING else json.dumps(value, sort_keys=True)


def _find(value: Any, key: str) -> Any:
    """Return the value at a path such as "battery.low", or a mark if there is none; a key may hold points itself."""
    if isinstance(value, Mapping) and key in value:
        return value[key]
    for part in key.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return _MISSING
        value = value[part]
    return value


def _same(found: Any, wanted: Any) -> bool:
    # True is 1 in Python, but not in JSON.
    return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
