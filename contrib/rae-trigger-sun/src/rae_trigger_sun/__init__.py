"""The trigger `sun`: jobs start at sunrise, sunset, dawn, dusk and noon of a place."""

from rae_auto.hookspecs import hookimpl
from rae_trigger_sun.trigger import SunTrigger

__all__ = ["RAE_API", "SunTrigger", "rae_triggers"]

RAE_API = 1


@hookimpl
def rae_triggers() -> list[type[SunTrigger]]:
    """Return the sun trigger."""
    return [SunTrigger]
