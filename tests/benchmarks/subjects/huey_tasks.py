"""huey with SQLite: a queue of tasks, with a consumer of 32 threads that looks for due ones as often as it can."""

import tempfile
import time
from datetime import datetime

import starts
from figures import due_after, percentiles, report, wait_for
from huey import SqliteHuey

TASKS_ADDED_PER_SECOND = 500
THREADS = 32
LOOK_SECONDS = 0.1
"""Between two looks at the queue; the default."""


def measure_lateness(size: int, _: str) -> dict[str, float]:
    """Start so many functions in one second."""
    with tempfile.TemporaryDirectory() as place:
        huey = SqliteHuey(filename=f"{place}/huey.sqlite", fsync=True, utc=False)
        note = huey.task()(starts.note)
        due = due_after(size, TASKS_ADDED_PER_SECOND)
        for _number in range(size):
            note.schedule(eta=datetime.fromtimestamp(due))
        _consume(huey, size)
    return percentiles([at - due for at in starts.AT])


def measure_runs(size: int, _: str) -> dict[str, float]:
    """Run so many functions that wait in the queue."""
    with tempfile.TemporaryDirectory() as place:
        huey = SqliteHuey(filename=f"{place}/huey.sqlite", fsync=True, utc=False)
        note = huey.task()(starts.note)
        for _number in range(size):
            note()
        began = time.time()
        _consume(huey, size)
    return {"rate": size / (max(starts.AT) - began)}


def _consume(huey: SqliteHuey, size: int) -> None:
    consumer = huey.create_consumer(
        workers=THREADS, worker_type="thread", initial_delay=LOOK_SECONDS, max_delay=LOOK_SECONDS, scheduler_interval=1
    )
    consumer.start()
    wait_for(lambda: len(starts.AT) >= size)
    consumer.stop(graceful=False)


if __name__ == "__main__":
    report({"lateness": measure_lateness, "runs": measure_runs})
