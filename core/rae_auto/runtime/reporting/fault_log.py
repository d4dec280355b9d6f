"""Faults of effects: they are logged, and don't prevent the effects after them."""

from types import TracebackType

from loguru import logger


class log_fault:  # noqa: N801  # used like a function of contextlib, whose generators cost four times as much
    """A context that logs an error, so that an effect that fails doesn't prevent the others."""

    __slots__ = ("_done",)

    def __init__(self, done: str) -> None:
        self._done = done

    def __enter__(self) -> None:
        return

    def __exit__(self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        logger.opt(exception=error).error("internal error: a decision could not be {}: {!r}", self._done, error)
        return True
