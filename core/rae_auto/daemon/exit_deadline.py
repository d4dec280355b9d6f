"""The end of the process: signals, and a deadline after which nothing delays the exit.

A thread does both, because the event loop may be what hangs: a plugin that blocks it, a log without a reader. It reads
signals as the platform has them, whatever the main thread is doing (`rae_auto.platforms.process_signals`), hands them
to the event loop and sets the deadline. If the process is still running at the deadline, the thread ends it
without further ado: what is durable is so at every moment, and the next start recovers.

A clean stop has a deadline too (`STOP_SECONDS` after the grace); that one is in the runtime (`runtime.shutdown`), gives
up part after part, and comes before this one.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

from loguru import logger

from rae_auto.platforms.process_signals import listen_to_signals
from rae_auto.runtime.reporting import log_setup
from rae_auto.runtime.shutdown import STOP_SECONDS

EXIT_MARGIN_SECONDS = 1.0
"""Time after the deadline of a clean stop after which the process ends in any case."""

LOG_SECONDS = 0.3
"""Time for the last log line of a process that is ended: the log may be what hangs."""

THREADS_SECONDS = 1.0
"""Time in which other threads may end once everything is closed."""

SIGNALS_UNTIL_EXIT = 3
"""The first signal starts the stop, the second ends the grace, and this one ends the process at once."""

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class ExitDeadline:
    """Reports signals, also to an event loop that hangs, and ends the process in time once it is to stop.

    Must be created in the main thread.
    """

    def __init__(self, on_signal: Callable[[int], None], grace_seconds: float) -> None:
        """Listen from now on. `on_signal` is called in another thread.

        `grace_seconds` is the grace of the first stop signal; that of the second one is 0.
        """
        self.grace_seconds = grace_seconds
        self._on_signal = on_signal
        self._lock = threading.Lock()
        self._ends_at: float | None = None
        self._is_closed = False
        self._stop_signals = 0
        self._signals = listen_to_signals()
        threading.Thread(target=self._watch, name="exit-deadline", daemon=True).start()

    def set(self, grace_seconds: float) -> None:
        """End the process after this grace (seconds) and the time of a clean stop; the earliest deadline counts."""
        with self._lock:
            ends_at = time.monotonic() + grace_seconds + STOP_SECONDS + EXIT_MARGIN_SECONDS
            self._ends_at = ends_at if self._ends_at is None else min(self._ends_at, ends_at)
        # The thread waits with the old timeout.
        self._signals.wake()

    def close(self) -> None:
        """Restore the handlers of signals; the process ends by itself."""
        self._is_closed = True
        self._signals.close()

    def _watch(self) -> None:
        while not self._is_closed:
            with self._lock:
                left = None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())
            if left == 0:
                self._end()
            for number in self._signals.read(left):
                self._handle(number)

    def _handle(self, number: int) -> None:
        if number in STOP_SIGNALS:
            self._stop_signals += 1
            if self._stop_signals == SIGNALS_UNTIL_EXIT:
                self._end()
            self.set(self.grace_seconds)
            self.grace_seconds = 0
        # A loop that is closed is about to end in any case.
        with contextlib.suppress(RuntimeError):
            self._on_signal(number)

    def _end(self) -> None:
        """End the process. The log gets a moment, in a thread of its own."""
        text = "the process ends without a clean stop; the next start checks what still runs"

        def log() -> None:
            logger.critical("{}", text)
            log_setup.flush(LOG_SECONDS)

        logging = threading.Thread(target=log, daemon=True)
        logging.start()
        logging.join(LOG_SECONDS)
        os._exit(1)


def leave_hung_threads(exit_code: int) -> None:
    """Return once no other thread keeps the process alive; if one hangs, end the process with this exit code.

    Python waits for threads without a limit when it exits.
    """
    deadline = time.monotonic() + THREADS_SECONDS
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                os._exit(exit_code)
