"""Log lines of a scheduler in a program, sent to Python's logging."""

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from loguru import logger

from rae_auto.registry.index import installed
from rae_auto.runtime.reporting.log_setup import clean_record

if TYPE_CHECKING:
    from loguru import Message, Record

_handlers: dict[str, int] = {}
"""Numbers of loguru's handlers by the name of the logger that they send to."""


def use_logging(target: logging.Logger | None = None) -> None:
    """Send the log lines of all schedulers in this program to a logger of Python's logging (default: "rae_auto").

    Records have `job` and `run` as attributes, "-" if a line isn't about one. Without this call schedulers in a
    program log nothing. A program that uses loguru calls `loguru.logger.enable("rae_auto")` instead.
    """
    target = target or logging.getLogger("rae_auto")
    if target.name in _handlers:
        return
    with suppress(ValueError):
        # loguru's own handler, which would show each line a second time.
        logger.remove(0)
    packages = frozenset({"rae_auto", *(info.module.partition(".")[0] for info in installed())})

    def is_ours(record: "Record") -> bool:
        return (record["name"] or "").partition(".")[0] in packages

    def send(message: "Message") -> None:
        record = message.record
        clean_record(record)
        level = record["level"].no
        if target.isEnabledFor(level):
            extra = {name: record["extra"].get(name, "-") for name in ("job", "run")}
            place = (record["file"].path, record["line"], record["message"], (), None, record["function"], extra)
            target.handle(target.makeRecord(target.name, level, *place))

    _handlers[target.name] = logger.add(send, level=0, format="{message}", filter=is_ours, catch=True)
    logger.enable("rae_auto")
