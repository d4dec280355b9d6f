"""Results that threads hand to the futures of an event loop, as many as there are by one wake-up of the loop.

`asyncio.wrap_future` wakes the loop for each result, by a byte through a socket, and passes it on in two steps. Where a
thousand short calls end at once, that costs more than the calls themselves.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any


class LoopResults:
    """The way from threads to the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: deque[tuple[asyncio.Future[Any], Any]] = deque()
        self._is_announced = False

    def set(self, future: "asyncio.Future[Any]", result: Any) -> None:
        """Set the result of a future of the loop, or its exception if the result is one; from any thread.

        A future that is done by then, or whose loop is closed, stays as it is.
        """
        self._results.append((future, result))
        # The loop clears the mark before it looks: what is appended while the mark is set is found.
        if not self._is_announced:
            self._is_announced = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._is_announced = False
        while self._results:
            future, result = self._results.popleft()
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
