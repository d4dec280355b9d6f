"""Calls in daemon threads: each gets a thread as long as there are enough, however the threads are woken."""

import time
from collections.abc import Callable
from concurrent.futures import wait
from threading import Barrier, active_count
from typing import Any

import pytest

from rae_auto.toolkit.threads import daemon_threads
from rae_auto.toolkit.threads.daemon_threads import DaemonThreads

THREADS = 8
LIMIT_SECONDS = 60


def test_calls_that_block_run_side_by_side_again_and_again() -> None:
    threads = DaemonThreads("test", THREADS)
    for _ in range(50):
        together = Barrier(THREADS)
        calls = [threads.submit(together.wait, LIMIT_SECONDS) for _ in range(THREADS)]
        assert {call.result(LIMIT_SECONDS) for call in calls} == set(range(THREADS))


def test_more_calls_than_threads_are_all_made() -> None:
    threads = DaemonThreads("test", THREADS)
    calls = [threads.submit(pow, number, 2) for number in range(500)]
    assert [call.result(LIMIT_SECONDS) for call in calls] == [number**2 for number in range(500)]


def test_one_thread_at_a_time_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Callable[[], None]] = []

    class LateThread:
        def __init__(self, target: Callable[[], None], **_: Any) -> None:
            self.start = lambda: sent.append(target)

    monkeypatch.setattr(daemon_threads, "Thread", LateThread)
    monkeypatch.setattr(daemon_threads, "IDLE_SECONDS", 0.001)
    threads = DaemonThreads("test", THREADS)
    calls = [threads.submit(pow, number, 2) for number in range(20)]
    sent[0]()  # The first one makes all calls before the second, which it sends, has arrived.
    assert all(call.done() for call in calls)
    assert len(sent) == 2


def test_calls_come_after_the_threads_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_threads, "IDLE_SECONDS", 0.001)
    before, threads = active_count(), DaemonThreads("test", THREADS)
    for _ in range(20):
        calls = [threads.submit(pow, 2, 2) for _ in range(THREADS)]
        assert not wait(calls, LIMIT_SECONDS).not_done
        deadline = time.monotonic() + LIMIT_SECONDS
        while active_count() > before and time.monotonic() < deadline:
            time.sleep(0.001)
    assert active_count() <= before


def test_waiting_calls_are_cancelled_and_those_that_run_are_not() -> None:
    threads, together = DaemonThreads("test", 1), Barrier(2)
    running, waiting = threads.submit(together.wait, LIMIT_SECONDS), threads.submit(pow, 2, 2)
    while running.done() or not running.running():
        time.sleep(0.001)
    threads.cancel_waiting()
    together.wait(LIMIT_SECONDS)
    assert running.result(LIMIT_SECONDS) in (0, 1)
    assert waiting.cancelled()
