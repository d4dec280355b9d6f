"""The selected job of `rae-auto top`: it stays selected, and what its run prints is shown."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.plugins.commands.test_top import _drive, _text_of, _until, world
from tests.plugins.commands.top_values import NOW, ROWS, FixedRecords, FixedWorld, make_overview, make_row

from rae_plugins.commands.top.actions import edit_command
from rae_plugins.commands.top.app import TopApp
from rae_plugins.commands.top.job_scroller import JobScroller
from rae_plugins.commands.top.styled_lines import Part, line

__all__ = ["world"]


def test_selected_job_stays_selected_when_others_come_and_go(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        await pilot.press("j", "j")
        assert table.selected is not None
        assert table.selected.job == "photos"
        for rows in (
            (make_row(1, "added"), make_row(2, "another"), *ROWS),
            ROWS[1:],
            (make_row(3, "again"), *ROWS[1:]),
        ):
            world.rows = rows
            app._changed.set()
            names = [row.job for row in rows]
            await _until(pilot, lambda names=names: [row.job for row in table.known_rows()] == names)
            assert table.selected.job == "photos"
            assert table.cursor == names.index("photos")
        await pilot.press("r")
        await _until(pilot, lambda: ("trigger", {"job": "photos"}) in world.client.calls)
        world.rows = ROWS[:2]
        app._changed.set()
        await _until(pilot, lambda: table.total == 2)
        assert table.selected.job == ROWS[1].job

    _drive(world, steps)


def test_job_that_is_out_of_sight_stays_selected(monkeypatch: pytest.MonkeyPatch):
    jobs = tuple(make_row(number % 9, f"job-{number:05}") for number in range(1_000))
    world = FixedWorld(jobs)
    world.install(monkeypatch)

    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        await pilot.press("j", "j")
        table.scroll_to(y=500, animate=False)
        await _until(pilot, lambda: any(row.job == "job-00500" for row in table.known_rows()))
        world.rows = (make_row(1, "added"), *jobs)
        app._changed.set()
        await _until(pilot, lambda: table.total == 1_001)
        assert table.selected is None or table.selected.job == "job-00002"
        table.scroll_to(y=0, animate=False)
        await _until(pilot, lambda: table.selected is not None and table.selected.job == "job-00002")
        assert table.cursor == 3

    _drive(world, steps)


def test_job_stays_selected_when_more_come_before_it_than_are_read(monkeypatch: pytest.MonkeyPatch):
    jobs = tuple(make_row(number % 9, f"m{number:03}") for number in range(40))
    world = FixedWorld(jobs)
    world.install(monkeypatch)

    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        await pilot.press(*"jjjjj")
        world.rows = (*(make_row(number % 9, f"a{number:03}") for number in range(200)), *jobs)
        app._changed.set()
        await _until(pilot, lambda: table.total == 240)
        # Until it is found no other one is selected, which a key would start.
        assert table.selected is None or table.selected.job == "m005"
        await _until(pilot, lambda: table.selected is not None)
        assert (table.cursor, table.selected and table.selected.job) == (205, "m005")
        await pilot.press("r")
        await _until(pilot, lambda: ("trigger", {"job": "m005"}) in world.client.calls)
        world.rows = tuple(row for row in world.rows if row.job != "m005")
        app._changed.set()
        await _until(pilot, lambda: table.selected is not None and table.selected.job == "m006")

    _drive(world, steps)


def test_rows_that_are_read_for_another_filter_are_not_shown(monkeypatch: pytest.MonkeyPatch):
    world = FixedWorld(ROWS)
    world.install(monkeypatch)
    gates: dict[str, asyncio.Event] = {}

    async def load(source: object, text: str = "", **part: Any) -> Any:
        jobs = await FixedWorld._load_job_list(world, source, text, **part)
        if text in gates:
            await gates[text].wait()
        return jobs

    monkeypatch.setattr("rae_plugins.commands.top.reading.load_job_list", load)

    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        gates[""] = asyncio.Event()
        app._changed.set()
        await pilot.press("slash", *"photos")
        await _until(pilot, lambda: table.total == 1)
        gates[""].set()
        await pilot.pause()
        assert table.total == 1
        assert table.selected is not None
        assert table.selected.job == "photos"

    _drive(world, steps)


def test_pane_that_is_read_for_long_does_not_replace_a_newer_one(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    reads: list[str] = []
    gate = asyncio.Event()

    async def load(name: str, source: object, place: Any) -> Any:
        reads.append(f"{name} of {place.row.job}")
        if reads[-1] == "output of transcode":
            await gate.wait()
        return await FixedWorld._load_pane(world, name, source, place)

    monkeypatch.setattr("rae_plugins.commands.top.reading.load_pane", load)

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press(*"jjjj")
        await _until(pilot, lambda: "output of transcode" in reads)
        for _ in range(5):
            app._tick()
            await pilot.pause()
        # Those that follow the selection and events, and one that reads it again each second.
        assert reads.count("output of transcode") <= 3
        await pilot.press("w")
        await _until(pilot, lambda: "why of transcode" in _text_of(app, "pane"))
        gate.set()
        await _until(pilot, lambda: all(work.is_finished for work in app.workers if work.group in ("output", "pane")))
        assert "why of transcode" in _text_of(app, "pane")

    _drive(world, steps)


def test_output_of_a_run_that_goes_on_is_read_each_second(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    printed = ["one"]

    async def load(name: str, _: object, place: Any) -> Any:
        return [line(Part(f"{name} of {place.row.job}: {printed[-1]}", "muted"))]

    monkeypatch.setattr("rae_plugins.commands.top.reading.load_pane", load)

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("j", "j", "j", "j")
        await _until(pilot, lambda: "output of transcode: one" in _text_of(app, "pane"))
        printed.append("two")
        await _until(pilot, lambda: "output of transcode: two" in _text_of(app, "pane"))

    _drive(world, steps)


def test_editor_and_others_start_without_the_working_directory():
    assert edit_command("a", None)[1] == "-P"


def test_no_job_matches_only_once_jobs_are_read(world: FixedWorld):
    async def steps(app: TopApp, _: Any) -> None:
        table = app.query_one(JobScroller)
        table.forget_rows()
        assert table.render_line(0).text.strip() == "…"
        table.show_rows(0, (), 0)
        assert table.render_line(0).text.strip() == "no job matches"

    _drive(world, steps)


def test_distance_of_the_next_start_goes_on(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    world.overview = make_overview(ok=True)
    now, shown = [NOW], []
    monkeypatch.setattr(FixedRecords, "now", lambda _: now[0])
    show = TopApp._show
    monkeypatch.setattr(TopApp, "_show", lambda self, where, lines: (shown.append(where), show(self, where, lines))[1])

    async def steps(app: TopApp, pilot: Any) -> None:
        assert 'next "backup-home" in 5 min' in _text_of(app, "verdict")
        for passed, distance in ((60, "in 4 min"), (299, "in 1 s"), (301, "due now")):
            now[0] = NOW + timedelta(seconds=passed)
            await _until(pilot, lambda distance=distance: distance in _text_of(app, "verdict"))
        drawn = app.query_one("#verdict").render()
        shown.clear()
        await _until(pilot, lambda: "verdict" in shown)
        assert app.query_one("#verdict").render() is drawn, "the same text isn't sent again"

    _drive(world, steps)
