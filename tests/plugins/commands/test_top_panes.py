"""Panes of `rae-auto top` over real records."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from attrs import evolve
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.screens import load_job_list, open_records
from rae_auto.views.screens.parts.base import UpcomingStart
from rae_auto.views.screens.parts.record_source import JobsFound, JobSpan
from rae_auto.views.screens.timeline import build_timeline
from rae_plugins.commands.top import panes as panes_of_top
from rae_plugins.commands.top.cells import activity_mark, state_mark
from rae_plugins.commands.top.frame import PANE_NAMES, PaneRequest
from rae_plugins.commands.top.panes import HANGING, day_lines, load_pane
from rae_plugins.commands.top.styled_lines import Part, cells_of, hang, line, plain_text

NOON, HOUR = datetime(2026, 11, 28, 12, tzinfo=UTC), timedelta(hours=1)

JOBS = """
[jobs.bad]
shell = 'printf "\\033[31mno disk\\033[0m\\n"; exit 3'
"""


def test_panes_show_a_failed_run_its_life_and_the_health(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    run = daemons.ask("trigger", job="bad")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)

    async def read() -> dict[str, str]:
        async with open_records(str(daemons.config)) as source:
            (row,) = (await load_job_list(source)).rows
            place = PaneRequest(row, 100, 30)
            panes = {name: await load_pane(name, source, place) for name in PANE_NAMES}
            return {name: "\n".join(map(plain_text, lines)) for name, lines in panes.items()}

    panes = asyncio.run(read())
    daemons.stop()
    assert panes["output"].splitlines()[-1] == "no disk", "colours are shown, not printed"
    assert "attempt 1: failed" in panes["life"]
    assert "exit code 3" in panes["life"]
    assert "store" in panes["health"]
    assert "failed" in panes["history"]
    assert all(panes.values())
    assert not any(cells_of([Part(one)]) > 100 for name in HANGING for one in panes[name].splitlines())


@pytest.mark.parametrize("width", [40, 60])
def test_long_text_goes_on_below_itself(width: int) -> None:
    text = "its guard says no: it is Monday in Europe/Berlin, outside tue-fri"
    first, second, *_ = lines = hang(line("    ", Part("✕"), Part(" guards: ", "muted"), Part(text, "bad")), width)
    assert plain_text(first).startswith("    ✕ guards: its guard says no:")
    assert plain_text(second).index(second[-1].text) == len("    ✕ guards: ")
    assert second[-1].role == "bad"
    assert all(cells_of(one) <= width for one in lines)
    assert " ".join(one[-1].text for one in lines) == text


def test_line_that_fits_or_has_no_room_for_that_stays_as_it_is() -> None:
    for parts in ((), line("a text"), line("  ", "a text"), line(" " * 30, "a text that is too long for the rest")):
        assert hang(parts, 40) == [parts]


def test_panes_of_next_and_history_read_no_trends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    for number in range(2):
        run = daemons.ask("trigger", job="bad", request=str(number))["run_id"]
        eventually(lambda run=run: daemons.ask("history", run=run)[0]["finished_at"] is not None)

    async def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("trends are asked for, which nothing shows")

    async def read() -> dict[str, str]:
        async with open_records(str(daemons.config)) as source:
            (row,) = (await load_job_list(source)).rows
            monkeypatch.setattr(type(source), "trends", refuse)
            place = PaneRequest(row, 100, 30)
            panes = {name: await load_pane(name, source, place) for name in ("next", "history")}
            return {name: "\n".join(map(plain_text, lines)) for name, lines in panes.items()}

    panes = asyncio.run(read())
    daemons.stop()
    assert panes["history"].startswith("2 occurrences")
    assert "overlap" in panes["next"]


def test_start_that_a_guard_forbids_has_the_mark_of_a_skip() -> None:
    starts = [UpcomingStart("a", NOON + 3 * HOUR, None, "no"), UpcomingStart("a", NOON + 6 * HOUR, NOON + 6 * HOUR)]
    span = JobSpan(
        runs=[], skips=[], counts=[], run_count=0, skip_count=0, earlier=[], starts=starts,
        starts_until=NOON + 12 * HOUR,
    )  # fmt: skip
    axis, row = read_day(span)
    assert row.index("○") < row.index("▫")
    assert "…" not in row
    assert axis.split() == ["01:00", "04:00", "07:00", "10:00", "13:00", "16:00", "19:00", "22:00"]
    _, cut = read_day(evolve(span, starts_until=NOON + 8 * HOUR))
    assert cut.endswith("…"), "more starts are expected than are known"


def read_day(span: JobSpan) -> tuple[str, str]:
    """Return the axis and the row of a job on the timeline of a day."""
    timeline = build_timeline(
        JobsFound([{"id": "a"}], 1, 1), {"a": span}, counts=[], skips=[], bands=[], max_parallel=4, now=NOON,
        zone="UTC", since=NOON - 12 * HOUR, until=NOON + 12 * HOUR,
    )  # fmt: skip
    source: Any = SimpleNamespace(zone=UTC)
    axis, row, *_ = map(plain_text, day_lines(timeline, source, 80))
    return axis, row


@pytest.mark.parametrize("state", ["failed", "timed_out", "lost", "cancelled", "interrupted"])
def test_idle_job_has_the_sign_of_its_last_end(state: str) -> None:
    row: Any = SimpleNamespace(activity="idle", failures=1, last_state=state, is_overdue=False, is_too_long=False)
    assert activity_mark(row) == state_mark(state)


@pytest.mark.parametrize(("state", "attempts", "words"), [
    ("retrying", 1, "attempt 1: waits for the next attempt"), ("failed", 3, "attempt 3 of 3: failed"),
    ("running", 1, "attempt 1: running"),
])  # fmt: skip
def test_output_names_an_attempt_that_will_be_repeated(
    monkeypatch: pytest.MonkeyPatch, state: str, attempts: int, words: str
) -> None:
    page = SimpleNamespace(
        run_id="R", attempt=attempts, attempts=attempts, state=state, is_growing=state != "failed", lines=()
    )  # fmt: skip

    async def load(*_: object) -> Any:
        return page

    monkeypatch.setattr(panes_of_top, "load_output_end", load)
    row: Any = SimpleNamespace(history=SimpleNamespace(latest_run=SimpleNamespace(run_id="R")))
    source: Any = None
    head, *_ = asyncio.run(panes_of_top.load_output(source, PaneRequest(row, 80, 9)))
    assert plain_text(head) == f"run R, {words}"
