"""Results of threads that reach an event loop by few wake-ups."""

import asyncio
from threading import Barrier, Thread

from rae_auto.toolkit.threads.loop_results import LoopResults

THREADS, RESULTS_EACH = 4, 500


def test_every_result_of_many_threads_arrives_once() -> None:
    async def work() -> list[int]:
        results, together = LoopResults(), Barrier(THREADS)
        futures = [asyncio.get_running_loop().create_future() for _ in range(THREADS * RESULTS_EACH)]

        def give(first: int) -> None:
            together.wait(60)
            for number in range(first, first + RESULTS_EACH):
                results.set(futures[number], number)

        for first in range(0, len(futures), RESULTS_EACH):
            Thread(target=give, args=[first]).start()
        return await asyncio.wait_for(asyncio.gather(*futures), 60)

    assert asyncio.run(work()) == list(range(THREADS * RESULTS_EACH))


def test_results_that_come_together_wake_the_loop_once(monkeypatch) -> None:
    async def work() -> int:
        loop, wakes = asyncio.get_running_loop(), []
        announce = loop.call_soon_threadsafe
        monkeypatch.setattr(loop, "call_soon_threadsafe", lambda *args: (wakes.append(args), announce(*args))[1])
        results, futures = LoopResults(), [loop.create_future() for _ in range(10)]
        for future in futures:
            results.set(future, None)
        await asyncio.gather(*futures)
        return len(wakes)

    assert asyncio.run(work()) == 1


def test_exception_is_raised_and_a_future_that_is_done_stays() -> None:
    async def work() -> list[object]:
        results, loop = LoopResults(), asyncio.get_running_loop()
        failing, given_up = loop.create_future(), loop.create_future()
        given_up.cancel()
        results.set(given_up, "late")
        results.set(failing, ValueError("no"))
        return await asyncio.gather(failing, given_up, return_exceptions=True)

    failed, cancelled = asyncio.run(work())
    assert (str(failed), type(cancelled)) == ("no", asyncio.CancelledError)


def test_results_after_the_end_of_the_loop_are_dropped() -> None:
    async def work() -> tuple[LoopResults, asyncio.Future[None]]:
        return LoopResults(), asyncio.get_running_loop().create_future()

    results, future = asyncio.run(work())
    results.set(future, None)
    assert not future.done()
