"""APScheduler 3: as it is by default, in memory, and with its jobs in SQLite. It keeps no history of runs."""

import tempfile
import time
from datetime import UTC, datetime

import starts
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from figures import due_after, percentiles, report, wait_for

JOBS_ADDED_PER_SECOND = 200
THREADS = 32


def _scheduler(place: str, variant: str) -> BackgroundScheduler:
    scheduler = BackgroundScheduler(
        timezone=UTC,
        # Both so that none is dropped: by default a job that is a second late doesn't run at all.
        job_defaults={"misfire_grace_time": None},
        executors={"default": ThreadPoolExecutor(THREADS)},
    )
    if variant == "sqlite":
        scheduler.add_jobstore("sqlalchemy", url=f"sqlite:///{place}/jobs.sqlite")
    return scheduler


def measure_lateness(size: int, variant: str) -> dict[str, float]:
    """Start so many functions in one second."""
    due = due_after(size, JOBS_ADDED_PER_SECOND)
    with tempfile.TemporaryDirectory() as place:
        scheduler = _scheduler(place, variant)
        scheduler.start()
        for n in range(size):
            scheduler.add_job(starts.note, "date", run_date=datetime.fromtimestamp(due, UTC), id=str(n))
        wait_for(lambda: len(starts.AT) >= size)
        scheduler.shutdown()
    return percentiles([at - due for at in starts.AT])


def measure_add(size: int, variant: str) -> dict[str, float]:
    """Add jobs, and start again with them."""
    with tempfile.TemporaryDirectory() as place:
        scheduler = _scheduler(place, variant)
        scheduler.start()
        began = time.perf_counter()
        for n in range(size):
            scheduler.add_job(starts.note, CronTrigger(minute=n % 60, hour=n % 24, timezone=UTC), id=str(n))
        added = time.perf_counter() - began
        scheduler.shutdown()
        again = _scheduler(place, variant)
        began = time.perf_counter()
        again.start()
        again.modify_job("0", next_run_time=datetime.now(UTC))
        wait_for(lambda: starts.AT)
        restarted = starts.AT[0] - time.time() + time.perf_counter() - began
        again.shutdown()
    return {"add": added, "restart": restarted}


def measure_expressions(size: int, _: str) -> dict[str, float]:
    """Read expressions, and tell the next start of each."""
    from expressions import FIRST, expression

    began = time.process_time()
    schedules = [CronTrigger.from_crontab(expression(n), timezone="Europe/Berlin") for n in range(size)]
    read = time.process_time()
    for schedule in schedules:
        schedule.get_next_fire_time(None, FIRST)
    return {"read": (read - began) * 1e3, "next": (time.process_time() - read) * 1e3}


if __name__ == "__main__":
    report({"lateness": measure_lateness, "add": measure_add, "expressions": measure_expressions})
