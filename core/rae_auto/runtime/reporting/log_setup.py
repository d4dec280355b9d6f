"""The log: one escaped line for each event, to every configured logger, without secrets."""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from rae_auto.api.logger import Logger
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.runtime import silence_library
from rae_auto.runtime.secrets import mask_secrets, sort_secrets

if TYPE_CHECKING:
    from loguru import Record

_hidden: set[str] = set()
_shown_output: list[Logger] = []
"""The attached loggers that show what jobs print."""


def attach(loggers: Sequence[Logger], directory: Path) -> None:
    """Send log lines to these loggers, and nowhere else."""
    logger.remove()
    logger.enable("rae_auto")
    logger.configure(patcher=clean_record)
    _shown_output[:] = [plugin for plugin in loggers if plugin.shows_output()]
    for plugin in loggers:
        # What would show local variables, secrets among them, stays off whatever a plugin says.
        safe = {"diagnose": False, "backtrace": False, "catch": True, "enqueue": False, "colorize": False}
        handler = plugin.handler(directory)
        if plugin not in _shown_output:
            handler = {**handler, "filter": _without_output(handler.get("filter"))}
        logger.add(**{**handler, **safe})
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def detach() -> None:
    """Close all loggers."""
    logger.remove()
    silence_library()
    logging.basicConfig(handlers=[], force=True)
    _hidden.clear()
    _shown_output.clear()


def is_output_shown() -> bool:
    """Return whether a logger shows what jobs print."""
    return bool(_shown_output)


def hide(values: Iterable[str]) -> None:
    """From now on these values appear in no line."""
    _hidden.update(form for value in sort_secrets(values) for form in (value, repr(value)[1:-1]))


def _without_output(inner: Any) -> "Callable[[Record], bool]":
    """Return a filter that rejects what jobs print, and what the filter of the logger itself rejects."""

    def accepts(record: "Record") -> bool:
        return "output" not in record["extra"] and (not callable(inner) or bool(inner(record)))

    return accepts


def clean_record(record: "Record") -> None:
    """Escape the message and the fields of a record, and mask secrets in them."""
    hidden = sort_secrets(_hidden)
    record["message"] = escape_line(mask_secrets(record["message"], hidden))
    for name, value in record["extra"].items():
        record["extra"][name] = escape_line(mask_secrets(str(value), hidden))


class _Forward(logging.Handler):
    """Takes what libraries log in their own way."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Any = record.levelname
        logger.opt(depth=0).log(level, "{}: {}", record.name, record.getMessage())
