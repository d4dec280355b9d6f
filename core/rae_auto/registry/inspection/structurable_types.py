"""Types of options that a configuration can give."""

from typing import Any

from cattrs.errors import StructureHandlerNotFoundError

from rae_auto.config.hints.plugin_errors import NO_TYPE
from rae_auto.config.structure import structure
from rae_auto.model.plugin_ref import TriggerRef


def can_structure(cls: Any) -> bool:
    """Return False if a value of a configuration, or an element of one, can't be converted to the type."""
    for value in ("x", ["x"], {"x": "x"}):
        try:
            structure(value, cls, maker=_refuse_trigger)
        except StructureHandlerNotFoundError:
            return False
        except Exception as error:
            if NO_TYPE in str(error):
                return False
    return True


def _refuse_trigger(_: TriggerRef) -> object:
    """Stand in for what makes the triggers of options."""
    raise ValueError("no triggers are made here")
