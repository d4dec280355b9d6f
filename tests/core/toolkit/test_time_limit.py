"""Calls that never return are interrupted, and nothing else is."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from rae_auto.toolkit.threads import time_limit
from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_limit


@pytest.fixture(autouse=True)
def limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time_limit, "LIMIT_SECONDS", 1)


def loop() -> None:
    while True:
        pass


def loop_stubbornly() -> None:
    tries = 0
    while tries < 2:
        try:
            loop()
        except BaseException:
            tries += 1
    loop()


def test_result_and_errors_of_a_quick_call_are_its_own() -> None:
    assert call_within_limit(max, 1, 2) == 2
    assert call_within_limit(sorted, [1, 2], reverse=True) == [2, 1]
    assert call_within_limit(dict, limit=1, function=2) == {"limit": 1, "function": 2}
    with pytest.raises(ZeroDivisionError):
        call_within_limit(lambda: 1 // 0)


@pytest.mark.parametrize("function", [loop, loop_stubbornly])
def test_endless_loop_is_interrupted_with_its_place(function: object) -> None:
    with pytest.raises(TookTooLong, match=r"has not returned within 1 s \(it was at .*test_time_limit.py:\d+\)"):
        call_within_limit(function)  # type: ignore[arg-type]
    assert not time_limit._WATCHER.calls


def sleep() -> None:
    time.sleep(600)


def read_a_pipe() -> None:
    reading, writing = os.pipe()
    try:
        os.read(reading, 1)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.skipif(sys.platform == "win32", reason="no signal ends a system call there")
@pytest.mark.parametrize("function", [sleep, read_a_pipe, threading.Event().wait])
def test_system_call_of_the_main_thread_is_interrupted(function: object) -> None:
    assert threading.current_thread() is threading.main_thread()
    with pytest.raises(TookTooLong, match="has not returned within 1 s"):
        call_within_limit(function)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="no signal ends a system call there")
def test_handler_of_a_program_is_left_to_it() -> None:
    def own(*_: object) -> None: ...

    before = signal.signal(signal.SIGURG, own)
    try:
        call_within_limit(max, 1, 2)
        assert signal.getsignal(signal.SIGURG) is own
    finally:
        signal.signal(signal.SIGURG, before)


def test_call_inside_another_is_interrupted_alone() -> None:
    def outer() -> str:
        with pytest.raises(TookTooLong):
            call_within_limit(loop)
        return "went on"

    assert call_within_limit(outer) == "went on"


def test_loop_in_another_thread_is_interrupted_there() -> None:
    ends = []

    def work() -> None:
        try:
            call_within_limit(loop)
        except TookTooLong as error:
            ends.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == 3


def test_call_that_returns_as_it_is_interrupted_leaves_nothing_behind() -> None:
    def end_when_chosen() -> Iterator[None]:
        call = time_limit._WATCHER.calls[threading.get_ident()]
        while not call.is_chosen:
            time.sleep(0)
        return iter(())

    with pytest.raises(TookTooLong):
        call_within_limit(end_when_chosen)
    # Whatever was still to be raised would be raised here.
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        sys.getswitchinterval()
