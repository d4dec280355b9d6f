"""The trigger: start reading here. Its options are in `options`, its life in `watching`."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, ClassVar

from attrs import frozen

from rae_auto.api import TriggerContext
from rae_trigger_mqtt.options import MqttOptions


@frozen(kw_only=True)
class MqttTrigger(MqttOptions):
    """Fires when a message comes in whose topic and payload match.

    Messages that come while no daemon runs wait at the broker, and each starts one run, also if it is delivered twice.
    """

    type: ClassVar[str] = "mqtt"
    example: ClassVar[Mapping[str, Any]] = {"topic": "home/+/door", "payload": "open"}

    @classmethod
    def available(cls) -> str | None:
        """Return what is missing: the library that speaks MQTT."""
        return None if find_spec("paho") else "paho-mqtt isn't installed; run 'pip install paho-mqtt'"

    async def watch(self, context: TriggerContext) -> None:
        """Emit messages until cancelled. Raises ConnectionError when the connection is lost or refused."""
        # Only here, so that a command that lists triggers doesn't import the library.
        from rae_trigger_mqtt.watching import watch_messages  # lazy: start-up

        await watch_messages(self, context)
