"""Watchdog's log, without the errors that it logs when a thread of its own is stopped while it waits for events."""

import logging

_LOGGER = "watchdog.observers.inotify"

_STOPPED = "thread is inactive"


def drop_stop_errors() -> None:
    """Drop the lines about threads that are being stopped. Calling it again changes nothing."""
    logging.getLogger(_LOGGER).addFilter(_is_no_stop_error)


def _is_no_stop_error(record: logging.LogRecord) -> bool:
    return _STOPPED not in record.getMessage()
