"""Processes that start and exit: the system trigger with real ones."""

import asyncio
import os
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.system_events import emitted, knows, program, read_memory
from tests.support.waiting import until

from rae_auto.api import SourceTrigger
from rae_auto.testing.sources import Listener, RealTimer, SourceConformance, VirtualTimer
from rae_plugins.triggers.system import SystemTrigger

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def no_bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path / 'no-bus'}")


def start(path: Path, job: str = "") -> "subprocess.Popen[bytes]":
    """A process that lives until it is killed."""
    return subprocess.Popen([path, "600"], env={"RAE_JOB": job})


class TestProcessesConform(SourceConformance):
    @pytest.fixture
    def plugin(self, tmp_path: Path) -> SourceTrigger:
        self.program = program(tmp_path, f"conform-{os.getpid()}")
        return SystemTrigger(on=["process-started"], process=self.program.name, every="1s")

    @pytest.fixture(autouse=True)
    def end_them(self) -> Any:
        self.started: list[subprocess.Popen[bytes]] = []
        yield
        for process in self.started:
            process.kill()
            process.wait()

    def timer(self) -> RealTimer:
        return RealTimer()

    async def ready(self, listener: Listener) -> None:
        await knows(listener, "processes")

    async def provoke(self, listener: Listener, number: int) -> None:
        self.started.append(start(self.program))


def test_process_start_is_polled_and_its_exit_emitted_at_once(tmp_path: Path) -> None:
    """The clocks stand still after the start, so nothing polls: the kernel reports the end."""
    name = f"a-program-with-a-name-longer-than-15-{os.getpid()}"
    sleeper = program(tmp_path, name)
    listener = Listener(tmp_path / "source", VirtualTimer())

    async def play() -> None:
        source = SystemTrigger(on=["process-started", "process-exited"], process="a-program-*-1[0-9]-*", every="5s")
        async with listener.watching(source):
            await knows(listener, "processes")
            process = start(sleeper)
            while not listener.occurrences:
                await listener.timer.advance(5)
                await asyncio.sleep(0.01)
            process.kill()
            process.wait()
            await listener.wait_for(2)

    asyncio.run(play())
    started, exited = listener.occurrences
    assert emitted(listener) == ["process-started", "process-exited"]
    assert (started.event or {})["process"] == name
    assert started.key.removeprefix("process-started") == exited.key.removeprefix("process-exited")


def test_processes_changed_while_not_watched_are_reported_at_start(tmp_path: Path) -> None:
    sleeper = program(tmp_path, f"between-{os.getpid()}")
    source = SystemTrigger(on=["process-started", "process-exited"], process=sleeper.name, every="1s")
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        first = start(sleeper)
        async with listener.watching(source):
            await knows(listener, "processes")  # it was there before, which is no start
        first.kill()
        first.wait()
        second = start(sleeper)
        async with listener.watching(source):
            await listener.wait_for(2)
        second.kill()
        second.wait()

    asyncio.run(play())
    assert emitted(listener) == ["process-exited", "process-started"]


def test_other_process_pattern_starts_with_no_memory(tmp_path: Path) -> None:
    sleeper = program(tmp_path, f"pattern-{os.getpid()}")
    process = start(sleeper)
    listener = Listener(tmp_path / "source", RealTimer())

    async def play() -> None:
        for pattern in ("nothing-has-this-name", sleeper.name):
            async with listener.watching(SystemTrigger(on=["process-started"], process=pattern, every="1s")):
                await until(lambda: read_memory(listener).get("processes", {}).get("pattern") == pattern)  # noqa: B023

    asyncio.run(play())
    process.kill()
    process.wait()
    assert listener.occurrences == []


def test_a_process_that_the_job_itself_started_does_not_count(tmp_path: Path) -> None:
    """Else it would start itself for ever."""
    sleeper = program(tmp_path, f"own-{os.getpid()}")
    listener = Listener(tmp_path / "source", RealTimer())
    processes = []

    async def play() -> None:
        async with listener.watching(SystemTrigger(on=["process-started"], process=sleeper.name, every="1s")):
            await knows(listener, "processes")
            processes.extend(start(sleeper, job) for job in ("job", "another-job"))
            await listener.wait_for(1)
            await until(lambda: len(read_memory(listener)["processes"]["processes"]) == 1)

    asyncio.run(play())
    for process in processes:
        process.kill()
        process.wait()
    (occurrence,) = listener.occurrences
    assert (occurrence.event or {})["pid"] == processes[1].pid
