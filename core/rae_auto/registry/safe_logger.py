"""A logger's plugin at the border of the log: what its handler returns can be added, and the log is as it was."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from loguru import logger

from rae_auto.api.logger import Logger
from rae_auto.model.primitives.formatting import blame


def ask_handler(
    plugin: Logger, directory: Path, call: Callable[..., Any] = lambda method, *arguments: method(*arguments)
) -> Mapping[str, Any]:
    """Return the arguments of `logger.add`. Raises what `call` raises, and an error for a broken contract.

    `call` calls the plugin's method.
    """
    before = _add_probe()
    found: object = call(plugin.handler, directory)
    after = _add_probe()
    logger.remove(after)
    # Loguru numbers handlers one after the other.
    if not _remove_probe(before) or after != before + 1:
        raise blame(RuntimeError("it changed the handlers of the log"), plugin.handler)
    if not isinstance(found, Mapping) or "sink" not in found:
        raise blame(TypeError(f"handler returned {found!r:.60}, which has no sink"), plugin.handler)
    return found


def _add_probe() -> int:
    return logger.add(lambda _: None, filter=lambda _: False)


def _remove_probe(number: int) -> bool:
    """Remove a handler; return whether it was there."""
    try:
        logger.remove(number)
    except ValueError:
        return False
    return True
