"""The alarm that wakes the machine follows the next start of jobs with `wake`."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from rae_auto import Job, Scheduler
from rae_auto.runtime.time.machine_waker import WAKE_LEAD, MachineWaker

FAR = datetime(2090, 1, 1, tzinfo=UTC)
FARTHER = datetime(2091, 1, 1, tzinfo=UTC)


class Alarm:
    """An alarm that remembers what it was set to, and may refuse."""

    def __init__(self) -> None:
        self.calls: list[datetime | None] = []
        self.refuses = False
        self.is_closed = False

    def set(self, at: datetime | None) -> None:
        if self.refuses:
            raise PermissionError(1, "Operation not permitted")
        self.calls.append(at)

    def close(self) -> None:
        self.is_closed = True


def test_alarm_is_set_when_the_next_start_changes() -> None:
    alarm, starts = Alarm(), [FAR]
    waker = MachineWaker(lambda: starts[0], lambda: alarm)

    async def work() -> None:
        assert waker.is_outdated
        await waker.update()
        assert not waker.is_outdated
        starts[0] = FARTHER
        assert waker.is_outdated
        await waker.update()
        await waker.close()

    asyncio.run(work())
    assert alarm.calls == [FAR - WAKE_LEAD, FARTHER - WAKE_LEAD]
    assert alarm.is_closed


def test_machine_without_such_jobs_needs_no_alarm() -> None:
    opened: list[Alarm] = []
    waker = MachineWaker(lambda: None, lambda: opened.append(Alarm()) or opened[0])
    assert not waker.is_outdated
    asyncio.run(waker.close())
    assert opened == []


def test_alarm_that_is_refused_is_logged_once(log: list[str]) -> None:
    alarm = Alarm()
    alarm.refuses = True
    waker = MachineWaker(lambda: FAR, lambda: alarm)
    asyncio.run(waker.update())
    assert not waker.is_outdated
    (line,) = log
    assert "the machine will not be woken for the start at 2090" in line
    assert "Operation not permitted" in line


def test_start_to_wake_for_is_that_of_enabled_jobs_with_wake(tmp_path: Path) -> None:
    def job(name: str, year: int, **fields: bool) -> Job:
        return Job(id=name, command="true", schedule={"type": "once", "at": f"{year}-01-01T00:00:00Z"}, **fields)

    off = job("off", 2081, wake=True, enabled=False)
    jobs = [job("plain", 2080), off, job("a", 2090, wake=True), job("b", 2091, wake=True)]

    async def work() -> list[datetime | None]:
        async with asyncio.timeout(30), Scheduler(directory=tmp_path, jobs=jobs) as scheduler:
            engine = scheduler.runtime.engine
            found = [engine.machine_wake_at()]
            await scheduler.pause("a")
            found.append(engine.machine_wake_at())
            await scheduler.pause("b")
            return [*found, engine.machine_wake_at()]

    assert asyncio.run(work()) == [FAR, FARTHER, None]
