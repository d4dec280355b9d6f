"""Faults of effects: they are logged, and don't prevent the effects after them."""

from collections.abc import Callable
from typing import ParamSpec

from loguru import logger

P = ParamSpec("P")


def call_or_log(done: str, function: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> None:
    """Call a function, and log an error that it raises: a decision could not be published, carried out, …."""
    try:
        function(*args, **kwargs)
    except Exception as error:
        logger.opt(exception=error).error("internal error: a decision could not be {}: {!r}", done, error)
