"""The life of the trigger: each message is identified, written down, emitted, and acknowledged once it is durable."""

from rae_auto.api import TriggerContext
from rae_trigger_mqtt.connection import BrokerConnection
from rae_trigger_mqtt.identity import Identities
from rae_trigger_mqtt.identity_file import IdentityFile
from rae_trigger_mqtt.messages import MqttMessage, find_key, is_wanted, to_event
from rae_trigger_mqtt.options import MAX_PAYLOAD_BYTES, MqttOptions


async def watch_messages(options: MqttOptions, context: TriggerContext) -> None:
    """Emit messages until cancelled. Raises ConnectionError, or ValueError for a password or `ca_file` of no use."""
    file = IdentityFile(context.directory, context.job)
    # It is on disk before the first connection, so that the next one has the same name and finds its messages.
    identities = await file.load()
    connection = BrokerConnection(options.client_id or identities.client, int(options.keep.total_seconds()))
    try:
        await connection.open(
            options.host,
            options.broker_port,
            tls=options.tls,
            ca_file=options.ca_file,
            login=None if options.username is None else (options.username, await _read_password(options)),
        )
        await connection.subscribe(options.topics, options.qos)
        context.trace(f"subscribed to {', '.join(options.topics)} at {options.host}:{options.broker_port}")
        while True:
            message = await connection.receive()
            await _handle(options, context, message, identities, file)
            connection.acknowledge(message)
    finally:
        await connection.close()


async def _handle(
    options: MqttOptions, context: TriggerContext, message: MqttMessage, identities: Identities, file: IdentityFile
) -> None:
    """Emit a message that is wanted, and return once that is durable."""
    if message.is_retained and not options.retained:
        return
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        context.trace(f"{message.topic}: {len(message.payload)} bytes are too many for an event")
        return
    if not is_wanted(message, options.payloads, options.where):
        context.trace(f"{message.topic}: not what is waited for")
        return
    key = identities.identify(message, None if options.key is None else find_key(message, options.key))
    if key is None:
        return
    await file.save(identities)
    await context.emit(key, to_event(message))


async def _read_password(options: MqttOptions) -> str | None:
    """Return the password as it is now, so that a new one needs no restart. Raises ValueError."""
    if options.password is None:
        return None
    return await options.password.reveal_async("password")
