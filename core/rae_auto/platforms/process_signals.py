"""The contract of signals: requests to stop or reload, which are received even while the event loop hangs."""

import sys
from collections.abc import Callable
from typing import Protocol


class SignalListener(Protocol):
    """Signals of this process, read by a thread of their own. Must be created in the main thread."""

    def read(self, seconds: float | None) -> list[int]:
        """Wait for signals, this many seconds or without a limit, and return their numbers (`signal.SIGTERM`).

        Returns early, without any, when `wake` was called. A thread calls it again and again.
        """
        ...

    def wake(self) -> None:
        """Have the thread that reads look at its deadline again."""
        ...

    def close(self) -> None:
        """Restore what signals did before; the thread that reads returns."""
        ...


def listen_to_signals(platform: str = sys.platform) -> SignalListener:
    """Listen from now on."""
    if platform == "win32":
        from rae_auto.platforms.windows.signals import ConsoleListener  # lazy: start-up

        return ConsoleListener()
    from rae_auto.platforms.posix_signals import WakeupPipe

    return WakeupPipe()


def call_at_interrupt(callback: Callable[[], object], platform: str = sys.platform) -> None:
    """Call a function in the running event loop at Ctrl-C, instead of what Python does then."""
    import asyncio  # lazy: start-up
    import signal

    loop = asyncio.get_running_loop()
    if platform == "win32":
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(callback))
    else:
        loop.add_signal_handler(signal.SIGINT, callback)


def is_reload_signal(number: int) -> bool:
    """Return whether a signal asks for a reload: SIGHUP, which Windows hasn't."""
    import signal

    return number == getattr(signal, "SIGHUP", None)
