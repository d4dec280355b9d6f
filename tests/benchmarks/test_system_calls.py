"""System calls and waking-ups, as counts: what a run costs beside the work of its job."""

import asyncio
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.support.packages import need

from rae_auto import Cron, Job, Scheduler

ON_FILES = ("openat", "close", "newfstatat", "fstat", "stat", "fcntl", "pread64", "pwrite64", "read", "write", "unlink")

BEGIN, END = "begin of what is counted", "end of what is counted"

RUNS_ALONE = """
import asyncio, os, sys
from rae_auto import Job, Scheduler
async def main():
    async with Scheduler(directory=sys.argv[1]) as scheduler:
        await scheduler.add_job(Job(id="a", python="time:time"))
        await scheduler.wait(await scheduler.trigger("a"))
        mark(%(begin)r)
        for _ in range(%(count)d):
            await scheduler.wait(await scheduler.trigger("a"))
        mark(%(end)r)
"""

RUNS_AT_ONCE = """
import asyncio, os, sys
from rae_auto import Job, Scheduler
async def main():
    async with Scheduler(directory=sys.argv[1], max_parallel=%(count)d) as scheduler:
        await scheduler.add_jobs(Job(id=f"j{n}", python="time:time") for n in range(%(count)d))
        events, ended = scheduler.events(), 0
        mark(%(begin)r)
        asking = asyncio.gather(*(scheduler.trigger(f"j{n}") for n in range(%(count)d)))
        async for event in events:
            ended += event["kind"] == "run" and event["run"]["state"] == "succeeded"
            if ended == %(count)d:
                break
        mark(%(end)r)
        await asking
"""

MARKING = """
def mark(text):
    try: os.write(-1, text.encode())
    except OSError: pass
asyncio.run(main())
"""


def counted_calls(script: str, count: int, place: Path, *options: str) -> Counter[str]:
    """The system calls of a script between its marks, by their names."""
    need({"strace": "strace"})
    trace = place / "trace"
    code = script % {"count": count, "begin": BEGIN, "end": END} + MARKING
    command = ["strace", "-f", "-qq", "-s", "64", *options, "-o", str(trace), sys.executable, "-c", code]
    done = subprocess.run([*command, str(place / "state")], capture_output=True, text=True, timeout=100)
    if "ptrace" in done.stderr and done.returncode:
        pytest.skip(f"strace may not trace here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    lines = trace.read_text(errors="replace").splitlines()
    first, last = (next(n for n, line in enumerate(lines) if text in line) for text in (BEGIN, END))
    names = (re.match(r"\d+ +(\w+)\(", line) for line in lines[first + 1 : last])
    return Counter(name[1] for name in names if name is not None)


def test_run_alone_takes_few_system_calls(tmp_path: Path) -> None:
    runs = 10
    calls = counted_calls(RUNS_ALONE, runs, tmp_path)
    # The decision, the start and the end are a commit each: a sync of the write-ahead log, and one of its number. What
    # is done once after a start (notes beside the store) adds some.
    assert 1 <= calls["fsync"] + calls["fdatasync"] <= 6 * runs + 4, calls
    # Locks between threads and looks at descriptors are as many as the machine makes them.
    assert sum(calls[name] for name in ON_FILES) / runs <= 180, calls


def test_runs_that_begin_at_once_share_their_syncs(tmp_path: Path) -> None:
    runs = 500
    calls = counted_calls(RUNS_AT_ONCE, runs, tmp_path, "--seccomp-bpf", "-e", "trace=fsync,fdatasync,write")
    # One by one they would be 3,000; how many come together depends on the machine.
    assert 1 <= calls["fsync"] + calls["fdatasync"] <= runs / 10, calls


def test_scheduler_sleeps_while_nothing_is_due(tmp_path: Path) -> None:
    async def run() -> list[float]:
        async with Scheduler(directory=tmp_path) as scheduler:
            jobs = (Job(id=f"j{n}", command="true", schedule=Cron(f"{n} 4 1 1 *")) for n in range(50))
            await scheduler.add_jobs(jobs)
            loop = asyncio.get_running_loop()
            timers = loop._scheduled  # type: ignore[attr-defined]
            return [timer.when() - loop.time() for timer in timers if not timer.cancelled()]

    # An idle minute is a minute of sleep, once the checks after a request are over. `test_clock_watch` counts these.
    assert len([seconds for seconds in asyncio.run(run()) if seconds < 60]) <= 2
