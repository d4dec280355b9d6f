"""Pictures of `rae-auto top` over a store with days of a life in it, with a clock that stands still."""

import asyncio
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.commands.test_top_store import SNAPSHOTS, settled_picture, until_shown
from tests.support.lived_store import live, stop_clocks
from tests.support.pictures import check_picture

from rae_auto.testing.commands import FakeContext
from rae_plugins.commands.top.app import TopApp

PICTURES = {
    # Name: size, keys, a word of the lower pane.
    "lived_wide": ((200, 50), [], "it printed nothing"),
    "lived": ((120, 34), ["G", "k", "k", "u"], "verified gone"),
    "lived_narrow": ((60, 20), ["G", "k", "k", "k", "h"], "overlap"),
    "lived_timeline": ((120, 34), ["t"], "skipped"),
}


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    return live(tmp_path_factory.mktemp("lived"))


@pytest.mark.parametrize("name", PICTURES)
def test_picture_of_a_lived_store_is_as_in_its_snapshot(
    name: str, lived: tuple[Path, datetime], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, now = lived
    stop_clocks(monkeypatch, now)
    size, keys, word = PICTURES[name]

    async def drive() -> str:
        app = TopApp(FakeContext(config.parent / "state", config=config))
        async with app.run_test(size=size) as pilot:
            await app.is_ready.wait()
            await until_shown(app, pilot, "verdict", "2 jobs failed last time")
            # The starts to come are computed by a process of their own.
            async with asyncio.timeout(60):
                while "··" in str(app.query_one("#day").render()):
                    await pilot.pause(0.05)
            await settled_picture(app, pilot)
            for key in keys:
                await pilot.press(key)
                await settled_picture(app, pilot)
            await until_shown(app, pilot, "pane", word)
            return await settled_picture(app, pilot)

    picture = comparable(asyncio.run(drive()))
    check_picture(picture, SNAPSHOTS / f"top_{name}.svg")


def comparable(picture: str) -> str:
    """Return the picture without the number that Textual gives it."""
    found: Any = re.search(r"terminal-(\d+)-", picture)
    return "\n".join(one.rstrip() for one in picture.replace(f"terminal-{found[1]}-", "t-").splitlines()) + "\n"
