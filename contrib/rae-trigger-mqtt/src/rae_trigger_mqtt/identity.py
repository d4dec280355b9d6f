"""The identity of messages, so that each is one occurrence, however often the broker delivers it.

A message of QoS 1 is delivered again, with the mark DUP and the same packet identifier, if the connection broke before
its acknowledgement. Identifiers are used again for other messages after that. So each delivery without the mark is a
new message, whose key is written down, under its identifier, *before* it is emitted; one with the mark has the key that
stands there, if its content is the same. A crash at any point leaves either nothing, and then the message is new, or
the key, and then the daemon knows it.

Messages are acknowledged in the order in which they came, and the broker sends no more than `MAX_UNACKNOWLEDGED` before
the first acknowledgement. What it delivers again is therefore among the latest that many, and only those are in the
file. In memory each identifier of this connection is known, of which there are 65,535.

With `client_id` several machines share a session, of which one at a time is connected. What another one has written
down is not known here, so the key itself has to come out the same on each machine. It is made of what the broker
repeats: the content, the packet identifier, and the number of the subscription by which the message came. Each
connection subscribes with a number of its own, and the broker keeps it with the message. Brokers count packet
identifiers up to 65,535, so the three name one message. Where a connection uses an identifier a second time for the
same content, something random is added; only this machine then recognizes that message.

Kept messages are delivered at each new subscription. One counts if it differs from the last message on its topic.

A message changes one entry of each table, so only its `MessageChange` is written down: see `identity_file`.

With the option `key` the publisher says what is the same message: then the key is made of that alone.
"""

import hashlib
from collections.abc import Mapping
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid4

from attrs import define, field

from rae_trigger_mqtt.messages import MAX_UNACKNOWLEDGED, MqttMessage

MAX_TOPICS = 10_000
"""Topics of which the last message is known; the oldest is forgotten first."""


class MessageChange(NamedTuple):
    """The change by one message: of its packet identifier, unless that is 0, and of its topic, unless that is None."""

    number: int
    digest: str
    key: str
    topic: str | None


@define
class Identities:
    """Knowledge of the messages before. `client` is the name under which the broker knows this trigger."""

    client: str = field(factory=lambda: f"rae-auto-{uuid4().hex[:16]}")
    deliveries: dict[str, tuple[str, str]] = field(factory=dict)
    """By packet identifier, the digest and the key of the message that had it last; the latest at the end."""
    last: dict[str, str] = field(factory=dict)
    """By topic, the digest of its last message."""
    unwritten: list[MessageChange] = field(factory=list, eq=False)
    """The changes that are not on disk yet."""

    def identify(self, message: MqttMessage, name: str | None = None) -> str | None:
        """Return the key of a message, and remember it; None for a kept message that has been handled.

        `name` is the key that its publisher has given it.
        """
        digest = _digest(message.topic.encode(), message.payload)
        known_digest, known_key = self.deliveries.get(str(message.number), ("", ""))
        is_known = known_digest == digest and message.qos > 0
        if is_known and message.is_repeated:
            self._change(MessageChange(message.number, known_digest, known_key, None))
            return known_key
        if message.is_retained and self.last.get(message.topic) == digest:
            return None
        if name is not None:
            key = _digest(message.topic.encode(), name.encode(errors="surrogateescape"))
        else:
            key = f"{digest}-{message.subscription:x}-{message.number}"
            if not message.qos or not message.subscription or (is_known and known_key.startswith(key)):
                key = f"{key}-{uuid4().hex[:16]}"
        self._change(MessageChange(message.number if message.qos else 0, digest, key, message.topic))
        return key

    def _change(self, change: MessageChange) -> None:
        self.apply(change)
        self.unwritten.append(change)

    def apply(self, change: MessageChange) -> None:
        """Make a change. To the ends, because the latest are kept."""
        if change.number:
            self.deliveries.pop(str(change.number), None)
            self.deliveries[str(change.number)] = (change.digest, change.key)
        if change.topic is not None:
            self.last.pop(change.topic, None)
            self.last[change.topic] = change.digest
            if len(self.last) > MAX_TOPICS:
                del self.last[next(iter(self.last))]

    def to_document(self) -> dict[str, Any]:
        """Return what must survive this connection, as JSON."""
        latest = list(islice(reversed(self.deliveries.items()), MAX_UNACKNOWLEDGED))
        return {"client": self.client, "deliveries": dict(reversed(latest)), "last": self.last}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> "Identities":
        """Return what `to_document` has written. Raises KeyError, TypeError or ValueError for anything else."""
        deliveries = {str(number): (str(digest), str(key)) for number, (digest, key) in document["deliveries"].items()}
        last = {str(topic): str(digest) for topic, digest in document["last"].items()}
        return cls(str(document["client"]), deliveries, last)


def _digest(topic: bytes, content: bytes) -> str:
    return hashlib.sha256(b"\0".join((topic, content))).hexdigest()[:32]
