"""APScheduler 4 (a preview for years): as it is by default, in memory, and with its schedules in SQLite."""

import asyncio
import tempfile
from datetime import UTC, datetime

import starts
from apscheduler import AsyncScheduler
from apscheduler.datastores.memory import MemoryDataStore
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore
from apscheduler.triggers.date import DateTrigger
from figures import due_after, percentiles, report, wait_for

JOBS_ADDED_PER_SECOND = 100


def measure_lateness(size: int, variant: str) -> dict[str, float]:
    """Start so many functions in one second."""
    return asyncio.run(_measure_lateness(size, variant))


async def _measure_lateness(size: int, variant: str) -> dict[str, float]:
    due = due_after(size, JOBS_ADDED_PER_SECOND)
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite+aiosqlite:///{place}/schedules.sqlite"
        store = SQLAlchemyDataStore(url) if variant == "sqlite" else MemoryDataStore()
        async with AsyncScheduler(store, max_concurrent_jobs=size) as scheduler:
            await scheduler.configure_task("note", func=starts.note, misfire_grace_time=None)
            for n in range(size):
                await scheduler.add_schedule("note", DateTrigger(datetime.fromtimestamp(due, UTC)), id=str(n))
            await scheduler.start_in_background()
            await asyncio.to_thread(wait_for, lambda: len(starts.AT) >= size)
    return percentiles([at - due for at in starts.AT])


if __name__ == "__main__":
    report({"lateness": measure_lateness})
