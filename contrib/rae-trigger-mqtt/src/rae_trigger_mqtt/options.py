"""The options of the trigger, and what follows from them alone."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import field, frozen
from attrs.converters import optional
from attrs.validators import ge, le

from rae_auto.api import SourceTrigger
from rae_auto.model.primitives.formatting import join_words, quote
from rae_auto.model.primitives.units import parse_duration
from rae_auto.toolkit.secrets import Secret, to_secret
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_trigger_mqtt.topics import check_filter

DEFAULT_PORT, DEFAULT_TLS_PORT = 1883, 8883
MAX_PAYLOAD_BYTES = 256 << 10
"""Largest payload that becomes an event, because each event is kept in the store."""


def _convert_topics(value: object) -> tuple[str, ...]:
    topics = (value,) if isinstance(value, str) else value
    if not isinstance(topics, list | tuple) or not topics:
        raise ValueError('must be a topic, or a list of topics, as in "home/+/door"')
    return tuple(check_filter(topic) for topic in topics)


def _convert_payloads(value: object) -> tuple[str, ...]:
    payloads = (value,) if isinstance(value, str) else value
    if not isinstance(payloads, list | tuple) or not all(isinstance(one, str) for one in payloads):
        raise ValueError('must be a text, or a list of texts, as in ["ON", "on"]')
    return tuple(payloads)


@frozen(kw_only=True)
class MqttOptions(SourceTrigger):
    """The options, which `watching` needs and `trigger` extends, so that neither needs the other."""

    topic: str | tuple[str, ...] = field(
        converter=_convert_topics, metadata={"help": "topic or topics; `+` is any one level, a final `#` all below"}
    )
    payload: str | tuple[str, ...] = field(
        default=(), converter=_convert_payloads, metadata={"help": "text or texts that the payload must be equal to"}
    )
    where: Mapping[str, Any] = field(
        factory=dict, metadata={"help": "values that the JSON payload must have, by their keys: `battery.low`"}
    )
    host: str = field(default="127.0.0.1", metadata={"help": "host name or address of the broker"})
    port: int | None = field(
        default=None, metadata={"help": f"port of the broker; {DEFAULT_PORT}, or {DEFAULT_TLS_PORT} with `tls`"}
    )
    tls: bool = field(default=False, metadata={"help": "encrypt, and check the broker's certificate"})
    ca_file: str | None = field(
        default=None,
        metadata={"help": "file of the authorities that may sign it; default: those of the system", "is_path": True},
    )
    username: str | None = field(default=None, metadata={"help": "name to log in with"})
    password: Secret | None = field(
        default=None,
        converter=optional(to_secret),
        metadata={"help": "password: `${file:PATH}`, `${env:NAME}` or `${keyring:…}`"},
    )
    qos: int = field(
        default=1, validator=[ge(0), le(1)], metadata={"help": "1: each message counts; 0: some may be lost"}
    )
    retained: bool = field(
        default=True, metadata={"help": "a message that the broker has kept counts too, once until it changes"}
    )
    key: str | None = field(
        default=None,
        metadata={"help": "property of a message, or value of its JSON payload, that identifies it: `order.id`"},
    )
    keep: timedelta = field(
        default=timedelta(days=7),
        converter=parse_duration,
        metadata={"help": "how long the broker keeps messages while no daemon is connected"},
    )

    client_id: str | None = field(
        default=None,
        metadata={"help": "name of this trigger at the broker, the same on all machines that share a store"},
    )

    def __attrs_post_init__(self) -> None:
        """Refuse options that contradict each other. Errors: ValueError."""
        if self.port is not None and not 0 < self.port < 1 << 16:
            raise ValueError(f'"port" must be from 1 to 65535, not {self.port}')
        if self.ca_file is not None and not self.tls:
            raise ValueError('"ca_file" has no effect without tls = true; set that, or remove it')
        if self.password is not None and self.username is None:
            raise ValueError('"password" needs "username"')
        if self.client_id is not None and not (self.client_id.isprintable() and 0 < len(self.client_id) <= 128):
            raise ValueError('"client_id" must be a text of 1 to 128 printable characters')
        if self.key == "":
            raise ValueError('"key" must be the name of a property or value, as in "order.id"')
        if not timedelta(0) <= self.keep <= timedelta(days=365):
            raise ValueError('"keep" must be from 0s to 365d')

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics, also where there is one."""
        return (self.topic,) if isinstance(self.topic, str) else self.topic

    @property
    def payloads(self) -> tuple[str, ...]:
        """The payloads, also where there is one."""
        return (self.payload,) if isinstance(self.payload, str) else self.payload

    @property
    def broker_port(self) -> int:
        """The port to connect to."""
        return self.port or (DEFAULT_TLS_PORT if self.tls else DEFAULT_PORT)

    def can_burst(self) -> bool:
        """Return True: messages that waited at the broker come together."""
        return True

    def summary(self) -> str:
        return summarize(self.type, *self.topics)

    def describe(self) -> str:
        """Return when it fires as part of a sentence."""
        topics = join_words(map(quote, self.topics), "or")
        payloads = f" with the payload {join_words(map(quote, self.payloads), 'or')}" if self.payloads else ""
        facts = join_words(f"{key} = {format_toml(value)}" for key, value in self.where.items())
        return f"when a message comes for {topics}{payloads}{f' where {facts}' if facts else ''}"

    def warnings(self) -> tuple[str, ...]:
        """Return a warning about a password that can be read on the way."""
        if self.password is not None and not self.tls and self.host not in ("127.0.0.1", "::1", "localhost"):
            return ('"password" goes over the network unencrypted; set tls = true',)
        return ()
