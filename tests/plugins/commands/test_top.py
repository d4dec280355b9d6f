"""`rae-auto top`: the frames as text, and the screen driven by Textual's Pilot over fixed values."""

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.commands.top_values import NOW, ROWS, ZONE, FixedWorld, make_overview, make_row
from tests.support.pictures import check_picture
from wcwidth import wcswidth

from rae_auto.model.primitives.formatting import time_format
from rae_auto.screens import Extent, JobHistory, JobList, UsualDuration
from rae_auto.testing.commands import CommandConformance
from rae_auto.toolkit.extras import install_command
from rae_plugins.commands.top import MISSING_EXTRA, TopCommand
from rae_plugins.commands.top.app import TopApp
from rae_plugins.commands.top.cells import clock_text
from rae_plugins.commands.top.frame import header_line, job_line, whole_frame
from rae_plugins.commands.top.job_scroller import MAX_HELD_ROWS, JobScroller
from rae_plugins.commands.top.live import sentence_of
from rae_plugins.commands.top.palette import styled_strip, styled_text, without_remote_fonts
from rae_plugins.commands.top.styled_lines import Part, line, plain_text

ROOT = Path(__file__).resolve().parents[3]
PICTURE = ROOT / "docs" / "reference" / "plugins" / "commands" / "top.svg"

FRAME = """\
 ▲ 1 job failed last time: "photos" (6 jobs)                                    rae-auto 0.1.0, pid 4711
 ! photos failed, 2 times in a row: exit code 3                                  rae-auto trigger photos
 ◔ index-mail waits: photos is running

   job                             next         last           took         usually      last ten
 · backup-home                     21:35        ● 21:27        2 s          ~2 s         ●●●●●●●●●●
 · index-mail                      21:46        ● 21:20        3 s          ~3 s         ●●●○○○●●●●
 ✕ photos                          21:57        ✕ 21:13        4 s          ~4 s         ●●●●●●●●✕✕
 ‖ report                          paused       ● 21:06        5 s          ~5 s          ●●●●●●●●●
 ▶ transcode                       -            ● 20:59        3 min…       ~6 s         ●●●●●●●●●▶
 · weekly-digest                   22:30          never

   next starts
   21:35        backup-home"""


class TestConformance(CommandConformance):
    @pytest.fixture
    def plugin(self) -> TopCommand:
        return TopCommand()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> FixedWorld:
    world = FixedWorld()
    world.install(monkeypatch)
    return world


def _drive(
    world: FixedWorld,
    steps: Callable[[TopApp, Any], Awaitable[None]],
    size: tuple[int, int] = (104, 24),
    **options: Any,
) -> None:
    async def drive() -> None:
        app = TopApp(world.context(Path("/nowhere")), **options)
        async with app.run_test(size=size) as pilot:
            await app.is_ready.wait()
            await pilot.pause()
            await steps(app, pilot)

    asyncio.run(drive())


def _text_of(app: TopApp, part: str) -> str:
    return str(app.query_one(f"#{part}").render())


async def _until(pilot: Any, is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        await pilot.pause(0.02)


@pytest.mark.parametrize(
    ("job", "shown"),
    [
        ("photos", " · photos  The photos of the whol… 21:57 "),
        ("photos-of-the-family-2026", " · photos-of-the-family-2026 "),
    ],
    ids=["room for it", "long id"],
)
def test_row_has_the_name_for_people_as_far_as_there_is_room(job, shown):
    row = evolve(make_row(2, job), name="The photos of the whole family")
    text = plain_text(job_line(row, ZONE, NOW, 105))
    assert text.startswith(shown), text
    assert len(text) == len(plain_text(job_line(make_row(2, job), ZONE, NOW, 105)))


@pytest.mark.parametrize(
    ("states", "words"), [("", "never"), ("r", "never"), ("ss", "skipped"), ("sr", "skipped"), ("gsr", "-")]
)
def test_row_without_a_result_says_whether_starts_were_skipped(states: str, words: str):
    row = evolve(make_row(1, "photos", states), last_state=None, last_ended_at=None)
    assert f" {words}" in plain_text(job_line(row, ZONE, NOW, 105))


def test_frame_shows_everything_in_lines():
    jobs = JobList(now=NOW, zone=ZONE.key, text="", offset=0, rows=ROWS, extent=Extent(6, 6))
    assert "\n".join(map(plain_text, whole_frame(make_overview(), jobs, ZONE, 105))) == FRAME


def test_frame_says_which_jobs_it_leaves_out():
    jobs = JobList(now=NOW, zone=ZONE.key, text="", offset=0, rows=ROWS, extent=Extent(6, 10_000))
    text = "\n".join(map(plain_text, whole_frame(make_overview(), jobs, ZONE, 80)))
    assert "showing 6 of 10,000 jobs" in text
    assert max(map(len, text.splitlines())) <= 80


WIDE_ROWS = (
    make_row(7, "バックアップ"),
    make_row(8, "cafe\u0301"),
    make_row(9, "🚀-launch-of-all-rockets-that-there-are"),
)


@pytest.mark.parametrize("width", [20, 40, 79, 80, 120, 200])
def test_rows_fit_into_any_width(width: int):
    assert all(wcswidth(plain_text(job_line(row, ZONE, NOW, width))) <= width for row in ROWS + WIDE_ROWS)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_columns_line_up_beside_wide_characters(width: int):
    rows = [plain_text(job_line(row, ZONE, NOW, width)) for row in WIDE_ROWS]
    # The times of the next starts differ, so that each is looked for by itself.
    due = [clock_text(row.next_at, ZONE, NOW) for row in WIDE_ROWS]
    places = {wcswidth(text[: text.index(f"{at} ")]) for text, at in zip(rows, due, strict=True)}
    assert places == {wcswidth(plain_text(header_line(width)).partition("next")[0])}


@pytest.mark.parametrize(("width", "columns"), [(40, "job next last ten"), (57, "job next last last ten")])
def test_narrow_frame_leaves_out_columns_and_no_words(width: int, columns: str):
    overview = make_overview()
    why = "写真のバックアップ failed, 2 times in a row: the disk of the archive can't be reached over the network"
    overview = evolve(overview, attention=(evolve(overview.attention[0], why=why),))
    jobs = JobList(now=NOW, zone=ZONE.key, text="", offset=0, rows=ROWS, extent=Extent(6, 6))
    lines = [plain_text(parts) for parts in whole_frame(overview, jobs, ZONE, width)]
    assert max(map(wcswidth, lines)) <= width
    assert columns.split() in [text.split() for text in lines]
    whole = " ".join(" ".join(lines).split())
    assert overview.verdict in whole
    assert why in whole
    assert "→ rae-auto trigger photos" in whole


LONG = timedelta(minutes=12, seconds=54)
FULLEST = make_row(
    0,
    "backup-home",
    next_at=NOW + timedelta(days=9),
    last_ended_at=NOW - timedelta(days=9),
    took=LONG,
    history=JobHistory(usual=UsualDuration(LONG, LONG, 30), marks=ROWS[0].history.marks),
)


@pytest.mark.parametrize("width", [*range(57, 90), 200])
def test_texts_of_any_length_keep_a_gap_between_columns(width: int):
    text = plain_text(job_line(FULLEST, ZONE, NOW, width))
    columns = header_line(width)[0].text.removesuffix("last ten").split()
    shown = {"next": "07 Dec 21:30", "last": "● 19 Nov 21:30", "took": "12 min 54 s", "usually": "~12 min 54 s"}
    for column in {*columns} & {*shown}:
        assert f" {shown[column]} " in text, column


def test_screen_shows_verdict_jobs_and_output(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        assert '1 job failed last time: "photos"' in _text_of(app, "verdict")
        assert "[1] run again" in _text_of(app, "attention")
        assert "output of backup-home" in _text_of(app, "pane")

    _drive(world, steps)


def test_lower_pane_follows_the_selection(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("j", "j", "w")
        await _until(pilot, lambda: "why of photos" in _text_of(app, "pane"))
        await pilot.press("k", "n")
        await _until(pilot, lambda: "next of index-mail" in _text_of(app, "pane"))

    _drive(world, steps)


def test_step_of_the_selection_draws_two_rows(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    drawn: list[str] = []

    def draw(row: Any, *place: Any) -> Any:
        drawn.append(row.job)
        return job_line(row, *place)

    monkeypatch.setattr("rae_plugins.commands.top.frame.job_line", draw)

    async def steps(app: TopApp, pilot: Any) -> None:
        drawn.clear()
        await pilot.press("j")
        await _until(pilot, lambda: "output of index-mail" in _text_of(app, "pane"))
        # The row of what runs is drawn each second as well.
        assert set(drawn) - {"transcode"} == {"backup-home", "index-mail"}

    _drive(world, steps)


def test_filter_keeps_jobs_by_name(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        await pilot.press("slash", "p", "h", "o")
        await _until(pilot, lambda: table.total == 1 and table.selected is not None)
        assert table.selected is not None
        assert table.selected.job == "photos"
        await pilot.press("enter", "escape")
        await _until(pilot, lambda: table.total == len(ROWS))

    _drive(world, steps)


def test_keys_and_commands_act_on_the_selected_job(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("r")
        await _until(pilot, lambda: "started backup-home: run run-9" in _text_of(app, "keys"))
        await pilot.press("j", "j", "j", "j", "x")
        assert "press x again to cancel 1 open of transcode" in _text_of(app, "keys")
        assert ("cancel", {"job": "transcode"}) not in world.client.calls
        await pilot.press("x")
        await _until(pilot, lambda: ("cancel", {"job": "transcode"}) in world.client.calls)
        await pilot.press("colon", *"pause", "enter")
        await _until(pilot, lambda: ("pause", {"job": "transcode"}) in world.client.calls)
        await pilot.press("colon", *"sing", "enter")
        shown = _text_of(app, "keys")
        assert 'unknown command "sing"; use one of run, cancel, pause, ' in shown
        assert len(set(shown.split("one of ")[1].split(", "))) == len(shown.split("one of ")[1].split(", "))
        asked = len(world.client.calls)
        await pilot.press("colon", *"run", "enter", "enter")
        await _until(pilot, lambda: "started transcode: run " in _text_of(app, "keys"))
        assert [name for name, _ in world.client.calls[asked:]].count("trigger") == 1

    _drive(world, steps)


def test_read_only_does_nothing_to_jobs(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("r", "p", "x", "e")
        await _until(pilot, lambda: "--read-only" in _text_of(app, "keys"))
        assert world.client.calls == []

    _drive(world, steps, read_only=True)


def test_terminal_without_room_for_an_editor_says_so(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("e")
        await _until(pilot, lambda: "use 'rae-auto edit backup-home' in another" in _text_of(app, "keys"))

    _drive(world, steps)


def test_enter_makes_the_pane_large_and_escape_goes_back(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("enter")
        await _until(pilot, lambda: app.query_one(JobScroller).size.height == 0)
        await pilot.press("escape", "question_mark")
        await _until(pilot, lambda: "help of" in _text_of(app, "pane"))
        await pilot.press("escape")
        await _until(pilot, lambda: "output of" in _text_of(app, "pane"))
        assert app.query_one(JobScroller).size.height > 0

    _drive(world, steps)


def test_ten_thousand_jobs_are_read_as_far_as_they_are_seen(monkeypatch: pytest.MonkeyPatch):
    world = FixedWorld(tuple(make_row(number % 9, f"job-{number:05}") for number in range(10_000)))
    world.install(monkeypatch)

    async def steps(app: TopApp, pilot: Any) -> None:
        table = app.query_one(JobScroller)
        assert table.total == 10_000
        await pilot.press("G")
        await _until(pilot, lambda: table.selected is not None and table.selected.job == "job-09999")
        await pilot.press("pageup", "g")
        await _until(pilot, lambda: table.selected is not None and table.selected.job == "job-00000")
        assert world.most_rows_read < 150
        assert len(table.known_rows()) <= MAX_HELD_ROWS

    _drive(world, steps)


def test_wide_and_tiny_screens_are_drawn(world: FixedWorld):
    async def steps(app: TopApp, pilot: Any) -> None:
        for size in ((20, 6), (80, 24), (300, 60), (104, 24)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await _until(pilot, lambda: "photos" in _text_of(app, "verdict"))

    _drive(world, steps)


def test_picture_in_the_docs_is_current(world: FixedWorld):
    pictures = []

    async def steps(app: TopApp, pilot: Any) -> None:
        await pilot.press("j", "j")
        await _until(pilot, lambda: "output of photos" in _text_of(app, "pane"))
        pictures.append(without_remote_fonts(app.export_screenshot(title="rae-auto top")))

    _drive(world, steps, size=(104, 26))
    [picture] = pictures
    picture = _without_ids(picture)
    check_picture(picture, PICTURE)
    assert "http" not in picture.replace("http://www.w3.org/2000/svg", "")


def _without_ids(picture: str) -> str:
    """Return a picture whose classes have the same names each time."""
    found = re.search(r"terminal-(\d+)-", picture)
    assert found is not None
    return "\n".join(line.rstrip() for line in picture.replace(f"terminal-{found[1]}-", "t-").splitlines()) + "\n"


def test_neighbours_of_one_style_are_sent_together():
    marks = (Part("●", "good"), Part(" "), Part("●", "good"), Part("✕", "bad"))
    day = line(Part("Sat", "muted"), *[Part(" ")] * 9, *marks)
    text = styled_text([day])
    assert text.plain == plain_text(day)
    assert [(span.start, span.end) for span in text.spans] == [(0, 12), (12, 15), (15, 16)]


def test_control_characters_of_a_job_are_shown_and_not_obeyed():
    parts = line("red \x1b[31m\tand\x07 \u202e back")
    shown = (styled_text([parts]).plain, "".join(segment.text for segment in styled_strip(parts, 80, "#000000")))
    assert all(text.rstrip().isprintable() and "\\x1b[31m" in text for text in shown)


def test_lines_of_the_pane_have_room_beside_its_scroll_bar(world: FixedWorld, monkeypatch: pytest.MonkeyPatch):
    async def load(_: str, __: object, place: Any) -> Any:
        return [line("x" * place.width)] * 40

    monkeypatch.setattr("rae_plugins.commands.top.reading.load_pane", load)

    async def look(app: TopApp, pilot: Any) -> None:
        await _until(pilot, lambda: "x" in _text_of(app, "pane"))
        await pilot.pause()
        assert app.query_one("#pane").size.height == 40

    _drive(world, look, size=(60, 18))


@pytest.mark.parametrize(
    ("event", "sentence"),
    [
        ({"kind": "run", "run": {"job": "a", "state": "running"}}, "a has started"),
        ({"kind": "run", "run": {"job": "a", "state": "starting"}}, None),
        ({"kind": "run", "run": {"job": "a", "state": "failed", "exit_code": 3}}, "a failed: exit code 3"),
        ({"kind": "run", "run": {"job": "a", "state": "timed_out", "reason_text": "1 h"}}, "a timed out: 1 h"),
        (
            {"kind": "decision", "job": "a", "outcome": "skip", "reason": "paused", "text": "it is paused"},
            "a was skipped: it is paused",
        ),
        ({"kind": "decision", "job": "a", "outcome": "run", "reason": "due", "text": "it was due"}, None),
        (
            {"kind": "decision", "job": "a", "outcome": "skip", "text": f"run 1 has been open since {NOW.isoformat()}"},
            "a was skipped: run 1 has been open since 21:30:00 CET",
        ),
        (
            {"kind": "run", "run": {"job": "a", "state": "queued", "reason_text": f"until {NOW.isoformat()}"}},
            "a waits to start: until 21:30:00 CET",
        ),
        (
            {"kind": "overrun", "job": "a", "over": False, "text": f"it has been running since {NOW.isoformat()}, ..."},
            "a: it has been running since 21:30:00 CET, ...",
        ),
        (
            {"kind": "overrun", "job": "a", "over": True, "text": "it has been running since ..."},
            "a no longer runs for longer than expected",
        ),
        (
            {"kind": "overdue", "job": "a", "over": True, "text": "no run has succeeded since ..."},
            "a is no longer overdue",
        ),
        ({"kind": "job", "job": "a", "change": "added"}, "a was added"),
        ({"kind": "event", "event": {}}, None),
        ({"kind": "configuration", "change": "reloaded", "timezone": "UTC"}, None),
    ],
)
def test_sentence_says_what_happened(event: dict[str, Any], sentence: str | None):
    assert sentence_of(event, time_format(ZONE, NOW, local=True)) == sentence


def test_missing_textual_is_named_with_a_hint(tmp_path: Path):
    code = "import sys; sys.modules['textual'] = None; sys.modules['rich'] = None\n"
    code += "from rae_auto.cli.program import run\nsys.exit(run(['top', '--svg', 'view.svg']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=50)
    assert (done.returncode, done.stderr) == (1, f"rae-auto: {MISSING_EXTRA.format(install_command('ui'))}\n")
