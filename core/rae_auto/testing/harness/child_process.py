"""A part of a test in a child process, as a daemon that is killed by SIGKILL once the part has its result."""

import asyncio
import json
import os
import signal
import time
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import psutil

CHILD_TIMEOUT_SECONDS = 30.0


def run_until_killed(make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run a coroutine in a forked child, kill the child with SIGKILL when it has a result, and return that.

    The result is JSON. Raises AssertionError with the error of the child. Skips the test on Windows, which has no fork.
    """
    if not hasattr(os, "fork"):
        import pytest  # commands use this package without it

        pytest.skip("this machine has no fork")
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # The child uses nothing that another thread might hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        _answer(writing, make)
    os.close(writing)
    try:
        text = _read_all(reading)
    finally:
        os.close(reading)
        os.kill(child, getattr(signal, "SIGKILL", signal.SIGTERM))
        os.waitpid(child, 0)
    if not text:
        raise AssertionError(f"the child process returned nothing within {CHILD_TIMEOUT_SECONDS:g} s")
    answer = json.loads(text)
    if "error" in answer:
        raise AssertionError(f"the child process failed: {answer['error']}")
    return answer["result"]


def _answer(writing: int, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    """Write the result of the coroutine, and wait for the end. Never returns."""
    try:
        loop = asyncio.new_event_loop()
        answer = {"result": loop.run_until_complete(asyncio.wait_for(make(), CHILD_TIMEOUT_SECONDS))}
        line = json.dumps(answer)
    except BaseException as error:  # nothing of the child may go on with the tests of its parent
        line = json.dumps({"error": repr(error)})
    os.write(writing, line.encode() + b"\n")
    while True:
        signal.pause()


def _read_all(reading: int) -> str:
    """Return the line that the child writes; empty if it ends without one."""
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(reading, 1 << 16)
        if not more:
            return ""
        data += more
    return data.decode()


def is_running(pid: int, *, wait_seconds: float = 0.0) -> bool:
    """Return True if a process runs, after waiting so long for its end; a zombie doesn't run."""
    deadline = time.monotonic() + wait_seconds
    while _is_alive(pid):
        if time.monotonic() >= deadline:
            return True
        time.sleep(0.02)
    return False


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
