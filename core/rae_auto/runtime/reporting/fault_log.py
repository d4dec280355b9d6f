"""Faults of effects: logged, and kept from the effects after them."""

import contextlib
from collections.abc import Iterator

from loguru import logger


@contextlib.contextmanager
def log_fault(done: str) -> Iterator[None]:
    """Log an error, so that one effect that fails keeps no other from being carried out."""
    try:
        yield
    except Exception as error:
        logger.opt(exception=error).error("internal error: a decision could not be {}: {!r}", done, error)
