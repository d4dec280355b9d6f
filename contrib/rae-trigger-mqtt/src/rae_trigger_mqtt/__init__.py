"""MQTT trigger: starts jobs when a message comes in. Start reading at `trigger.py`."""

from rae_auto.hookspecs import hookimpl
from rae_trigger_mqtt.trigger import MqttTrigger

__all__ = ["RAE_API", "MqttTrigger", "rae_triggers"]

RAE_API = 1


@hookimpl
def rae_triggers() -> list[type[MqttTrigger]]:
    """Return the MQTT trigger."""
    return [MqttTrigger]
