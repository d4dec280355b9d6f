"""A scheduler with a large history that answers over its socket, as a daemon does: `history_server.py DIRECTORY JOBS`.

It prints a line once it answers, and ends when its standard input does: so it ends with its parent, even a killed one.
"""

import asyncio
import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from rae_auto import Job, Retention, Scheduler
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.control_server import ControlServer

STOP_SECONDS = 60.0


async def serve(directory: Path, jobs: int) -> None:
    """Answer until standard input ends."""
    retention = Retention(keep="36500d", keep_failures="36500d", runs=1_000_000)
    definitions = [
        Job(name=f"job-{number}", command="true", schedule=f"{number % 60} {number % 24} * * *")
        for number in range(jobs)
    ]
    scheduler = Scheduler(directory=directory, retention=retention, jobs=definitions, timezone="UTC", enabled=False)
    await scheduler.open()
    # As the daemon does.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)

    async def reload() -> Any:
        return {}

    server = ControlServer(Commands(scheduler, None, reload, scheduler.stop, list).table())
    await server.start(directory / "control.sock")
    print("answering", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.retire()
    await scheduler.close(timedelta(0))
    await server.close()


@contextmanager
def serving_history(directory: Path, jobs: int) -> Iterator[int]:
    """Serve the store of a state directory for so many jobs, in a process of its own; yield its pid."""
    command = [sys.executable, __file__, str(directory), str(jobs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"answering\n", "the scheduler did not open"
        try:
            yield process.pid
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
