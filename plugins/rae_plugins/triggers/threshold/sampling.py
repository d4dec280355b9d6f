"""Samples that never block the event loop, even if a reading hangs."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from rae_auto.model.primitives.units import format_duration
from rae_auto.toolkit.threads.blocking_calls import call_with_timeout
from rae_plugins.triggers.threshold.readers import Read, Unavailable

Sampler = Callable[[], Awaitable[float]]
"""Takes a sample. Errors: Unavailable, or any other from a third party's reader."""


def make_thread_sampler(read: Read, timeout: timedelta) -> Sampler:
    """Return a sampler that reads in a thread.

    The value is unavailable if that takes longer than `timeout`, and until the hanging reading has ended.
    """
    owner = object()

    async def sample() -> float:
        try:
            return await call_with_timeout(owner, read, timeout.total_seconds())
        except TimeoutError:
            raise Unavailable(f"the reading took longer than {format_duration(timeout)}") from None

    return sample
