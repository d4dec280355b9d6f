"""The task that Dask schedules: the text of a program for a thread of the worker.

As a text it needs nothing on the scheduler and the worker but `distributed`, in no special version of Python. It knows
neither the command nor its environment: these come with the daemon's permission to start, past the scheduler's memory.
"""

PROGRAM = """
import asyncio, time
from distributed import get_worker

def run():
    worker = get_worker()
    until = time.monotonic() + 60
    while not hasattr(worker, OPERATION):
        if time.monotonic() >= until:
            return
        worker.log_event(TOPIC, {"needed": worker.address, "token": TOKEN})
        pause = time.monotonic() + 0.5
        while not hasattr(worker, OPERATION) and time.monotonic() < pause:
            time.sleep(0.005)
    task = getattr(worker, OPERATION).run_task(TOKEN, TOPIC)
    asyncio.run_coroutine_threadsafe(task, worker.loop.asyncio_loop).result()

run()
"""
