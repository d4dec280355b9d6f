"""Taking a sample without holding up the event loop, whatever hangs."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from rae_auto.model.primitives.units import format_duration
from rae_plugins.machine.patience import look
from rae_plugins.triggers.threshold.readers import Read, Unavailable

Sample = Callable[[], Awaitable[float]]
"""Takes a sample. Errors: Unavailable; of a stranger's reader, any."""


def in_thread(read: Read, patience: timedelta) -> Sample:
    """Reads in a thread; where that takes too long the value is unavailable, and there is no second one meanwhile."""
    this = object()

    async def sample() -> float:
        try:
            return await look(this, read, patience.total_seconds())
        except TimeoutError:
            raise Unavailable(f"reading it took longer than {format_duration(patience)}") from None

    return sample
