"""The lines that this process logs, for a test to look at."""

from collections.abc import Iterator
from contextlib import contextmanager

from loguru import logger

from rae_auto.runtime import silence_library


@contextmanager
def captured_log(format: str | None = None, level: str = "INFO") -> Iterator[list[str]]:
    """Collect what is logged in the block: in a format of loguru, or the messages alone."""
    lines: list[str] = []
    number = logger.add(
        lambda message: lines.append(message.record["message"] if format is None else str(message).strip()),
        format=format or "{message}",
        level=level,
    )
    logger.enable("rae_auto")
    yield lines
    silence_library()
    logger.remove(number)
