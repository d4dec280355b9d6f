"""The commands of the control socket over a real scheduler, for tests that ask them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import frozen
from tests.support.control_peer import Connect, Peer, connecting, in_time

from rae_auto import Job, Scheduler
from rae_auto.daemon.commands import Commands
from rae_auto.daemon.control_server import ControlServer
from rae_auto.errors import ConfigError

JOBS = (
    Job(name="quick", command=["echo", "hello"], schedule="0 4 * * *"),
    Job(name="bad", command=["sh", "-c", "exit 3"]),
    Job(name="slow", command=["sleep", "600"], overlap="queue"),
    Job(name="single", command=["sleep", "600"]),
)
NEW = {"name": "new", "python": "time:time"}


@frozen
class Daemon:
    """A scheduler, and connections to its socket."""

    scheduler: Scheduler
    connect: Connect
    problems: list[str]

    async def run(self, peer: Peer, job: str) -> str:
        """The id of a run of the job, once it is over."""
        run: str = (await peer.ask("trigger", job=job))["run_id"]
        await self.scheduler.wait(run)
        return run


def run_with_daemon(directory: Path, work: Callable[[Daemon, Peer], Awaitable[Any]]) -> Any:
    """Return the result of `work(daemon, peer)`."""

    async def main() -> Any:
        problems: list[str] = []
        scheduler = Scheduler(directory=directory, jobs=JOBS, timezone="UTC", store="json")

        async def reload() -> Any:
            if problems:
                raise ConfigError(problems)
            jobs = [Job(name="bad", command=["true"]), *JOBS[2:], Job(name="fresh", command=["true"])]
            return await scheduler.runtime.reconfigure(jobs, scheduler.runtime.settings, "UTC", {})

        await scheduler.open()
        commands = Commands(scheduler, directory / "rae.toml", reload, scheduler.stop, lambda: problems)
        server = ControlServer(commands.table())
        await server.start(directory / "control.sock")
        forwarding = asyncio.create_task(forward(scheduler, server))
        try:
            async with connecting(directory / "control.sock") as connect:
                return await work(Daemon(scheduler, connect, problems), await connect())
        finally:
            forwarding.cancel()
            server.retire()
            await scheduler.close(timedelta(0))
            await server.close()

    return in_time(main)


async def forward(scheduler: Scheduler, server: ControlServer) -> None:
    async with aclosing(scheduler.events()) as events:
        async for event in events:
            server.publish(event)
