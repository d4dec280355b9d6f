"""The log: one escaped line for each event, to every configured logger, without secrets."""

import copy
import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from loguru import logger

from rae_auto.api.logger import Logger
from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.escaping import escape_line
from rae_auto.model.primitives.formatting import describe_raise, quote
from rae_auto.registry.author_hints import describe_author_hint
from rae_auto.registry.containment import ask, is_foreign
from rae_auto.registry.describe import summarize_plugin
from rae_auto.registry.safe_logger import ask_handler
from rae_auto.runtime import silence_library
from rae_auto.runtime.reporting.log_threads import LogThread, add_in_thread
from rae_auto.toolkit.secrets.masking import forget_secrets, mask_known_secrets, remember_secrets

if TYPE_CHECKING:
    from loguru import Record

T = TypeVar("T")

DETACH_SECONDS = 1.0
"""Time that the last lines may take."""

FALLBACK_FORMAT = "{time:YYYY-MM-DD HH:mm:ss} {level: <8} {message}"
"""The lines on standard error where no logger of the configuration works."""

_shown_output: list[Logger] = []
"""The attached loggers that show what jobs print."""
_threads: list[LogThread] = []
_failures: list[str] = []
"""A line for each logger that is not used, because it failed to return its handler."""
_used: list[tuple[str, str]] = []
"""The name of each logger that is used, and a few words for it."""
_zones: list[tzinfo | None] = [None]
"""The time zone of the log; None for the machine's."""


def attach(
    loggers: Sequence[Logger],
    directory: Path,
    zone: tzinfo | None = None,
    origin_of: Callable[[str], str] = lambda _: "",
) -> None:
    """Send log lines to these loggers, and nowhere else. Their times are by `zone`, or the machine's for None.

    One that fails to say its handler is not used, which is a problem in the status; if there is no other, lines go to
    standard error. `origin_of` returns the distribution and version of a logger by its name.
    """
    _failures.clear()
    _used.clear()
    # Asked before any is added, so that what one does to the log harms no other.
    handlers = [
        (plugin, handler)
        for plugin in loggers
        if (handler := _use(plugin, origin_of, lambda plugin: dict(ask_handler(plugin, directory)))) is not None
    ]
    logger.remove()
    logger.enable("rae_auto")
    # Without handlers, since these can't be copied.
    bare = copy.deepcopy(logger)
    _zones[:] = [zone]
    logger.configure(patcher=clean_record)
    _shown_output[:] = [plugin for plugin in loggers if ask(plugin.shows_output, False)]
    for plugin, handler in handlers:
        _use(plugin, origin_of, partial(_add, handler=handler, origin_of=origin_of, bare=bare))
    if len(_failures) == len(loggers) and sys.stderr is not None:
        # There is no other logger that could report it.
        shown = _without_output(None)
        logger.add(sys.stderr, format=FALLBACK_FORMAT, filter=shown, diagnose=False, backtrace=False, colorize=False)
    for failure in _failures:
        logger.error("{}", failure)
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def _use(plugin: Logger, origin_of: Callable[[str], str], work: Callable[[Logger], T]) -> T | None:
    """Return what a call for a logger returns; None if it fails, which is noted."""
    try:
        return work(plugin)
    except BaseException as error:
        if is_foreign(error):
            raise
        text = describe_raise(error)
        hint = describe_author_hint(Kind.LOGGER, text)
        called = _name_of(plugin, origin_of)
        _failures.append(f"{called} is not used, because its handler failed: {text}; fix it{hint}")
        return None


def _add(plugin: Logger, handler: dict[str, Any], origin_of: Callable[[str], str], bare: Any) -> None:
    """Add the handler of a logger. Raises what the plugin or loguru raises."""
    plugin.shows_output()
    if plugin not in _shown_output:
        handler = {**handler, "filter": _without_output(handler.get("filter"))}
    # What would show local variables, secrets among them, stays off whatever a plugin says.
    safe = {"diagnose": False, "backtrace": False, "catch": True, "enqueue": False, "colorize": False}
    thread = add_in_thread(_name_of(plugin, origin_of), {**handler, **safe}, bare)
    _used.append((plugin.type, summarize_plugin(plugin)))
    if thread is not None:
        _threads.append(thread)


def _name_of(plugin: Logger, origin_of: Callable[[str], str]) -> str:
    origin = origin_of(plugin.type)
    return f"logger {quote(plugin.type)}" + (f" of {origin}" if origin else "")


def detach() -> None:
    """Write the last lines and close all loggers, but for those that hang."""
    logger.remove()
    deadline = time.monotonic() + DETACH_SECONDS
    for thread in _threads:
        thread.close(max(0.0, deadline - time.monotonic()))
    _threads.clear()
    silence_library()
    logging.basicConfig(handlers=[], force=True)
    forget_secrets()
    _shown_output.clear()
    _used.clear()
    _zones[:] = [None]


def summaries() -> list[str]:
    """Return a few words for each logger that is used."""
    return [summary for _, summary in _used]


def names() -> list[str]:
    """Return the name of each logger that is used."""
    return [name for name, _ in _used]


def is_output_shown() -> bool:
    """Return whether a logger shows what jobs print."""
    return bool(_shown_output)


def flush(limit_seconds: float) -> None:
    """Wait at most this many seconds until each line is written."""
    deadline = time.monotonic() + limit_seconds
    for thread in _threads:
        thread.flush(max(0.0, deadline - time.monotonic()))


def problems() -> list[str]:
    """Return a line for each logger that hangs or fails."""
    return [*_failures, *(problem for thread in _threads if (problem := thread.problem()) is not None)]


def hide(values: Iterable[str]) -> None:
    """Mask these values in every line from now on."""
    remember_secrets(values)


def _without_output(inner: Any) -> "Callable[[Record], bool]":
    """Return a filter that rejects what jobs print, and what the filter of the logger itself rejects."""

    def accepts(record: "Record") -> bool:
        return "output" not in record["extra"] and (not callable(inner) or bool(inner(record)))

    return accepts


def mask_hidden(text: str) -> str:
    """Return the text with hidden values masked."""
    return mask_known_secrets(text)


def in_log_zone(instant: datetime) -> datetime:
    """Return an instant (aware) as the clock of the log's zone shows it: in messages as at the begin of their lines."""
    return instant.astimezone(*_zones)


def clean_record(record: "Record") -> None:
    """Escape the message and the fields of a record, mask secrets in them, and put its time into the log's zone."""
    record["time"] = record["time"].astimezone(*_zones)
    record["message"] = escape_line(mask_known_secrets(record["message"]))
    for name, value in record["extra"].items():
        record["extra"][name] = escape_line(mask_known_secrets(str(value)))


class _Forward(logging.Handler):
    """Forwards what libraries log through `logging` or warnings."""

    def emit(self, record: logging.LogRecord) -> None:
        level: Any = record.levelname
        logger.opt(depth=0).log(level, "{}: {}", record.name, record.getMessage())
