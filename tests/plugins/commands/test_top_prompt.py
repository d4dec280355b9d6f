"""Actions in `rae-auto top` on jobs that aren't selected: from lines about what needs a person, and typed ones."""

from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.commands.test_top import _drive, _text_of, _until, world
from tests.plugins.commands.top_values import NOW, ROWS, FixedWorld, make_overview

from rae_auto.screens import Action, Attention, Extent
from rae_plugins.commands.top.app import TopApp
from rae_plugins.commands.top.job_scroller import JobScroller

__all__ = ["world"]

FAILED = make_overview().attention[0]
WAITING = Attention(
    kind="waiting",
    job="index-mail",
    run_id="run-1-9",
    since=NOW - timedelta(hours=1),
    why="index-mail has been waiting for 1 h: photos is running",
    action=Action("cancel", "run-1-9", "cancel", "rae-auto cancel run-1-9"),
)
PROBLEM = Attention(
    kind="problem",
    job=None,
    since=None,
    why="the disk is nearly full",
    action=Action("doctor", "", "see what to do", "rae-auto doctor"),
)


def show(world: FixedWorld, *attention: Attention) -> None:
    world.overview = evolve(
        make_overview(), attention=attention, attention_extent=Extent(len(attention), len(attention))
    )


def selected(app: TopApp) -> str | None:
    row = app.query_one(JobScroller).selected
    return None if row is None else row.job


def test_number_of_a_line_acts_on_that_line(world: FixedWorld):
    show(world, FAILED, PROBLEM, WAITING)

    async def steps(app: TopApp, pilot: Any) -> None:
        first, second, third = _text_of(app, "attention").splitlines()
        assert first.endswith(" [1] run again ")
        assert second.endswith(" rae-auto doctor ")
        assert third.endswith(" [3] cancel ")
        await pilot.press("1")
        assert "photos: press 1 again to run again" in _text_of(app, "keys")
        await _until(pilot, lambda: selected(app) == "photos")
        assert world.client.calls == []
        await pilot.press("1")
        await _until(pilot, lambda: world.client.calls == [("trigger", {"job": "photos"})])
        await pilot.press("3", "3")
        await _until(pilot, lambda: world.client.calls[1:] == [("cancel", {"run": "run-1-9"})])
        assert selected(app) == "index-mail"
        for key in "24":
            await pilot.press(key, key)
            assert f"no line above has the key {key}" in _text_of(app, "keys")
        assert len(world.client.calls) == 2

    _drive(world, steps)


def test_second_press_on_a_line_that_has_moved_asks_again(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("1")
        show(world, WAITING, FAILED)
        app._changed.set()
        await _until(pilot, lambda: "[1] cancel" in _text_of(app, "attention"))
        await pilot.press("1")
        assert "index-mail: press 1 again to cancel" in _text_of(app, "keys")
        assert world.client.calls == []

    _drive(world, steps)


def test_number_of_a_line_finds_a_job_that_a_filter_hides(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("slash", *"back", "enter")
        await _until(pilot, lambda: app.query_one(JobScroller).total == 1)
        await pilot.press("1")
        await _until(pilot, lambda: selected(app) == "photos" and app.query_one(JobScroller).total == len(ROWS))

    _drive(world, steps)


def test_read_only_view_prints_no_key_beside_a_line(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        assert _text_of(app, "attention").endswith("  rae-auto trigger photos ")
        await pilot.press("1", "1")
        assert "--read-only" in _text_of(app, "keys")
        assert world.client.calls == []

    _drive(world, steps, read_only=True)


@pytest.mark.parametrize(
    ("typed", "call", "said"),
    [
        ("run photos", ("trigger", {"job": "photos"}), "started photos: run run-9"),
        ("cancel transcode", ("cancel", {"job": "transcode"}), "cancelled run-4-9 of transcode"),
        ("pause  photos", ("pause", {"job": "photos"}), "paused photos"),
        ("resume", ("resume", {"job": "backup-home"}), "resumed backup-home"),
    ],
)
def test_typed_command_acts_on_the_job_that_it_names(
    typed: str, call: tuple[str, dict[str, str]], said: str, world: FixedWorld
):
    world.client.answers["resume"] = {}

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("colon", *("space" if letter == " " else letter for letter in typed), "enter")
        await _until(pilot, lambda: said in _text_of(app, "keys"))
        assert world.client.calls == [call]
        assert app.query_one(JobScroller).total == len(ROWS)
        assert selected(app) == "backup-home"

    _drive(world, steps)


def test_typed_pane_is_about_the_job_that_it_names(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("colon", *"why", "space", *"photos", "enter")
        await _until(pilot, lambda: "why of photos" in _text_of(app, "pane"))
        assert selected(app) == "photos"
        await pilot.press("colon", *"life", "space", *"phot", "enter")
        await _until(pilot, lambda: 'no job "phot"' in _text_of(app, "keys"))
        assert "why of photos" in _text_of(app, "pane")
        assert app.query_one(JobScroller).total == len(ROWS)

    _drive(world, steps)


def test_all_jobs_are_seen_where_nothing_needs_a_person(world: FixedWorld):
    world.overview = make_overview(ok=True)

    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        assert table.size.height == len(ROWS)
        assert app.query_one("#lower").region.bottom == app.size.height - 1
        show(world, FAILED)
        app._changed.set()
        await _until(pilot, lambda: "[1] run again" in _text_of(app, "attention"))
        await _until(pilot, lambda: app.query_one("#attention").size.height == 1)
        await _until(pilot, lambda: table.size.height == len(ROWS))

    _drive(world, steps, size=(104, 30))


def test_jobs_have_their_lines_again_after_a_filter(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        height = table.size.height
        assert height >= len(ROWS)
        await pilot.press("slash", *"pho", "enter")
        await _until(pilot, lambda: table.total == 1)
        await pilot.pause()
        assert table.size.height == height
        await pilot.press("escape")
        await _until(pilot, lambda: table.total == len(ROWS))
        await pilot.pause()
        assert table.size.height == height

    _drive(world, steps, size=(104, 40))
