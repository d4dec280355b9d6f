"""Threads for blocking calls: a plugin that hangs doesn't block others."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from rae_auto.runtime.concurrency.background_tasks import BackgroundTasks
from rae_auto.runtime.concurrency.owned_threads import MAX_THREADS, OwnedThreads
from rae_auto.toolkit.threads import daemon_threads

LIMIT_SECONDS = 30


@pytest.fixture
def hang() -> Iterator[Callable[[], bool]]:
    """Return a call that hangs until the end of the test."""
    release = threading.Event()
    yield lambda: release.wait(LIMIT_SECONDS)
    release.set()


def run(scene: Callable[[BackgroundTasks], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        asyncio.get_running_loop().set_default_executor(OwnedThreads())
        async with asyncio.timeout(LIMIT_SECONDS):
            return await scene(BackgroundTasks("a task"))

    return asyncio.run(main())


def test_calls_that_hang_hold_up_only_their_owner(hang):
    async def scene(tasks: BackgroundTasks) -> tuple[str, str, bool]:
        for _ in range(MAX_THREADS):
            tasks.start(asyncio.to_thread(hang), owner="mount")
        waiting = tasks.start(asyncio.to_thread(hang), owner="mount")
        other = await tasks.start(asyncio.to_thread(lambda: "other"), owner="webhook")
        return await asyncio.to_thread(lambda: "core"), other, waiting.done()

    assert run(scene) == ("core", "other", False)


def test_tasks_inherit_the_owner_of_the_task_that_starts_them(hang):
    async def scene(tasks: BackgroundTasks) -> set[str]:
        async def plugin() -> str:
            async with asyncio.TaskGroup() as group:
                inner = group.create_task(asyncio.to_thread(lambda: threading.current_thread().name))
            return inner.result()

        return {await tasks.start(plugin(), owner="plugin"), await tasks.start(plugin())}

    assert run(scene) == {"plugin", "rae-auto"}


def test_threads_are_reused_and_end_when_idle(monkeypatch):
    monkeypatch.setattr(daemon_threads, "IDLE_SECONDS", 0.01)

    async def scene(tasks: BackgroundTasks) -> set[int]:
        async def call() -> int:
            return await asyncio.to_thread(threading.get_ident)

        return {await tasks.start(call(), owner="one") for _ in range(20)}

    assert len(run(scene)) <= MAX_THREADS
    for thread in [thread for thread in threading.enumerate() if thread.name == "one"]:
        thread.join(LIMIT_SECONDS)
        assert not thread.is_alive()


def test_all_calls_end_however_many_there_are():
    async def scene(tasks: BackgroundTasks) -> list[int]:
        calls = [tasks.start(asyncio.to_thread(lambda n=n: n), owner=str(n % 3)) for n in range(300)]
        return list(await asyncio.gather(*calls))

    assert run(scene) == list(range(300))


def test_error_of_a_call_reaches_the_caller():
    async def scene(tasks: BackgroundTasks) -> None:
        await tasks.start(asyncio.to_thread(lambda: 1 // 0), owner="one")

    with pytest.raises(ZeroDivisionError):
        run(scene)


def test_call_fails_if_no_thread_can_be_started(monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def scene(_: BackgroundTasks) -> None:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        await asyncio.to_thread(lambda: None)

    with pytest.raises(RuntimeError, match="can't start new thread"):
        run(scene)


def test_call_that_hangs_does_not_keep_the_process_alive():
    script = """
import asyncio, threading
from rae_auto.runtime.concurrency.background_tasks import run_until_complete
from rae_auto.runtime.concurrency.owned_threads import OwnedThreads

async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(OwnedThreads())
    loop.run_in_executor(None, threading.Event().wait)

run_until_complete(main(), asyncio.new_event_loop())
print("ended")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=LIMIT_SECONDS)
    assert (done.stdout, done.returncode) == ("ended\n", 0)
