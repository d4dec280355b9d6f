"""The player of the coming month in `rae-auto top`: what it shows and keeps, and how it ends."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.plugins.commands.test_top import _drive, _text_of, _until, world
from tests.plugins.commands.top_values import NOW, FixedWorld
from tests.support.waiting import until

from rae_auto.errors import PluginError
from rae_plugins.commands.top.app import TopApp
from rae_plugins.commands.top.playback import player
from rae_plugins.commands.top.playback.month_process import MAX_STEP_DECISIONS, answer
from rae_plugins.commands.top.playback.player import (
    AHEAD,
    MAX_KEPT,
    PLAYED_SECONDS,
    MonthSimulation,
    Player,
    make_player,
    simulate_month,
)
from rae_plugins.commands.top.styled_lines import plain_text

__all__ = ["world"]

APP = "rae_plugins.commands.top.app"
HOUR, SPAN = timedelta(hours=1), timedelta(days=30)
HEAD = {
    "since": NOW.isoformat(),
    "until": (NOW + SPAN).isoformat(),
    "zone": "UTC",
    "assumptions": ['guard "power" of "b" says yes', "runs of 2 jobs take 10 s each"],
}


def hour(number: int, *decisions: tuple[int, str, str, str], left: Mapping[str, int] | None = None) -> dict[str, Any]:
    """Return the line about an hour, with decisions of some minutes."""
    begin = NOW + number * HOUR
    listed = [((begin + timedelta(minutes=minute)).isoformat(), *words) for minute, *words in decisions]
    return {"until": (begin + HOUR).isoformat(), "decisions": listed, "left": left or {}}


def text_of(player: Player) -> str:
    return "\n".join(map(plain_text, player.lines(100, 20)))


def test_player_plays_by_the_clock_what_is_computed():
    player = make_player(HEAD)
    for number in range(720):
        starts = [(30, "a", "running", "due")] if number in (24, 48, 480) else []
        player.take(hour(number, *starts, *([(0, "b", "skipped", "it was paused")] if number == 240 else [])))
    player.move(PLAYED_SECONDS / 2)
    assert player.at == NOW + SPAN / 2
    text = text_of(player)
    assert "  3 decisions" in text
    assert "it was paused" in text
    assert 'assumed: guard "power" of "b" says yes; runs of 2 jobs' in text
    player.step()
    assert (player.at, player.is_playing) == (NOW + 480 * HOUR + timedelta(minutes=30), False)
    player.move(PLAYED_SECONDS)
    assert "  4 decisions" in text_of(player)
    player.toggle()
    player.move(PLAYED_SECONDS)
    assert (player.at, player.is_playing, player.is_over) == (NOW + SPAN, False, True)


def test_player_waits_for_what_is_computed():
    player = make_player(HEAD)
    player.move(PLAYED_SECONDS)
    assert (player.at, player.is_playing) == (NOW, True)
    assert "computing …" in text_of(player)
    player.take(hour(0))
    player.step()
    assert player.at == NOW
    assert "computing …" in text_of(player)
    player.take(hour(1, (5, "a", "running", "due")))
    assert player.at == NOW + HOUR + timedelta(minutes=5)
    assert "computing" not in text_of(player)


def test_player_counts_decisions_of_an_hour_that_are_not_listed():
    player = make_player(HEAD)
    player.take(hour(0, (1, "a", "running", "due"), left={"running": 1_233, "skipped": 7}))
    player.move(PLAYED_SECONDS)
    text = text_of(player)
    assert "1,241 decisions" in text
    assert "▶1234○7" in text.replace(" ", "")


def test_player_is_read_no_further_than_it_needs():
    reads = 0

    class Endless(MonthSimulation):
        async def read(self) -> Mapping[str, Any]:
            nonlocal reads
            reads += 1
            return hour(reads - 1, *[(0, "a", "running", "due")] * 100)

    async def read() -> None:
        player = make_player(HEAD)
        task = asyncio.create_task(Endless(None).read_ahead(player))  # type: ignore[arg-type]
        for played in (0, 10, 20):
            player.move(PLAYED_SECONDS * played / 30)
            while player.wants_more:  # noqa: ASYNC110
                await asyncio.sleep(0)
            assert player.known_until <= player.at + AHEAD + HOUR
            assert len(player._coming) <= 100 * (AHEAD / HOUR + 1)
            assert len(player._latest) <= MAX_KEPT
        task.cancel()

    asyncio.run(read())


def test_player_plays_what_is_known_where_the_rest_fails():
    class Failing(MonthSimulation):
        sent = 0

        async def read(self) -> Mapping[str, Any]:
            self.sent += 1
            if self.sent > 24:
                raise PluginError("there is too much")
            return hour(self.sent - 1, (0, "a", "running", "due"))

    player = make_player(HEAD)
    asyncio.run(Failing(None).read_ahead(player))  # type: ignore[arg-type]
    player.move(PLAYED_SECONDS)
    assert player.is_over
    assert "  24 decisions" in text_of(player)
    assert "only up to Sun 29 Nov 20:30: there is too much" in text_of(player)


def test_answer_lists_what_is_assumed_and_some_decisions_of_each_hour(tmp_path: Path):
    config = tmp_path / "rae.toml"
    jobs = [f'[jobs.j{number}]\ncommand = ["true"]\nschedule = "* * * * *"\n' for number in range(10)]
    guarded = '[jobs.guarded]\ncommand = ["true"]\nschedule = "*/5 * * * *"\nguards = ["power"]\n'
    config.write_text(f'state = "{tmp_path}/state"\n' + "".join(jobs) + guarded)
    config.chmod(0o600)
    head, first, second = (one for one, _ in zip(answer(config), range(3), strict=False))
    assert 'guard "power" of "guarded" says yes' in head["assumptions"]
    for one in (first, second):
        assert len(one["decisions"]) == MAX_STEP_DECISIONS
        assert one["left"].total() == 612 - MAX_STEP_DECISIONS


@asynccontextmanager
async def _silent(_: object) -> AsyncIterator[MonthSimulation]:
    """Simulate and never answer."""
    silent.append("open")
    try:
        yield _Silent(None)  # type: ignore[arg-type]
    finally:
        silent.append("closed")


silent: list[str] = []


class _Silent(MonthSimulation):
    async def read(self) -> Mapping[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError


def test_escape_ends_a_simulation_that_has_not_answered(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    silent.clear()
    monkeypatch.setattr(f"{APP}.simulate_month", _silent)

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("space")
        assert "nothing is played; press s" in _text_of(app, "keys")
        await pilot.press("full_stop", "s")
        await _until(pilot, lambda: silent == ["open"])
        assert "simulating the coming month …" in _text_of(app, "pane")
        assert "simulation" in _text_of(app, "title")
        for key in ("space", "full_stop"):
            await pilot.press(key)
            assert "has not begun to play yet; Esc ends it" in _text_of(app, "keys")
        await pilot.press("escape")
        await _until(pilot, lambda: silent == ["open", "closed"])
        await _until(pilot, lambda: "output of backup-home" in _text_of(app, "pane"))
        assert "simulation" not in _text_of(app, "title")

    _drive(world, steps)


def test_view_plays_as_long_as_the_clock_says(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    class Whole(MonthSimulation):
        sent = 0

        async def read(self) -> Mapping[str, Any]:
            self.sent += 1
            return HEAD if self.sent == 1 else hour(self.sent - 2, (0, "a", "running", "due"))

    @asynccontextmanager
    async def simulate(_: object) -> AsyncIterator[MonthSimulation]:
        yield Whole(None)  # type: ignore[arg-type]

    seconds = iter(range(1_000_000))
    moved: list[float] = []
    move = Player.move
    monkeypatch.setattr(f"{APP}.monotonic", lambda: float(next(seconds)))
    monkeypatch.setattr(Player, "move", lambda self, by: (moved.append(by), move(self, by))[1])
    monkeypatch.setattr(f"{APP}.simulate_month", simulate)

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("s")
        await _until(pilot, lambda: "720 decisions" in _text_of(app, "pane"))
        assert set(moved) == {1.0}
        await pilot.press("space")
        assert "the month is over; press s" in _text_of(app, "keys")

    _drive(world, steps)


def test_failed_simulation_is_said(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("s")
        await _until(pilot, lambda: "no configuration to simulate; name one with --config" in _text_of(app, "keys"))
        assert "simulation" not in _text_of(app, "title")

    _drive(world, steps)


def test_process_of_a_simulation_ends_with_it(tmp_path: Path):
    config = tmp_path / "rae.toml"
    config.write_text("[jobs.broken]\nshell = 3\n")

    async def simulate() -> int | None:
        with pytest.raises(PluginError, match=r"can't simulate: .*broken"):
            async with simulate_month(config) as month:
                await month.read()
        config.write_text('[jobs.a]\ncommand = ["true"]\nschedule = "* * * * *"\n')
        async with simulate_month(config) as month:
            await month.read()
            assert month._process.returncode is None
        return month._process.returncode

    assert asyncio.run(simulate()) not in (None, 0)


def test_simulation_that_is_not_read_ends_with_its_view(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Lines that nothing reads must not hold up its end."""
    (tmp_path / "endless").write_text("#!/bin/sh\nexec yes 0123456789012345678901234567890123456789\n")
    (tmp_path / "endless").chmod(0o700)
    monkeypatch.setattr(player, "sys", SimpleNamespace(executable=str(tmp_path / "endless")))

    async def leave() -> int | None:
        async with simulate_month(tmp_path / "rae.toml") as simulation:
            stdout: Any = simulation._process.stdout
            await until(lambda: stdout._paused)
        return simulation._process.returncode

    async def leave_in_time() -> int | None:
        async with asyncio.timeout(30):
            return await leave()

    assert asyncio.run(leave_in_time()) == -signal.SIGKILL
