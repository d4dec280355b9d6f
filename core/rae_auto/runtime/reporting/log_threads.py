"""Log lines on their way to a logger, in a thread for each: one that hangs doesn't delay the daemon.

A terminal that was stopped with Ctrl-S, a pipe that is not read, a disk that does not answer: writing a line may block
for as long as it likes, and the event loop logs. So each line is put into a queue of bounded length, and the
thread of the logger takes it from there. Lines that don't fit are lost, counted, and their number is logged later.

A logger that fails, hangs or is slow is a problem in the status, and what it did is logged once: the other loggers
show it. To the logger itself the line goes only if it is slow: one that fails would lose it, and fail once more.
"""

import copy
import inspect
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING, Any

from loguru import logger

from rae_auto.api.plugin import Kind
from rae_auto.model.primitives.formatting import (
    describe_error,
    describe_raise,
    format_count,
    format_elapsed,
    place_of_call,
)
from rae_auto.registry.author_hints import describe_author_hint

if TYPE_CHECKING:
    from loguru import Logger, Message

    Write = Callable[[Message], None]

MAX_QUEUED_LINES = 10_000
"""Lines that wait for one logger; further ones are lost."""

HUNG_SECONDS = 10.0
"""Time after which a logger that has not taken a line counts as a problem."""


SLOW_SECONDS = 1.0
"""Time for a line after which a logger counts as slow."""

MIN_SLOW_LINES = 3
"""Slow lines in a row that make a problem: a terminal that is stopped for a while delays one."""

MAX_REPORTED_PROBLEMS = 3
"""Distinct problems of a logger that are logged."""

_LOST = re.compile(r"\b\d[\d,]* lines? lost")


class LogThread:
    """Writes lines in a thread of its own. Calling it queues a line, and never blocks or raises."""

    def __init__(
        self, name: str, write: "Write", close: Callable[[], None] = lambda: None, place: str | None = None
    ) -> None:
        """Start the thread. `write` may block; `close` is called at the end, unless a line still hangs then.

        `name` is the logger in messages, as in `logger "file" of rae-auto 0.1.0`; `place` is FILE:LINE of its sink.
        """
        self._name = name
        self._write = write
        self._close = close
        self._place = f" ({place})" if place else ""
        self._lines: deque[Message] = deque()
        self._changed = Condition()
        self._lost = 0
        self._slow = 0
        self._writing_since: float | None = None
        self._failure: str | None = None
        self._reported: set[str] = set()
        self._is_silent = False
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def __call__(self, message: "Message") -> None:
        if self._is_silent and current_thread() is self._thread:
            return  # what is said of its own failure
        with self._changed:
            if len(self._lines) >= MAX_QUEUED_LINES:
                self._lost += 1
                return
            self._lines.append(message)
            self._changed.notify_all()

    def problem(self) -> str | None:
        """Return a line if the logger hangs, fails or is slow; None if it works."""
        since = self._writing_since
        if since is not None and (seconds := time.monotonic() - since) >= HUNG_SECONDS:
            lost = f"; {format_count(self._lost, 'line')} lost so far" if self._lost else ""
            what = f"has not taken a line for {format_elapsed(seconds)}{self._place}{lost}"
            return f"{self._name} {what}; see whether what reads its lines is stopped{_hint(what)}"
        return None if self._failure is None else f"{self._name} {self._failure}"

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
            failure = None
            try:
                self._write(message)
            except BaseException as error:  # whatever a logger raises, SystemExit too: its thread must go on
                failure = _describe_failure(error)
                self._slow = 0
            self._note(failure or self._measure(time.monotonic() - self._writing_since))
            if lost and failure:
                with self._changed:
                    self._lost += lost  # said once it works
            elif lost:
                text = "{} for {} were lost, because it did not take them in time"
                logger.warning(text, format_count(lost, "log line"), self._name)

    def _measure(self, seconds: float) -> str | None:
        """Return what is wrong with the time that a line took."""
        self._slow = self._slow + 1 if seconds >= SLOW_SECONDS else 0
        if self._slow < MIN_SLOW_LINES:
            return None
        what = f"is slow: its sink took {format_elapsed(seconds)} for a line{self._place}"
        return f"{what}{_hint(what)}"

    def _note(self, problem: str | None) -> None:
        """Set the problem, and log one that is new."""
        self._failure = problem
        # The time that a line took is another one each time, and so is the number of lines lost.
        known = problem if problem is None or not self._slow else "slow"
        known = known and _LOST.sub("", known)
        if known is not None and known not in self._reported and len(self._reported) < MAX_REPORTED_PROBLEMS:
            self._reported.add(known)
            self._is_silent = known != "slow"
            logger.error("{} {}", self._name, problem)
            self._is_silent = False


def _describe_failure(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"fails: {describe_error(error):.200}"  # the system refuses something, and says what
    what = f"fails: its sink raised {describe_raise(error)}"
    return f"{what}{_hint(what)}"


def _hint(what: str) -> str:
    return describe_author_hint(Kind.LOGGER, what)


def add_in_thread(name: str, handler: Mapping[str, Any], bare: "Logger") -> LogThread | None:
    """Add a handler, which has loguru's arguments, with a thread of its own; None if it is one for the event loop.

    `name` is the logger in messages; `bare` is a logger without handlers.
    """
    sink = handler["sink"]
    if inspect.iscoroutinefunction(sink):
        logger.add(**handler)
        return None
    place = place_of_call(sink)
    if callable(sink):
        thread = LogThread(name, sink, getattr(sink, "close", lambda: None), place)
        logger.add(**{**handler, "sink": thread})
        return thread
    # What loguru itself writes to, a path for instance, is written to through a logger of its own.
    behind = copy.deepcopy(bare)
    behind.add(**{**handler, "catch": False})  # the thread catches, and says it once

    def write(message: "Message") -> None:
        behind.patch(lambda record: record.update(message.record)).log(message.record["level"].name, "")

    thread = LogThread(name, write, behind.remove, place)
    choice = {name: handler[name] for name in ("level", "filter") if name in handler}
    logger.add(thread, **choice, format="{message}", catch=True)
    return thread
