"""One connection to a broker: messages as they come, each acknowledged when the caller says so.

paho-mqtt does the talking, in a thread of its own. aiomqtt, which is built on it, acknowledges a message before it
hands it out: what is lost by a crash after that is lost for good.
"""

import asyncio
import os
import secrets
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from rae_trigger_mqtt.messages import MAX_UNACKNOWLEDGED, MqttMessage

CONNECT_SECONDS = 20.0
KEEPALIVE_SECONDS = 30
MAX_SUBSCRIPTION_NUMBER = (1 << 28) - 1
"""Greatest subscription identifier of MQTT 5."""

_SEND_KEPT_TO_NEW_SUBSCRIPTION = 1


class BrokerConnection:
    """The connection of a client with a name, whose messages the broker keeps for some seconds after its end."""

    def __init__(self, client: str, keep_seconds: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages: asyncio.Queue[MqttMessage] = asyncio.Queue()
        self._connected: asyncio.Future[None] = self._loop.create_future()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._keep_seconds = keep_seconds
        self._has_subscription_numbers = True
        # Their attributes are made when they are set.
        self._properties: Any = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        self._properties.SessionExpiryInterval = keep_seconds
        self._properties.ReceiveMaximum = MAX_UNACKNOWLEDGED
        self._client = Client(
            CallbackAPIVersion.VERSION2, client_id=client, protocol=MQTTv5, manual_ack=True, reconnect_on_failure=False
        )
        self._client.on_connect = self._handle_connect
        self._client.on_disconnect = self._handle_disconnect
        self._client.on_message = self._handle_message

    async def open(
        self, host: str, port: int, *, tls: bool, ca_file: str | None, login: tuple[str, str | None] | None
    ) -> None:
        """Connect. Raises ConnectionError, with the broker's reason, and ValueError for a `ca_file` of no use."""
        if login is not None:
            self._client.username_pw_set(*login)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await asyncio.to_thread(self._connect, host, port, tls, ca_file)
                self._client.loop_start()
                await self._connected
        except TimeoutError:
            raise ConnectionError(f"the broker {host}:{port} didn't answer within {CONNECT_SECONDS:g} s") from None
        except ssl.SSLError as error:
            raise ConnectionError(f"the broker {host}:{port} can't be trusted: {error.reason or error}") from None
        except OSError as error:
            raise ConnectionError(f"no connection to the broker {host}:{port}: {error.strerror or error}") from None

    def _connect(self, host: str, port: int, tls: bool, ca_file: str | None) -> None:
        if tls:
            self._client.tls_set_context(_trust(ca_file))
        self._client.connect(host, port, KEEPALIVE_SECONDS, clean_start=False, properties=self._properties)

    async def subscribe(self, topics: tuple[str, ...], qos: int) -> None:
        """Subscribe to topics; what the broker refuses ends the connection. Raises ConnectionError."""
        options = SubscribeOptions(qos=qos, retainHandling=_SEND_KEPT_TO_NEW_SUBSCRIPTION)
        refused: asyncio.Future[list[Any]] = self._loop.create_future()

        def handle(_client: Client, _data: Any, _number: int, reasons: list[Any], _properties: Any) -> None:
            self._call(_succeed, refused, [one for one in reasons if one.is_failure])

        self._client.on_subscribe = handle
        properties: Any = None
        if self._has_subscription_numbers:
            properties = Properties(PacketTypes.SUBSCRIBE)  # type: ignore[no-untyped-call]
            # What comes again has the number of the connection that it first came by.
            properties.SubscriptionIdentifier = 1 + secrets.randbelow(MAX_SUBSCRIPTION_NUMBER)
        self._client.subscribe([(topic, options) for topic in topics], properties=properties)
        both: set[asyncio.Future[Any]] = {refused, self._lost}
        await asyncio.wait(both, timeout=CONNECT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if not refused.done():
            if self._lost.done():
                self._lost.result()
            what = f"the subscription to {', '.join(topics)}"
            raise ConnectionError(f"the broker didn't answer {what} within {CONNECT_SECONDS:g} s")
        if reasons := refused.result():
            raise ConnectionError(f"the broker refused the subscription to {', '.join(topics)}: {reasons[0]}")

    async def receive(self) -> MqttMessage:
        """Return the next message. Raises ConnectionError once the connection is lost."""
        receiving = asyncio.ensure_future(self._messages.get())
        try:
            both: set[asyncio.Future[Any]] = {receiving, self._lost}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not receiving.done():
                self._lost.result()
            return receiving.result()
        finally:
            receiving.cancel()

    def acknowledge(self, message: MqttMessage) -> None:
        """Tell the broker that a message need not be delivered again."""
        if message.qos:
            self._client.ack(message.number, message.qos)

    async def close(self) -> None:
        """Disconnect; the broker keeps what comes from now on."""
        properties: Any = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = self._keep_seconds
        self._client.disconnect(properties=properties)
        # Its thread ends with the connection; it is waited for in another one.
        await asyncio.to_thread(self._client.loop_stop)
        for future in (self._connected, self._lost):
            if future.done() and not future.cancelled():
                future.exception()
            future.cancel()

    # In the thread of the library

    def _handle_connect(self, _client: Client, _data: Any, _flags: Any, reason: Any, properties: Any) -> None:
        self._has_subscription_numbers = getattr(properties, "SubscriptionIdentifierAvailable", 1) != 0
        if reason.is_failure:
            self._call(_fail, self._connected, f"the broker refused the connection: {reason}")
        else:
            self._call(_succeed, self._connected, None)

    def _handle_disconnect(self, _client: Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        for future in (self._connected, self._lost):
            self._call(_fail, future, f"the connection to the broker ended: {reason}")

    def _handle_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        properties = message.properties
        received = MqttMessage(
            message.topic,
            bytes(message.payload),
            message.qos,
            message.mid,
            is_retained=bool(message.retain),
            is_repeated=bool(message.dup),
            # One that several of the topics match may come with the number once for each.
            subscription=max(getattr(properties, "SubscriptionIdentifier", None) or [0]),
            properties=dict(getattr(properties, "UserProperty", None) or ()),
        )
        self._call(self._messages.put_nowait, received)

    def _call(self, function: Callable[..., None], *args: Any) -> None:
        # The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    """Return what trusts the authorities in a file, or those of the system. Raises ValueError, with the remedy."""
    path = None if ca_file is None else Path(os.path.expanduser(ca_file))  # noqa: PTH111 - never raises
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ValueError(f'"ca_file": {path} has no certificate in PEM format') from None
    except OSError as error:
        # That of the library names no file.
        raise ValueError(f'"ca_file": {path} can\'t be read ({error.strerror}); correct the path') from None


def _succeed(future: "asyncio.Future[Any]", value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: "asyncio.Future[None]", text: str) -> None:
    if not future.done():
        future.set_exception(ConnectionError(text))
