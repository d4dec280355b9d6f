"""The log: one escaped line for each event, to every configured logger, without secrets."""

import copy
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loguru import logger

from rae_auto.api.logger import Logger
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting.log_threads import LogThread, add_in_thread
from rae_auto.runtime.secrets import mask_secrets, sort_secrets

if TYPE_CHECKING:
    from loguru import Record

DETACH_SECONDS = 1.0
"""Time that the last lines may take."""

_hidden: set[str] = set()
_shown_output: list[Logger] = []
"""The attached loggers that show what jobs print."""
_threads: list[LogThread] = []
_zones: list[tzinfo | None] = [None]
"""The time zone of the log; None for the machine's."""


def attach(loggers: Sequence[Logger], directory: Path, zone: tzinfo | None = None) -> None:
    """Send log lines to these loggers, and nowhere else. Their times are by `zone`, or the machine's for None."""
    logger.remove()
    logger.enable("rae_auto")
    # Without handlers, since these can't be copied.
    bare = copy.deepcopy(logger)
    _zones[:] = [zone]
    logger.configure(patcher=clean_record)
    _shown_output[:] = [plugin for plugin in loggers if plugin.shows_output()]
    # What would show local variables, secrets among them, stays off whatever a plugin says.
    safe = {"diagnose": False, "backtrace": False, "catch": True, "enqueue": False, "colorize": False}
    for plugin in loggers:
        handler = {**plugin.handler(directory), **safe}
        if plugin not in _shown_output:
            handler = {**handler, "filter": _without_output(handler.get("filter"))}
        thread = add_in_thread(plugin.type, handler, bare)
        if thread is not None:
            _threads.append(thread)
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def detach() -> None:
    """Write the last lines and close all loggers, but for those that hang."""
    logger.remove()
    deadline = time.monotonic() + DETACH_SECONDS
    for thread in _threads:
        thread.close(max(0.0, deadline - time.monotonic()))
    _threads.clear()
    silence_library()
    logging.basicConfig(handlers=[], force=True)
    _hidden.clear()
    _shown_output.clear()
    _zones[:] = [None]


def is_output_shown() -> bool:
    """Return whether a logger shows what jobs print."""
    return bool(_shown_output)


def flush(limit_seconds: float) -> None:
    """Wait until each line is written, for so many seconds at most."""
    deadline = time.monotonic() + limit_seconds
    for thread in _threads:
        thread.flush(max(0.0, deadline - time.monotonic()))


def problems() -> list[str]:
    """Return a line for each logger that hangs or fails."""
    return [problem for thread in _threads if (problem := thread.problem()) is not None]


def hide(values: Iterable[str]) -> None:
    """From now on these values appear in no line."""
    _hidden.update(form for value in sort_secrets(values) for form in (value, repr(value)[1:-1]))


def _without_output(inner: Any) -> "Callable[[Record], bool]":
    """Return a filter that rejects what jobs print, and what the filter of the logger itself rejects."""

    def accepts(record: "Record") -> bool:
        return "output" not in record["extra"] and (not callable(inner) or bool(inner(record)))

    return accepts


def mask_hidden(text: str) -> str:
    """Return the text with hidden values masked."""
    return mask_secrets(text, sort_secrets(_hidden))


def in_log_zone(instant: datetime) -> datetime:
    """Return an instant (aware) as the clock of the log's zone shows it: in messages as at the begin of their lines."""
    return instant.astimezone(*_zones)


def clean_record(record: "Record") -> None:
    """Escape the message and the fields of a record, mask secrets in them, and put its time into the log's zone."""
    record["time"] = record["time"].astimezone(*_zones)
    hidden = sort_secrets(_hidden)
    record["message"] = escape_line(mask_secrets(record["message"], hidden))
    for name, value in record["extra"].items():
        record["extra"][name] = escape_line(mask_secrets(str(value), hidden))


class _Forward(logging.Handler):
    """Takes what libraries log in their own way."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Any = record.levelname
        logger.opt(depth=0).log(level, "{}: {}", record.name, record.getMessage())
