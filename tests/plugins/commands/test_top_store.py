"""`rae-auto top` over a real store, without a daemon: its picture is compared with a snapshot."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.benchmarks.measuring import histories
from tests.support.pictures import UPDATE, check_picture

from rae_auto.records.state_directory import claim_state_directory
from rae_auto.testing.commands import FakeContext
from rae_plugins.commands.top.app import TopApp
from rae_plugins.commands.top.palette import without_remote_fonts

SNAPSHOTS = Path(__file__).resolve().parents[2] / "snapshots"
JOBS, RUNS, LONG_AGO = 6, 120, "36500d"

Steps = Callable[[TopApp, Any], Awaitable[None]]


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration with a store of some runs, which all have the same instants each time."""
    monkeypatch.setenv("RAE_STATE_DIR", str(tmp_path / "state"))
    histories.fill(claim_state_directory(tmp_path / "state"), RUNS, JOBS).close()
    config = tmp_path / "rae.toml"
    tables = [f'[jobs.job-{number}]\ncommand = ["true"]\n' for number in range(JOBS)]
    rules = f'[history]\nkeep = "{LONG_AGO}"\nkeep_failures = "{LONG_AGO}"\n'
    config.write_text("\n".join(['timezone = "Europe/Berlin"', rules, *tables]))
    config.chmod(0o600)
    return config


def take_picture(config: Path, size: tuple[int, int], steps: Steps) -> str:
    """Return the screen as it is after some steps, with another time for the day around now."""

    async def drive() -> str:
        app = TopApp(FakeContext(config.parent / "state", config=config))
        async with app.run_test(size=size) as pilot:
            await app.is_ready.wait()
            await steps(app, pilot)
            return await settled_picture(app, pilot)

    picture = asyncio.run(drive())
    found = re.search(r"terminal-(\d+)-", picture)
    assert found is not None
    picture = re.sub(r"\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun)&#160;\d\d:\d\d", "Sat&#160;12:00", picture)
    return "\n".join(one.rstrip() for one in picture.replace(f"terminal-{found[1]}-", "t-").splitlines()) + "\n"


async def settled_picture(app: TopApp, pilot: Any) -> str:
    """Return the screen once it is the same as some moments before: what was asked for is drawn a little later."""
    seen: list[str] = []
    while len(seen) < 4 or len(set(seen[-4:])) > 1:
        await pilot.pause(0.1)
        seen.append(without_remote_fonts(app.export_screenshot(title="rae-auto top")))
    return seen[-1]


async def until_shown(app: TopApp, pilot: Any, part: str, words: str) -> None:
    async with asyncio.timeout(60):
        while words not in str(app.query_one(f"#{part}").render()):
            await pilot.pause(0.02)


@pytest.mark.parametrize(("name", "size"), [("narrow", (60, 20)), ("wide", (120, 24))])
def test_picture_of_a_store_is_as_in_its_snapshot(name: str, size: tuple[int, int], config: Path) -> None:
    async def select_the_second(app: TopApp, pilot: Any) -> None:
        await until_shown(app, pilot, "verdict", "No daemon")
        # One after the other: the end of an output is scrolled to after it is drawn.
        await until_shown(app, pilot, "pane", f"run {RUNS - JOBS:026}")
        await settled_picture(app, pilot)
        await pilot.press("j")
        await until_shown(app, pilot, "pane", f"run {RUNS - JOBS + 1:026}")
        await settled_picture(app, pilot)
        await pilot.press("h")
        await until_shown(app, pilot, "pane", "20 occurrences")

    picture = take_picture(config, size, select_the_second)
    check_picture(picture, SNAPSHOTS / f"top_{name}.svg")


def test_picture_is_written_only_where_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "view.svg"
    monkeypatch.delenv(UPDATE, raising=False)
    with pytest.raises(AssertionError, match="is missing"):
        check_picture("a picture", snapshot)
    assert not snapshot.exists()
    monkeypatch.setenv(UPDATE, "1")
    check_picture("a picture", snapshot)
    monkeypatch.delenv(UPDATE)
    check_picture("a picture", snapshot)
    with pytest.raises(AssertionError, match="no longer"):
        check_picture("another picture", snapshot)
