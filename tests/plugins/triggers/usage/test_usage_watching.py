"""usage: patterns as the daemon runs them, durably, and dry runs."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.machine.test_idle import x_server
from tests.support.packages import need
from tests.support.usage_playing import make_pattern

from rae_auto.api import EmitResult
from rae_auto.model.primitives.instants import Moment
from rae_auto.testing.sources import START, WAIT_TIMEOUT_SECONDS, Listener, RealTimer, SourceConformance, VirtualTimer
from rae_plugins.machine.idle import Idle
from rae_plugins.triggers.usage.patterns.options import UsagePattern
from rae_plugins.triggers.usage.sources import application_source, idle_source

IN_USE = Idle(0.0, "a test")


class Machine:
    """A machine with input and processes that a test sets."""

    def __init__(self, timer: VirtualTimer) -> None:
        self.timer = timer
        self.touched = timer.now()
        self.unknown: str | None = None
        self.runs = True
        self.readings = 0

    def touch(self) -> None:
        self.touched = self.timer.now()

    async def read_idle(self) -> Idle:
        self.readings += 1
        # As X counts: the time that the machine sleeps is none.
        seconds = self.timer.now().mono - self.touched.mono
        return Idle(None, self.unknown) if self.unknown else Idle(seconds, "a test")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    timer = VirtualTimer()
    machine = Machine(timer)
    monkeypatch.setattr(idle_source, "read_idle", machine.read_idle)
    monkeypatch.setattr(application_source, "read_idle", machine.read_idle)
    monkeypatch.setattr(application_source, "_is_running", lambda _: machine.runs)
    return machine


class AtOnce(ThreadPoolExecutor):
    """Do work of threads at once, so that no clock that a test moves runs ahead of it."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


def play(tmp_path: Path, timer: VirtualTimer, scene: Callable[[Listener], Awaitable[None]]) -> None:
    async def run() -> None:
        asyncio.get_running_loop().set_default_executor(AtOnce())
        async with asyncio.timeout(2 * WAIT_TIMEOUT_SECONDS):
            await scene(Listener(tmp_path, timer))

    asyncio.run(run())


async def live(listener: Listener, seconds: float, *, each: float = 1) -> None:
    """Advance the time, after sources that just started have started to watch."""
    for _ in range(50):
        await asyncio.sleep(0)
    await listener.timer.advance(seconds, step=timedelta(seconds=each))


class TestCountConforms(SourceConformance):
    @pytest.fixture
    def plugin(self) -> UsagePattern:
        return make_pattern(pattern="count", of="shell.command", count=2, within="1h", where={"program": "git"})

    async def provoke(self, listener: Listener, number: int) -> None:
        for _ in range(2):
            await listener.events.record("shell.command", {"program": "git"})


class TestFirstOfDayConforms(SourceConformance):
    @pytest.fixture
    def plugin(self) -> UsagePattern:
        return make_pattern(pattern="first_of_day", of="custom.*", timezone="UTC")

    async def provoke(self, listener: Listener, number: int) -> None:
        await listener.events.record("custom.tea", at=START + timedelta(days=number))


def test_count_includes_events_before_a_restart(tmp_path: Path) -> None:
    trigger = make_pattern(pattern="count", of="tea", count=3, within="1h")

    async def scene(listener: Listener) -> None:
        for _ in range(2):
            async with listener.watching(trigger):
                await live(listener, 1)
                await listener.events.record("tea")
                await live(listener, 1)
        # This one comes while there is no subscriber.
        await listener.events.record("tea")
        async with listener.watching(trigger):
            (fired,) = await listener.wait_for(1)
        assert fired.key == "event-2"

    play(tmp_path, VirtualTimer(), scene)


def test_absence_ignores_time_in_which_the_daemon_was_down(tmp_path: Path) -> None:
    trigger = make_pattern(pattern="absence", of="tea", for_="1h")

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger):
            await live(listener, 1800, each=60)
        await listener.timer.advance(timedelta(days=1), step=timedelta(days=1))
        async with listener.watching(trigger):
            await live(listener, 1500, each=60)
            assert listener.occurrences == []
            await live(listener, 600, each=60)
            (fired,) = await listener.wait_for(1)
        assert fired.key == f"after-{START.isoformat()}"

    play(tmp_path, VirtualTimer(), scene)


def test_absence_ignores_time_asleep(tmp_path: Path) -> None:
    trigger = make_pattern(pattern="absence", of="tea", for_="1h")

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger):
            await live(listener, 1800, each=60)
            await listener.timer.sleep_machine(timedelta(hours=10))
            await live(listener, 1500, each=60)
            assert listener.occurrences == []
            await live(listener, 600, each=60)
            await listener.wait_for(1)

    play(tmp_path, VirtualTimer(), scene)


def test_dry_run_records_and_logs_each_firing(log: list[str], tmp_path: Path) -> None:
    trigger = make_pattern(pattern="surge", of="error", warm_up=1, dry_run=True, timezone="UTC")
    timer = VirtualTimer(datetime(2026, 1, 5, 4, tzinfo=UTC))

    async def scene(listener: Listener) -> None:
        async with listener.watching(trigger):
            await live(listener, 2 * 86_400, each=1800)
            for _ in range(6):
                await listener.events.record("error")
            await live(listener, 0)
        assert listener.occurrences == []
        dry_run_event = listener.events.recorded[-1]
        assert dry_run_event.name == "usage.dry_run"
        assert dry_run_event.data["job"] == "job"
        assert dry_run_event.data["key"] == "event-4"
        assert dry_run_event.data["event"]["pattern"] == "surge"
        assert dry_run_event.data["would_fire_at"] == listener.timer.now().wall.isoformat()

    play(tmp_path, timer, scene)
    assert [line for line in log if "would have fired" in line] == [
        "INFO {'job': 'job'} trigger trigger would have fired (dry_run = true): event-4"
    ]


def test_dry_run_keeps_what_was_learned_when_it_ends(tmp_path: Path) -> None:
    options: dict[str, Any] = {"pattern": "habit", "of": "tea", "warm_up": 2, "timezone": "UTC"}
    timer = VirtualTimer(datetime(2026, 1, 5, 4, tzinfo=UTC))

    async def scene(listener: Listener) -> None:
        async with listener.watching(make_pattern(**options, dry_run=True)):
            for _ in range(3):
                await live(listener, 5 * 3600 + 300, each=900)
                await listener.events.record("tea")
                await live(listener, 19 * 3600 - 300, each=900)
        assert listener.occurrences == []
        async with listener.watching(make_pattern(**options)):
            await live(listener, 6 * 3600, each=900)
            (fired,) = await listener.wait_for(1)
        assert fired.key == "2026-01-08-09:00"

    play(tmp_path, timer, scene)


def test_idle_fires_once_and_return_fires_at_the_end(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        back = Listener(tmp_path / "back", listener.timer)
        idle = make_pattern(pattern="idle", for_="5m")
        async with listener.watching(idle), back.watching(make_pattern(pattern="return", for_="5m")):
            await live(listener, 100)
            machine.touch()
            await live(listener, 299)
            assert listener.occurrences == []
            await live(listener, 8)
            (fired,) = await listener.wait_for(1)
            assert fired.at == START + timedelta(seconds=400)
            await live(listener, 600)
            assert back.occurrences == []
            machine.touch()
            await live(listener, 8)
            (returned,) = await back.wait_for(1)
            assert returned.event is not None
            assert 900 <= returned.event["seconds"] <= 920
            await live(listener, 310)
            await listener.wait_for(2)

    play(tmp_path / "idle", machine.timer, scene)


def test_idle_source_reads_rarely_while_in_use(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        async with listener.watching(make_pattern(pattern="idle", for_="10m")):
            for _ in range(60):
                machine.touch()
                await live(listener, 60, each=20)
        assert machine.readings <= 10
        assert listener.occurrences == []

    play(tmp_path, machine.timer, scene)


def test_idle_period_continues_over_a_restart(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        back = Listener(tmp_path / "back", listener.timer)
        for _ in range(3):
            trigger, returns = make_pattern(pattern="idle", for_="5m"), make_pattern(pattern="return", for_="5m")
            async with listener.watching(trigger), back.watching(returns):
                await live(listener, 400, each=2)
            await listener.timer.advance(60)
        assert (len(listener.occurrences), len(back.occurrences)) == (1, 0)
        # The user is active while the daemon is down, and idle again when it is back.
        machine.touch()
        await listener.timer.advance(60)
        async with listener.watching(trigger), back.watching(returns):
            await live(listener, 10)
            assert (len(listener.occurrences), len(back.occurrences)) == (1, 1)
            await live(listener, 300, each=2)
            await listener.wait_for(2)

    play(tmp_path / "idle", machine.timer, scene)


def test_return_fires_at_the_first_input_after_a_suspend(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        async with listener.watching(make_pattern(pattern="return", for_="1h")):
            for touched_before in (30, 2):
                known = len(listener.occurrences)
                machine.touch()
                await live(listener, 10)
                await live(listener, touched_before)
                await listener.timer.sleep_machine(timedelta(hours=8))
                await live(listener, 20)
                machine.touch()
                await live(listener, 8)
                assert (await listener.wait_for(known + 1))[-1].event["seconds"] >= 8 * 3600  # type: ignore[index]

    play(tmp_path, machine.timer, scene)


def test_idle_source_logs_unknown_idle_time_once(machine: Machine, log: list[str], tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        machine.unknown = "no desktop"
        async with listener.watching(make_pattern(pattern="idle", for_="5m")):
            await live(listener, 3600, each=10)
            assert listener.occurrences == []
            machine.unknown = None
            await live(listener, 120, each=10)
            await listener.wait_for(1)
            machine.unknown = "gone"
            machine.touch()
            await live(listener, 600, each=10)
            machine.unknown = None
            await live(listener, 600, each=10)
            assert len(await listener.wait_for(2)) == 2

    play(tmp_path, machine.timer, scene)
    unknown = [line for line in log if "idle time is unknown" in line]
    assert len(unknown) == 2
    assert "no desktop" in unknown[0]


def test_duration_sums_use_while_there_is_input(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        trigger = make_pattern(pattern="duration", application="editor", for_="10m", timezone="UTC")
        async with listener.watching(trigger):
            for minute in range(30):
                machine.runs = minute % 10 != 5
                if not 10 <= minute < 20:
                    machine.touch()
                await live(listener, 60, each=5)
        (fired,) = listener.occurrences
        # Eight of the first ten minutes and nothing of the next ten, in which there was no input.
        assert fired.at is not None
        assert 1310 <= (fired.at - START).total_seconds() <= 1440

    play(tmp_path, machine.timer, scene)


def test_duration_sums_use_without_input_if_not_afk_is_false(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        trigger = make_pattern(pattern="duration", application="vlc", for_="30m", not_afk=False, timezone="UTC")
        async with listener.watching(trigger):
            await live(listener, 2000, each=5)
            (fired,) = await listener.wait_for(1)
        assert fired.at is not None
        assert 1800 <= (fired.at - START).total_seconds() <= 1815

    play(tmp_path, machine.timer, scene)


def test_duration_sums_use_despite_jitter_of_the_clocks(machine: Machine, tmp_path: Path) -> None:
    # How long the machine has slept is the difference of two clocks, which are never read at the same moment.
    def trembling() -> Moment:
        return evolve(steady := now(), slept=steady.slept + next(trembles))

    now, trembles = machine.timer.now, cycle([0.0, 3e-7, -2e-7])
    machine.timer.now = trembling  # type: ignore[method-assign]

    async def scene(listener: Listener) -> None:
        trigger = make_pattern(pattern="duration", application="vlc", for_="5m", not_afk=False, timezone="UTC")
        async with listener.watching(trigger):
            await live(listener, 400, each=5)
            await listener.wait_for(1)

    play(tmp_path, machine.timer, scene)


def test_duration_ignores_use_while_idle_time_is_unknown(machine: Machine, log: list[str], tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        machine.unknown = "no desktop"
        async with listener.watching(make_pattern(pattern="duration", application="x", for_="5m", timezone="UTC")):
            await live(listener, 1200, each=5)
        assert listener.occurrences == []

    play(tmp_path, machine.timer, scene)
    assert len([line for line in log if "no use counts" in line]) == 1


def test_duration_ignores_time_asleep(machine: Machine, tmp_path: Path) -> None:
    async def scene(listener: Listener) -> None:
        trigger = make_pattern(pattern="duration", application="x", for_="1h", not_afk=False, timezone="UTC")
        async with listener.watching(trigger):
            for _ in range(2):
                await live(listener, 1000, each=5)
                await listener.timer.sleep_machine(timedelta(hours=1))
            await live(listener, 1000, each=5)
        assert listener.occurrences == []

    play(tmp_path, machine.timer, scene)


def test_session_continues_over_a_restart_of_the_daemon(machine: Machine, tmp_path: Path) -> None:
    trigger = make_pattern(pattern="count", application="x", count=2, within="1d", not_afk=False)

    async def scene(listener: Listener) -> None:
        for _ in range(4):
            async with listener.watching(trigger):
                await live(listener, 100, each=5)
        assert listener.occurrences == []
        async with listener.watching(trigger):
            machine.runs = False
            await live(listener, 300, each=5)
            machine.runs = True
            await live(listener, 60, each=5)
            (fired,) = await listener.wait_for(1)
        assert fired.key.startswith("began-")
        assert fired.event is not None
        assert fired.event["of"] == "x"

    play(tmp_path, machine.timer, scene)


def test_application_source_finds_a_process_by_its_name() -> None:
    assert application_source._is_running("*python*") or application_source._is_running("*pytest*")
    assert not application_source._is_running("there is no such program")


def test_idle_period_is_reported_after_a_restart_if_it_could_not_before(machine: Machine, tmp_path: Path) -> None:
    source = idle_source.IdleSource(after=timedelta(minutes=1))

    async def scene(listener: Listener) -> None:
        def refuse(_: str) -> EmitResult:
            raise OSError("no space left on device")

        good, listener.answer = listener.answer, refuse
        async with listener.watching(source) as task:
            await live(listener, 70)
            assert isinstance(task.exception(), OSError)
        listener.answer = good
        async with listener.watching(source):
            await live(listener, 10)
        assert [occurrence.key for occurrence in listener.occurrences] == [f"idle-{START.isoformat()}"]

    play(tmp_path, machine.timer, scene)


def test_idle_source_reads_a_real_x_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Use short times: an idle period of a second, read five times a second."""
    need({"xdotool": "xdotool"})
    monkeypatch.setattr(idle_source, "IDLE_READ_INTERVAL", timedelta(seconds=0.2))
    monkeypatch.setattr(idle_source, "IN_USE_SECONDS", 0.5)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("XDG_SESSION_TYPE", raising=False)
    source = idle_source.IdleSource(after=timedelta(seconds=1))

    async def scene() -> None:
        listener = Listener(tmp_path, RealTimer())
        async with listener.watching(source):
            (idle,) = await listener.wait_for(1)
            mouse = await asyncio.create_subprocess_exec("xdotool", "mousemove_relative", "30", "20")
            await mouse.wait()
            (_, back) = await listener.wait_for(2)
        assert (idle.key.partition("-")[0], back.key.partition("-")[0]) == ("idle", "back")
        assert idle.event is not None
        assert back.event is not None
        assert idle.event["since"] == back.event["since"]
        assert back.event["seconds"] >= 1

    with x_server() as display:
        monkeypatch.setenv("DISPLAY", display)
        asyncio.run(scene())
