"""rae-auto, by its Python API, its command line, and its simulator."""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import starts
from figures import due_after, fresh_folder, milliseconds_of_process, percentiles, report, wait_for

from rae_auto import Job, Once, Retention, Scheduler

JOBS_ADDED_PER_SECOND = 1_000
AT_ONCE = 64


def measure_lateness(size: int, _: str) -> dict[str, float]:
    """Start so many functions in one second, each start durable before it happens."""
    due = due_after(size, JOBS_ADDED_PER_SECOND)
    jobs = [Job(id=f"j{n}", python="starts:note", schedule=Once(datetime.fromtimestamp(due, UTC))) for n in range(size)]

    async def run() -> None:
        with fresh_folder() as place:
            async with Scheduler(directory=place, max_parallel=size) as scheduler:
                await scheduler.add_jobs(jobs)
                await asyncio.to_thread(wait_for, lambda: len(starts.AT) >= size)

    asyncio.run(run())
    return percentiles([at - due for at in starts.AT])


def measure_runs(size: int, _: str) -> dict[str, float]:
    """Run functions that do nothing, each by hand."""
    return {"rate": asyncio.run(_rate([Job(name=f"j{n}", python="time:time") for n in range(size)], AT_ONCE))}


def measure_commands(size: int, _: str) -> dict[str, float]:
    """Run commands that do nothing, each by hand."""
    return {"rate": asyncio.run(_rate([Job(name=f"j{n}", command="/bin/true") for n in range(size)], 8))}


async def _rate(jobs: list[Job], max_parallel: int) -> float:
    with fresh_folder() as place:
        async with Scheduler(directory=place, max_parallel=max_parallel) as scheduler:
            await scheduler.add_jobs(jobs)
            events, left = scheduler.events(), len(jobs)
            began = time.perf_counter()
            asking = asyncio.gather(*(scheduler.trigger(job.id) for job in jobs))
            async for event in events:
                left -= event["kind"] == "run" and event["run"]["state"] == "succeeded"
                if not left:
                    break
            took = time.perf_counter() - began
            await asking
            return len(jobs) / took


def measure_add(size: int, _: str) -> dict[str, float]:
    """Add jobs, and start again with them."""
    jobs = [Job(name=f"j{n}", python="time:time", schedule=f"{n % 60} {n % 24} * * *") for n in range(size)]

    async def run() -> dict[str, float]:
        with tempfile.TemporaryDirectory() as place:
            async with Scheduler(directory=place) as scheduler:
                began = time.perf_counter()
                await scheduler.add_jobs(jobs)
                added = time.perf_counter() - began
            began = time.perf_counter()
            async with Scheduler(directory=place) as scheduler:
                await scheduler.wait(await scheduler.trigger("j0"))
                return {"add": added, "restart": time.perf_counter() - began}

    return asyncio.run(run())


def measure_history(size: int, _: str) -> dict[str, float]:
    """Ask a history of so many runs, after a step of pruning that finds nothing."""
    from measuring import histories

    from rae_auto.api.store import RetentionRule
    from rae_auto.model import documents
    from rae_auto.records.state_directory import claim_state_directory
    from rae_plugins.stores.sqlite import SqliteStore

    async def ask(directory: Path) -> dict[str, float]:
        keep = Retention(keep="36500d", keep_failures="36500d", runs=max(size, 1_000))
        async with Scheduler(directory=directory, retention=keep) as s:
            return {
                "history": await _milliseconds(s.history),
                "history JOB": await _milliseconds(lambda: s.history("job-7")),
                "history of failures": await _milliseconds(lambda: s.history(states=["failed"])),
                "stats": await _milliseconds(s.statistics),
            }

    with tempfile.TemporaryDirectory() as place:
        store = histories.fill(claim_state_directory(Path(place) / "state"), size)
        began = time.perf_counter()
        rule = RetentionRule(since=histories.START, newest=size, states=("succeeded", "skipped"))
        store.prune(documents.RUNS, rule)
        pruned = (time.perf_counter() - began) * 1e3
        store.close()
        figures = {"pruning that finds nothing": pruned, **asyncio.run(ask(Path(place) / "state"))}
        store = SqliteStore()
        store.open(Path(place) / "state")
        beside = percentiles(histories.commits_beside_pruning(store, size))
        store.close()
        return {**figures, "a commit beside pruning": beside["p99"]}


async def _milliseconds(ask: Callable[[], Awaitable[Any]]) -> float:
    took = []
    for _ in range(5):
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1e3)
    return statistics.median(took)


def measure_command_line(repeats: int, _: str) -> dict[str, float]:
    """Call commands, each in a process of its own, beside a daemon with one job."""
    from measuring.daemons import rae_daemon
    from measuring.processes import environment

    program = str(Path(sys.executable).with_name("rae-auto"))
    job = '[jobs.a]\ncommand = ["true"]\nschedule = "0 4 * * *"\n'
    with tempfile.TemporaryDirectory() as place, rae_daemon(Path(place), job):
        return {
            word: milliseconds_of_process([program, word], repeats, env=environment(Path(place)), cwd=place)
            for word in ("--version", "--help", "status", "history")
        }


def measure_simulation(days: int, _: str) -> dict[str, float]:
    """Simulate a hundred jobs."""
    from rae_auto.engine.plan import JobOrigin, Settings
    from rae_auto.registry import Registry
    from rae_auto.registry.factory import PluginFactory
    from rae_auto.simulation.forecast import Scenario, simulate

    plugins, start = PluginFactory(Registry(), "Europe/Berlin"), datetime(2026, 3, 1, tzinfo=UTC)
    expressions = [f"{n % 60} {'*' if n % 4 else n % 24} * * *" for n in range(100)]
    jobs = [Job(name=f"j{n}", command="true", schedule=expression) for n, expression in enumerate(expressions)]
    plans = tuple(plugins.plan(job, JobOrigin.CONFIG).plan for job in jobs)
    scenario = Scenario(plans=plans, settings=Settings(8), start=start, end=start + timedelta(days=days), durations={})
    began = time.process_time()
    forecast = simulate(scenario)
    took = time.process_time() - began
    return {"processor time": took, "runs a second": len(forecast.runs) / took}


def measure_expressions(size: int, _: str) -> dict[str, float]:
    """Read expressions, and tell the next start of each."""
    from expressions import FIRST, expression

    from rae_plugins.triggers.cron import CronTrigger

    began = time.process_time()
    schedules = [CronTrigger(expression=expression(n), timezone="Europe/Berlin") for n in range(size)]
    read = time.process_time()
    for schedule in schedules:
        schedule.next_after(FIRST)
    return {"read": (read - began) * 1e3, "next": (time.process_time() - read) * 1e3}


if __name__ == "__main__":
    report(
        {
            "lateness": measure_lateness,
            "runs": measure_runs,
            "commands": measure_commands,
            "add": measure_add,
            "history": measure_history,
            "command_line": measure_command_line,
            "simulation": measure_simulation,
            "expressions": measure_expressions,
        }
    )
