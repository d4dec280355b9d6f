"""Signals as each platform has them: one contract for the adapters."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from tests.support.platforms import posix
from tests.support.windows_stand_ins import FakeConsole

from rae_auto.platforms.process_signals import SignalListener, listen_to_signals
from rae_auto.platforms.windows.signals import (
    CTRL_BREAK,
    CTRL_C,
    CTRL_CLOSE,
    CTRL_SHUTDOWN,
    ConsoleListener,
)

Listening = tuple[SignalListener, Callable[[int], object]]


@pytest.fixture(params=[pytest.param("posix", marks=posix), "console"])
def listening(request: pytest.FixtureRequest) -> Iterator[Listening]:
    """A listener, and a way to have the system report a signal."""
    if request.param == "posix":
        made: SignalListener = listen_to_signals("linux")
        yield made, lambda number: os.kill(os.getpid(), number)
    else:
        console = FakeConsole()
        events = {signal.SIGINT: CTRL_C, signal.SIGTERM: CTRL_BREAK}
        made = ConsoleListener(console)
        yield made, lambda number: console.send(events[signal.Signals(number)]).join()
        made.close()
        assert console.handlers == []
        return
    made.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_read_by_a_thread_while_the_main_thread_works(listening, number):
    listener, send = listening
    found: list[int] = []
    reading = threading.Thread(target=lambda: found.extend(listener.read(30)))
    reading.start()
    send(number)
    reading.join(30)
    assert found == [number]


def test_read_ends_when_the_time_is_over_or_it_is_woken(listening):
    listener, _ = listening
    assert listener.read(0) == []
    woken = threading.Thread(target=listener.read, args=[None])
    woken.start()
    listener.wake()
    woken.join(30)
    assert not woken.is_alive()


@posix
def test_handlers_are_as_before_when_the_listener_is_closed():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    listen_to_signals("linux").close()
    ConsoleListener(FakeConsole()).close()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


@pytest.mark.parametrize("event", [CTRL_CLOSE, CTRL_SHUTDOWN])
def test_last_event_of_a_console_does_not_return_before_the_process_ends(event):
    console, may_return = FakeConsole(), threading.Event()
    listener = ConsoleListener(console, wait=lambda seconds: may_return.wait(seconds) and None)
    sending = console.send(event)
    assert listener.read(30) == [signal.SIGTERM]
    time.sleep(0)
    assert sending.is_alive()
    may_return.set()
    sending.join(30)
    listener.close()


def test_unknown_event_is_left_to_other_handlers():
    console = FakeConsole()
    listener = ConsoleListener(console)
    reported: list[int] = []
    console.handlers.append(lambda event: bool(reported.append(event)))
    console.send(99).join()
    assert (reported, listener.read(0)) == ([99], [])
    listener.close()
