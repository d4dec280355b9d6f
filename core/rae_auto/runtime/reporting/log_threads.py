"""Log lines on their way to a logger, in a thread for each: one that hangs doesn't delay the daemon.

A terminal that was stopped with Ctrl-S, a pipe that is not read, a disk that does not answer: writing a line may block
for as long as it likes, and the event loop logs. So each line is put into a queue of bounded length, and the
thread of the logger takes it from there. Lines that don't fit are lost, counted, and their number is logged later.
"""

import copy
import inspect
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

from loguru import logger

from rae_auto.model.primitives.formatting import describe_error, format_count, format_elapsed, quote

if TYPE_CHECKING:
    from loguru import Logger, Message

    Write = Callable[[Message], None]

MAX_QUEUED_LINES = 10_000
"""Lines that wait for one logger; further ones are lost."""

HUNG_SECONDS = 10.0
"""Time after which a logger that has not taken a line counts as a problem."""


class LogThread:
    """Writes lines in a thread of its own. Calling it queues a line, and never blocks or raises."""

    def __init__(self, name: str, write: "Write", close: Callable[[], None] = lambda: None) -> None:
        """Start the thread. `write` may block; `close` is called at the end, unless a line still hangs then."""
        self._name = name
        self._write = write
        self._close = close
        self._lines: deque[Message] = deque()
        self._changed = Condition()
        self._lost = 0
        self._writing_since: float | None = None
        self._failure: str | None = None
        Thread(target=self._work, name=f"logger {name}", daemon=True).start()

    def __call__(self, message: "Message") -> None:
        with self._changed:
            if len(self._lines) >= MAX_QUEUED_LINES:
                self._lost += 1
                return
            self._lines.append(message)
            self._changed.notify_all()

    def problem(self) -> str | None:
        """Return a line if the logger hangs or fails; None if it works."""
        since = self._writing_since
        if since is not None and (seconds := time.monotonic() - since) >= HUNG_SECONDS:
            lost = f"; {format_count(self._lost, 'line')} lost so far" if self._lost else ""
            return f"logger {quote(self._name)} has not taken a line for {format_elapsed(seconds)}{lost}"
        return None if self._failure is None else f"logger {quote(self._name)} fails: {self._failure}"

    def flush(self, limit_seconds: float) -> bool:
        """Wait at most this many seconds until all lines are written; return whether they are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._lines and self._writing_since is None, limit_seconds)

    def close(self, limit_seconds: float) -> None:
        """Write what is left and close, within this many seconds."""
        if self.flush(limit_seconds):
            self._close()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._writing_since = None
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._lines)
                message = self._lines.popleft()
                lost, self._lost = (self._lost, 0) if not self._lines else (0, self._lost)
                self._writing_since = time.monotonic()
            try:
                self._write(message)
            except Exception as error:  # an error of a logger can't be logged
                self._failure = f"{describe_error(error):.200}"
            else:
                self._failure = None
            if lost:
                text = "{} for logger {} were lost, because it did not take them in time"
                logger.warning(text, format_count(lost, "log line"), quote(self._name))


def add_in_thread(name: str, handler: Mapping[str, Any], bare: "Logger") -> LogThread | None:
    """Add a handler, which has loguru's arguments, with a thread of its own; None if it is one for the event loop.

    `bare` is a logger without handlers.
    """
    sink = handler["sink"]
    if inspect.iscoroutinefunction(sink):
        logger.add(**handler)
        return None
    if callable(sink):
        thread = LogThread(name, sink, getattr(sink, "close", lambda: None))
        logger.add(**{**handler, "sink": thread})
        return thread
    # What loguru itself writes to, a path for instance, is written to through a logger of its own.
    behind = copy.deepcopy(bare)
    behind.add(**handler)

    def write(message: "Message") -> None:
        behind.patch(lambda record: record.update(message.record)).log(message.record["level"].name, "")

    thread = LogThread(name, write, behind.remove)
    choice = {name: handler[name] for name in ("level", "filter") if name in handler}
    logger.add(thread, **choice, format="{message}", catch=True)
    return thread
