"""Taking a sample without holding up the event loop, whatever hangs."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from attrs import define

from rae_auto.model.units import format_duration
from rae_plugins.triggers.threshold.readers import Read, Unavailable

Sample = Callable[[], Awaitable[float]]
"""Takes a sample. Errors: Unavailable; of a stranger's reader, any."""


@define
class InThread:
    """Reads in a thread of its own.

    Not in one of asyncio's: a mount that hangs would take these away from everybody else, and the daemon would wait
    for its threads when it ends. Nobody waits for this one, and while it hangs there is no second.
    """

    read: Read
    timeout: timedelta
    _hanging: threading.Thread | None = None

    async def __call__(self) -> float:
        """What was read. Errors: Unavailable where that takes too long, and those of reading."""
        if self._hanging is not None and self._hanging.is_alive():
            raise Unavailable("the reading before this one still hangs")
        loop = asyncio.get_running_loop()
        result: asyncio.Future[float] = loop.create_future()
        self._hanging = threading.Thread(target=self._work, args=(loop, result), name="threshold", daemon=True)
        self._hanging.start()
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                value = await result
        except TimeoutError:
            raise Unavailable(f"reading it took longer than {format_duration(self.timeout)}") from None
        self._hanging = None
        return value

    def _work(self, loop: asyncio.AbstractEventLoop, result: "asyncio.Future[float]") -> None:
        value, failure = 0.0, None
        try:
            value = self.read()
        except Exception as error:
            failure = error
        # Where nobody waits any more the loop may be closed.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_settle, result, value, failure)


def _settle(result: "asyncio.Future[float]", value: float, failure: Exception | None) -> None:
    if result.done():
        return
    if failure is None:
        result.set_result(value)
    else:
        result.set_exception(failure)
