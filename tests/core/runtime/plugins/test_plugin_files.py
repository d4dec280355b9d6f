"""Files that plugins have read: a change is noticed, and what can't be used changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.log_lines import captured_log
from tests.support.waiting import until

from rae_auto import Job, Scheduler
from rae_auto.engine.plan import JobOrigin, Plan
from rae_auto.model.guard import Verdict
from rae_auto.model.plugin_ref import GuardRef
from rae_auto.registry import Registry
from rae_auto.registry.factory import Planned, PluginFactory
from rae_auto.runtime.plugins import plugin_files

HOLIDAYS = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:{name}\nDTSTART:20000101\nDTEND:{end}\nEND:VEVENT\nEND:VCALENDAR\n"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_files, "CHECK_SECONDS", 0.02)


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines that are logged."""
    with captured_log("{level} {message}") as lines:
        yield lines


def guarded(file: Path, name: str = "a") -> Job:
    return Job(id=name, command="true", schedule="0 4 * * *", guards=[GuardRef("calendar", {"file": str(file)})])


def verdict(scheduler: Scheduler, name: str = "a") -> Verdict:
    """Return what the guard of a job says now."""
    (guard,) = scheduler.runtime.engine.job(scheduler.runtime.engine.job(name).job.id).plan.guards.values()
    assert guard is not None
    return guard.evaluate(scheduler.runtime.now()).verdict


def run(tmp_path: Path, work: Callable[[Scheduler], Awaitable[None]], *jobs: Job) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), Scheduler(directory=tmp_path / "state", jobs=jobs) as scheduler:
            await work(scheduler)

    asyncio.run(main())


@pytest.mark.parametrize("is_added", [True, False])
def test_file_that_changed_is_read_again(tmp_path: Path, log: list[str], is_added: bool) -> None:
    file = tmp_path / "holidays.ics"
    file.write_text(HOLIDAYS.format(name="Past", end="20010101"))

    async def work(scheduler: Scheduler) -> None:
        if is_added:
            await scheduler.add_job(guarded(file))
        assert verdict(scheduler) is Verdict.YES
        for end, expected in (("29990101", Verdict.NO), ("20010101", Verdict.YES)):
            new = tmp_path / "new.ics"
            new.write_text(HOLIDAYS.format(name="All", end=end))
            new.rename(file)
            await until(lambda expected=expected: verdict(scheduler) is expected)
        # One that is added later must not get what was read at first.
        await scheduler.add_job(guarded(file, "later"))
        assert verdict(scheduler, "later") is Verdict.YES

    run(tmp_path, work, *([] if is_added else [guarded(file)]))
    assert [line for line in log if "holidays.ics changed and was read again" in line]


def test_file_that_cannot_be_used_any_more_changes_nothing(tmp_path: Path, log: list[str]) -> None:
    file = tmp_path / "holidays.ics"
    file.write_text(HOLIDAYS.format(name="All", end="29990101"))

    async def work(scheduler: Scheduler) -> None:
        assert verdict(scheduler) is Verdict.NO
        file.write_text("BEGIN:VCALENDAR\n")
        await until(lambda: [line for line in log if "stays in force" in line])
        await asyncio.sleep(0.2)
        assert verdict(scheduler) is Verdict.NO
        file.unlink()
        await until(lambda: len([line for line in log if "stays in force" in line]) == 2)
        file.write_text(HOLIDAYS.format(name="Past", end="20010101"))
        await until(lambda: verdict(scheduler) is Verdict.YES)

    run(tmp_path, work, guarded(file))
    assert len([line for line in log if "stays in force" in line]) == 2


class Replaced:
    """A factory of plugins in whose place another is put while it makes those of a job, as a reload does."""

    def __init__(self) -> None:
        self.inner = PluginFactory(Registry(), "Europe/Berlin")
        self.current: Any = self
        self.made: Plan | None = None

    def forget_plugins(self) -> None:
        self.inner.forget_plugins()

    def plan(self, job: Job, origin: JobOrigin) -> Planned:
        planned = self.inner.plan(job, origin)
        self.current, self.made = PluginFactory(self.inner.source, "Asia/Tokyo"), planned.plan
        return planned


def write(file: Path, end: str) -> None:
    file.write_text(HOLIDAYS.format(name="All", end=end))


async def follow(
    file: Path, request: Callable[[Any], Awaitable[Any]], get_factory: Callable[[], Any], done: Callable[[], bool]
) -> None:
    """Follow the file of the guard of a job, change it, and return when it is done."""
    write(file, "20010101")
    planned = PluginFactory(Registry(), "Europe/Berlin").plan(guarded(file), JobOrigin.CONFIG)
    files = plugin_files.PluginFiles(request, lambda _: planned.plan, get_factory)
    files.set(planned)
    write(file, "29990101")
    try:
        await until(done)
    finally:
        await files.close(1)


def test_plugins_of_a_configuration_that_is_over_are_dropped(tmp_path: Path) -> None:
    replaced, asked = Replaced(), []

    async def request(command_for: Any) -> Any:
        asked.append(command_for(None))

    asyncio.run(follow(tmp_path / "a.ics", request, lambda: replaced.current, lambda: bool(asked)))
    assert replaced.made is not None
    assert all(plan is not replaced.made for command in asked for plan in command.plans)


def test_error_of_one_job_ends_no_following(tmp_path: Path, log: list[str]) -> None:
    factory, asked = PluginFactory(Registry(), "Europe/Berlin"), []

    async def request(command_for: Any) -> Any:
        asked.append(command_for(None))
        if len(asked) == 1:
            raise RuntimeError("a fault")

    asyncio.run(follow(tmp_path / "a.ics", request, lambda: factory, lambda: len(asked) == 2))
    assert [line for line in log if line.startswith("ERROR") and "RuntimeError('a fault')" in line]


def test_skipped_events_are_logged_when_the_file_changes(tmp_path: Path, log: list[str]) -> None:
    file = tmp_path / "holidays.ics"
    file.write_text(HOLIDAYS.format(name="Strange", end="someday"))

    async def work(scheduler: Scheduler) -> None:
        file.write_text(HOLIDAYS.format(name="Stranger", end="someday"))
        await until(lambda: any('"Stranger" is skipped' in line for line in log))
        await scheduler.remove_job("a")
        file.write_text(HOLIDAYS.format(name="Strangest", end="someday"))
        await asyncio.sleep(0.2)

    async def add(scheduler: Scheduler) -> None:
        await scheduler.add_job(guarded(file))
        await work(scheduler)

    run(tmp_path, add)
    assert [line for line in log if line.startswith("WARNING") and 'event "Stranger" is skipped: DTEND' in line]
    # A check says it of the file as it was.
    assert not [line for line in log if '"Strange"' in line]
    assert not [line for line in log if "Strangest" in line]
