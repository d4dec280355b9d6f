"""A program as its author would write it, which type checkers must accept. Read by test_typed_use.py, never run."""

from datetime import timedelta

from rae_auto import (
    Cron,
    GuardRef,
    Interval,
    Job,
    Limits,
    NotifyPolicy,
    Retention,
    RetryPolicy,
    Scheduler,
    SyncScheduler,
)


def make_report(day: str) -> str:
    return day


COMMANDS = [
    Job(id="report", command=["echo", "hi"]),
    Job(id="report", command=["echo", "hi"], retry_policy=3, priority="high", overlap="queue", catch_up="all"),
    Job(id="report", shell="df", notify=NotifyPolicy(on=["failure"], via=["ops"]), on_crash="rerun", env={"A": "1"}),
    Job(id="report", shell="df", guards=[{"type": "power"}], needs=["disk"], resources=["db"], timeout="5m"),
    Job(id="report", shell="df", guards=GuardRef("power"), resources={"db": 2}, timeout=timedelta(minutes=5)),
    Job(id="report", shell="df", retry_policy=RetryPolicy(attempts=3, delay="5s", on=["timeout"], exit_codes=[1])),
    Job(id="report", shell="df", limits=Limits(memory="512MB", cpu_time=60, output="1MB")),
]

FUNCTIONS = [
    Job(id="report", python=make_report, args=["monday"], schedule="0 9 * * *"),
    Job(id="report", python="reports:daily", kwargs={"day": 1}, schedule=["0 9 * * *", Interval("5m")]),
    Job(id="report", python=make_report, schedule=[Cron("0 9 * * *"), {"type": "file", "paths": ["/srv/in"]}]),
]


async def run_async() -> int | None:
    async with Scheduler(retention=Retention(keep="30d", output="50MB")) as scheduler:
        await scheduler.add_jobs(COMMANDS, replace=True)
        run = await scheduler.wait(await scheduler.trigger("report"))
        return run.exit_code


def run_blocking() -> int | None:
    with SyncScheduler(directory="state") as scheduler:
        job = scheduler.add_job(FUNCTIONS[0])
        return scheduler.wait(scheduler.trigger(job), timeout=60).exit_code
