"""Pictures of screens, held against files: RAE_REWRITE=1 writes them again, to be looked at."""

import os
import re
import xml.etree.ElementTree as ET
from datetime import UTC, date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.support.day_numbers import day_numbers

from rae_auto import charts as published
from rae_auto.api.store import Append
from rae_auto.charts import (
    TimeAxis,
    concurrency_table,
    day_grid_table,
    draw_axis,
    draw_concurrency,
    draw_day,
    draw_lanes,
    draw_occurrences,
    draw_row,
    draw_run,
    draw_strip,
    draw_trend,
    lanes_table,
    occurrences_table,
    run_table,
    stand_alone,
    strip_table,
    timeline_table,
    trend_table,
)
from rae_auto.explain.trend_reads import read_trends
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.primitives.formatting import format_elapsed
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, MaxParallel, Overlapping, RetryDelayed
from rae_auto.model.run import MAY_BE_LEFT, Attempt, Result, Run, RunState, TreeEnd
from rae_auto.reading.parsing import parse_trends
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views import charts
from rae_auto.views.charts.trend_chart import BOTTOM, TOP
from rae_auto.views.screens.day_grid import BusyMinute, build_day_grid, day_bounds
from rae_auto.views.screens.job_page import mark_of_run, mark_of_skip
from rae_auto.views.screens.parts.base import UpcomingStart, local_times
from rae_auto.views.screens.parts.day_troubles import NO_TROUBLES
from rae_auto.views.screens.parts.durations import usual_duration
from rae_auto.views.screens.parts.record_source import ExpectedCounts, JobsFound, JobSpan, RecordCount, WorldSpan
from rae_auto.views.screens.parts.strip import build_strip
from rae_auto.views.screens.parts.trends import TrendPoint
from rae_auto.views.screens.run_page import RunPhase, build_run_page, list_phases
from rae_auto.views.screens.timeline import build_timeline

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 28, 17, 7, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
TIME = local_times("Europe/Berlin", NOW)
KILLED = TreeEnd(exited=21 * MINUTE / 60, requested=20 * MINUTE / 60, killed=15 * MINUTE / 60)
OVERLAP = Overlapping(RunId("r"), NOW)
FILES = Path(__file__).parents[4] / "docs/guides/images/charts"
"""The files are those of the documentation."""


def a_run(hours_ago: float, minutes: float = 5, state: RunState = RunState.FAILED) -> Run:
    started = NOW - HOUR * hours_ago
    middle, ended = started + MINUTE * minutes / 2, started + MINUTE * minutes
    attempts = (
        Attempt(1, started, middle, RunState.FAILED, Result(exit_code=3, tree=KILLED)),
        Attempt(2, middle + MINUTE, ended + MINUTE, state, Result(exit_code=int(state is RunState.FAILED))),
    )
    return Run(
        id=RunId("01" + "A" * 24), job=JobId("back<up>"), trigger="cron", key="k", scheduled_for=started - MINUTE,
        queued_at=started - MINUTE / 2, cause=Due(), state=state, started_at=started, attempt_started_at=middle,
        finished_at=ended + MINUTE, attempt=2, exit_code=1, attempts=attempts,
    )  # fmt: skip


def a_strip():
    start = datetime(2026, 11, 28, 15, 0, tzinfo=UTC)
    runs = [RecordCount(start, "succeeded", 40), RecordCount(start, "failed", 1), RecordCount(start - HOUR, "lost", 2)]
    expected = ExpectedCounts({NOW.replace(minute=0) + 3 * HOUR: 12}, NOW + 24 * HOUR)
    return build_strip(NOW, runs, [RecordCount(start - 2 * HOUR, "overlap", 3)], expected)


def a_timeline():
    span = JobSpan(
        runs=[a_run(1), a_run(3, 90, RunState.SUCCEEDED)],
        skips=[
            Decision(JobId("a"), "cron", "k", NOW - 2 * HOUR, Outcome.SKIP, OVERLAP, NOW),
            Decision(JobId("a"), "cron", "k", NOW - HOUR, Outcome.SKIP, OVERLAP, NOW, None, NOW - 90 * MINUTE),
        ],
        counts=[], run_count=2, skip_count=2, earlier=[], starts=[UpcomingStart("back<up>", NOW + HOUR, NOW + HOUR)],
        starts_until=NOW + 4 * HOUR,
    )  # fmt: skip
    counts = [RecordCount(NOW - HOUR, "succeeded", 50), RecordCount(NOW - HOUR, "decided_skip", 2)]
    many = JobSpan(
        runs=[], skips=[], counts=counts,
        run_count=50, skip_count=2, earlier=[], starts=[], starts_until=NOW + 4 * HOUR,
    )  # fmt: skip
    return build_timeline(
        JobsFound([{"id": "back<up>"}, {"id": "many"}], 2, 2),
        {"back<up>": span, "many": many},
        counts=[RecordCount(None, "succeeded", 51), RecordCount(None, "failed", 1)],
        skips=[RecordCount(None, "overlap", 4)],
        bands=[WorldSpan("down", NOW - 3 * HOUR, NOW - 2 * HOUR, "the daemon was down for 1 h")],
        max_parallel=4, now=NOW, zone="Europe/Berlin", since=NOW - 4 * HOUR, until=NOW + 4 * HOUR,
    )  # fmt: skip


def a_day():
    midnight = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    busiest = [BusyMinute(at=midnight, count=9, jobs=("backup",))]
    expected = ExpectedCounts({midnight + 9 * HOUR: 3}, NOW)
    return build_day_grid(
        date(2026, 10, 25),
        day_numbers(date(2026, 10, 25), BERLIN, {midnight: 9}, {midnight: 1}, {midnight + timedelta(minutes=7): 2}),
        expected,
        troubles=NO_TROUBLES,
        busiest=busiest,
        max_parallel=4,
        now=NOW,
        zone=BERLIN,
    )


def a_run_page():
    why = {"answer": "it failed", "facts": []}
    return build_run_page(a_run(1), None, why=why, good=[], output=None, now=NOW, zone="Europe/Berlin")


def some_trends():
    runs = [a_run(24 * days, days) for days in range(1, 12)]
    store = MemoryStore()
    with TemporaryDirectory() as place:
        store.open(Path(place))
        store.commit(
            [
                Append(documents.RUNS, f"{n}", run.job, run.state, run.queued_at, documents.dump(run))
                for n, run in enumerate(runs)
            ]
        )
        trends = parse_trends(read_trends(store, [runs[0].job], UTC, 0)).trends
        store.close()
    return trends


def describe(seconds: float) -> str:
    return format_elapsed(timedelta(seconds=seconds))


def timeline_parts() -> list[str]:
    screen = a_timeline()
    axis = TimeAxis(screen.since, screen.until, BERLIN)
    rows = [draw_row(row, axis, screen) for row in screen.rows]
    return [draw_axis(axis, screen), *rows, draw_concurrency(screen, axis)]


def some_occurrences():
    marks = [mark_of_run(a_run(hours, 61 - hours), TIME) for hours in range(1, 9)]
    return [*marks, mark_of_skip(a_timeline_skip(), TIME)]


def a_timeline_skip() -> Decision:
    return Decision(JobId("a"), "cron", "k", NOW, Outcome.SKIP, OVERLAP, NOW)


PICTURES = {
    "strip": lambda: draw_strip(a_strip(), "Europe/Berlin"),
    "timeline": lambda: timeline_parts()[1],
    "concurrency": lambda: timeline_parts()[3],
    "day": lambda: draw_day(a_day()),
    "lane": lambda: draw_lanes({"lanes": [{"job": "a", "starts": [0, 1, 5], "skips": [0, 0, 2]}]})[0][1],
    "occurrences": lambda: draw_occurrences(
        some_occurrences(), usual_duration([a_run(2, 9, RunState.SUCCEEDED)]), BERLIN
    ),
    "run": lambda: draw_run(a_run_page()),
    "trend": lambda: draw_trend(some_trends().duration, some_trends().step, describe, "Duration", UTC),
}
CHARTS = {
    "draw_strip": ("strip", "strip_table"),
    "draw_row": ("timeline", "timeline_table"),
    "draw_concurrency": ("concurrency", "concurrency_table"),
    "draw_day": ("day", "day_grid_table"),
    "draw_lanes": ("lane", "lanes_table"),
    "draw_occurrences": ("occurrences", "occurrences_table"),
    "draw_run": ("run", "run_table"),
    "draw_trend": ("trend", "trend_table"),
}
"""The picture of each chart in the documentation, and its twin."""

AXES = {"draw_axis"}
"""They have no numbers of their own."""

DECORATION = {"lane", "timeline", "concurrency"}
"""Their numbers are beside them, so that they are hidden from those who can't see them."""


def public_names(begin: str, end: str) -> set[str]:
    """Return the names of functions of all modules of charts."""
    modules = [import_module(f"{charts.__name__}.{found.name}") for found in iter_modules(charts.__path__)]
    return {name for module in modules for name in vars(module) if name.startswith(begin) and name.endswith(end)}


def test_every_chart_has_a_twin_and_a_picture_in_the_documentation() -> None:
    assert public_names("draw_", "") - AXES == set(CHARTS)
    assert {twin for _, twin in CHARTS.values()} == public_names("", "_table")
    assert {picture for picture, _ in CHARTS.values()} == set(PICTURES) == {file.stem for file in FILES.iterdir()}
    guides = "".join(page.read_text() for page in FILES.parents[1].glob("*.md"))
    assert [name for name in PICTURES if f"(images/charts/{name}.svg)" not in guides] == []
    assert [name for row in CHARTS.items() for name in (row[0], row[1][1]) if name not in published.__all__] == []


@pytest.mark.parametrize("name", PICTURES)
def test_picture_is_that_of_its_file(name: str) -> None:
    drawn = stand_alone(PICTURES[name]()).replace("><", ">\n<") + "\n"
    file = FILES / f"{name}.svg"
    if "RAE_REWRITE" in os.environ:
        file.write_text(drawn)
    assert drawn == file.read_text()


@pytest.mark.parametrize("name", PICTURES)
def test_picture_passes_a_strict_policy_and_is_described(name: str) -> None:
    root = ET.fromstring(PICTURES[name]())
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {"svg", "g", "a", "title", "rect", "circle", "line", "text", "tspan", "path"}
    assert all("style" not in element.attrib for element in root.iter())
    if name in DECORATION:
        assert root.attrib["aria-hidden"] == "true"
    else:
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"]


def test_life_of_a_run_shows_signals_and_when_all_was_gone() -> None:
    phases = [(one.kind, one.text) for one in a_run_page().phases]
    first, second = (number for number, (kind, _) in enumerate(phases) if kind == "attempt")
    assert phases[first + 1 : second - 1] == [
        ("exited", "its main process ended"),
        ("signal", "its processes were asked to end"),
        ("signal", "what was left of them was killed"),
        ("gone", "verified gone, 21 s after its main process"),
    ]
    assert phases[second + 1 :] == [("gone", "verified gone, with its end"), ("ended", "failed")]
    spoken = [row[3] for row in run_table(a_run_page(), BERLIN).rows]
    assert [text for _, text in phases] == spoken
    assert all(text in draw_run(a_run_page()) for text in spoken)


@pytest.mark.parametrize(("result", "kinds"), [(Result(error="?", tree=MAY_BE_LEFT), ["left"]), (None, [])])
def test_life_of_a_run_claims_no_end_that_is_not_known(result: Result | None, kinds: list[str]) -> None:
    run = a_run(1, state=RunState.LOST)
    run = evolve(run, attempts=(evolve(run.attempts[1], number=1, result=result),), attempt=1)
    assert [one.kind for one in list_phases(run, TIME) if one.kind in ("gone", "left")] == kinds


def test_picture_shows_names_from_outside_as_words() -> None:
    page = evolve(a_run_page(), phases=(RunPhase(kind="due", since=NOW, until=NOW, text="<script>\x1b[2J&"),))
    drawn = draw_run(page)
    assert "<script" not in drawn
    assert "\x1b" not in drawn
    ET.fromstring(drawn)


def test_picture_that_stands_alone_has_its_colors() -> None:
    assert "<style>" in stand_alone(PICTURES["strip"]())
    ET.fromstring(stand_alone(PICTURES["strip"]()))


def test_ends_of_a_trend_by_the_hour_have_the_time() -> None:
    points = some_trends().duration
    day = draw_trend(points, timedelta(days=1), describe, "Duration", UTC)
    hour = draw_trend(points, timedelta(hours=1), describe, "Duration", UTC)
    one = draw_trend(points[:1], timedelta(hours=1), describe, "Duration", UTC)
    labels = [re.findall(r'tick-label (start|end)">([^<]+)<', drawn) for drawn in (day, hour, one)]
    first, last = (f"{point.start.day} {point.start:%b}" for point in (points[0], points[-1]))
    assert labels == [
        [("start", first), ("end", last)],
        [("start", f"{first} {points[0].start:%H:%M}"), ("end", f"{last} {points[-1].start:%H:%M}")],
        [("start", f"{first} {points[0].start:%H:%M}")],
    ]


def test_tables_have_the_numbers_of_the_pictures() -> None:
    strip = strip_table(a_strip(), BERLIN)
    assert ("Sat 16:00", "40", "1", "0", "0", "0") in strip.rows
    assert [row[:3] for row in timeline_table(a_timeline(), BERLIN).rows] == [
        ("back<up>", "2", "2"),
        ("many", "50", "2"),
    ]
    assert [row[3] for row in run_table(a_run_page(), BERLIN).rows][-1] == "failed"
    assert len(trend_table(some_trends().duration, "Duration", describe, BERLIN).rows) == 11


def test_minutes_of_a_day_are_rows_equal_ones_together() -> None:
    first = datetime(2026, 11, 27, 23, 0, tzinfo=UTC)
    runs = {first + n * MINUTE: 1 for n in range(90)} | {first + 5 * MINUTE: 3}
    bad, skipped = {first + 6 * MINUTE: 1}, {first + 100 * MINUTE: 2}
    numbers = day_numbers(date(2026, 11, 28), BERLIN, runs, bad, skipped)
    expected = ExpectedCounts({NOW + HOUR: 4}, NOW + 24 * HOUR)
    grid = build_day_grid(
        date(2026, 11, 28), numbers, expected, troubles=NO_TROUBLES, busiest=[], max_parallel=4, now=NOW, zone=BERLIN
    )
    assert day_grid_table(grid).rows == (
        ("00:00 to 00:04", "1", "0", "0", "0"),
        ("00:05", "3", "0", "0", "0"),
        ("00:06", "1", "1", "0", "0"),
        ("00:07 to 01:29", "1", "0", "0", "0"),
        ("01:40", "0", "0", "2", "0"),
        ("19:07", "0", "0", "0", "4"),
    )


def test_minutes_of_an_hour_that_comes_twice_say_which() -> None:
    assert [row[0] for row in day_grid_table(a_day()).rows][:2] == ["02:30 CEST", "02:37 CEST"]


@pytest.mark.parametrize(
    ("day", "zone"),
    [
        (date(2026, 4, 5), ZoneInfo("Pacific/Chatham")),
        (date(2026, 10, 4), ZoneInfo("Australia/Lord_Howe")),
        (date(2026, 10, 25), BERLIN),
    ],
    ids=str,
)
def test_table_and_picture_of_a_day_have_the_minutes_of_the_clock(day: date, zone: ZoneInfo) -> None:
    begin, end = day_bounds(day, zone)
    minutes = [begin + MINUTE * number for number in range((end - begin) // MINUTE)]
    numbers = day_numbers(day, zone, {minute: 1 + number % 2 for number, minute in enumerate(minutes)})
    known = ExpectedCounts({}, end)
    grid = build_day_grid(day, numbers, known, troubles=NO_TROUBLES, busiest=[], max_parallel=4, now=NOW, zone=zone)
    shown = [row[0] for row in day_grid_table(grid).rows]
    assert [minute[:5] for minute in shown] == [f"{minute.astimezone(zone):%H:%M}" for minute in minutes]
    assert re.findall("<title>(.*?): [12] ran", draw_day(grid)) == shown


def test_table_of_concurrency_has_a_row_for_each_step_of_the_picture() -> None:
    table = concurrency_table(a_timeline(), BERLIN)
    texts = re.findall("<title>([0-9]+) active from ([^<]+)</title>", timeline_parts()[3])
    assert [active for active, _ in texts] == [row[2] for row in table.rows]
    assert len(texts) >= 3


def test_table_of_occurrences_has_the_words_of_the_picture() -> None:
    marks = some_occurrences()
    spoken = [": ".join(row[:2]) for row in occurrences_table(marks, BERLIN).rows]
    drawn = re.findall("<g><title>([^<]+)</title>", draw_occurrences(marks, None, BERLIN))
    assert [text[: len(row)] for text, row in zip(drawn, spoken, strict=True)] == spoken


def test_table_of_lanes_adds_up_what_each_job_does() -> None:
    steps = [{"at": f"2026-11-28T0{hour}:00:00+00:00"} for hour in range(3)]
    lanes = [{"job": "a", "starts": [0, 1, 5], "skips": [0, 0, 2]}, {"job": "b", "starts": [0] * 3, "skips": [1] * 3}]
    assert lanes_table({"steps": steps, "lanes": lanes}, BERLIN).rows == (
        ("a", "6", "2", "Sat 2026-11-28 02:00", "Sat 2026-11-28 03:00"),
        ("b", "0", "3", "-", "-"),
    )


def test_day_with_a_change_of_the_clock_has_25_hours() -> None:
    labels = [hour.label for hour in a_day().hours]
    assert labels[1:5] == ["01", "02 CEST", "02 CET", "03"]
    assert len(labels) == 25


def test_wait_for_a_slot_is_not_the_delay_of_a_later_retry():
    delay = RetryDelayed(attempt=1, max_attempts=2, end="failed (exit code 3)", until=NOW)
    run = evolve(a_run(1), waited_for=(MaxParallel(4), delay))
    texts = [phase.text for phase in list_phases(run, TIME) if phase.kind == "waiting"]
    assert texts == ["all 4 slots were in use (max_parallel)"]


def test_life_of_a_run_has_the_absence_of_the_daemon_and_its_return() -> None:
    run = evolve(a_run(1), adopted_at=a_run(1).finished_at - timedelta(seconds=2))
    before, back = run.queued_at - HOUR, run.adopted_at
    spans = [
        WorldSpan("down", run.queued_at, back + timedelta(seconds=0.1), "no daemon ran for 1 h"),
        WorldSpan("clock_back", before, back, "the clock was set back"),
        WorldSpan("down", before - HOUR, before, "no daemon ran for 1 h"),
    ]
    page = build_run_page(
        run, None, why={"answer": "", "facts": []}, good=[], output=None, now=NOW, zone="UTC", world=spans
    )
    absent = [(one.kind, one.since, one.until) for one in page.phases if one.kind in ("down", "clock_back", "adopted")]
    assert absent == [("down", run.queued_at, back), ("adopted", back, back)]
    assert list(page.phases) == sorted(page.phases, key=lambda phase: phase.since)
    picture = draw_run(page)
    assert 'class="phase down"' in picture
    assert "taken over: a new daemon took it over" in picture


def test_trend_has_median_spread_and_number_of_each_step() -> None:
    days = [NOW + n * timedelta(days=1) for n in (0, 1, 3)]
    figures = ((3, 10.0, 40.0), (1, 5.0, 5.0), (1_200, 20.0, 30.0))
    points = [
        TrendPoint(start=at, runs=runs, p50=p50, p95=p95) for at, (runs, p50, p95) in zip(days, figures, strict=True)
    ]
    drawn = draw_trend(points, timedelta(days=1), describe, "Duration", UTC)
    assert [row[1:] for row in trend_table(points, "Duration", describe, UTC).rows] == [
        ("3", "10 s", "40 s"), ("1", "5 s", "5 s"), ("1,200", "20 s", "30 s")
    ]  # fmt: skip
    assert re.findall("<title>from [^:]+:[0-9]+: ([^<]+)</title>", drawn) == [
        "10 s median, 95 % at most 40 s, 3 runs",
        "5 s median, 95 % at most 5 s, 1 run",
        "20 s median, 95 % at most 30 s, 1,200 runs",
    ]
    assert "Duration: the median of the latest step is 20 s, 95 % are at most 30 s" in drawn
    # The greatest 95th percentile is at the top; the steps stand as far apart as their times.
    height = BOTTOM - TOP
    heights = {value: BOTTOM - value / 40 * height for value in (5.0, 10.0, 20.0, 30.0, 40.0)}
    places = [4.0, 4.0 + 92 / 3, 96.0]
    circles = re.findall('<circle cx="([0-9.]+)%" cy="([0-9.]+)"', drawn)
    assert [tuple(map(float, one)) for one in circles] == [
        (pytest.approx(x, abs=0.001), pytest.approx(heights[p50], abs=0.1))
        for x, (_, p50, _) in zip(places, figures, strict=True)
    ]

    def lines(css: str) -> list[tuple[float, float]]:
        found = re.findall(f'<line[^>]* y1="([0-9.]+)" y2="([0-9.]+)" class="{css}"', drawn)
        return [(float(one), float(other)) for one, other in found]

    assert lines("median") == [
        tuple(pytest.approx(heights[value], abs=0.1) for value in pair) for pair in ((10.0, 5.0), (5.0, 20.0))
    ]
    assert lines("spread") == [
        tuple(pytest.approx(heights[value], abs=0.1) for value in pair)
        for pair in ((10.0, 40.0), (5.0, 5.0), (20.0, 30.0))
    ]


def test_trend_is_by_the_clock_of_the_zone() -> None:
    midnight = datetime(2026, 11, 28, 23, tzinfo=UTC)
    points = [TrendPoint(start=midnight + n * timedelta(days=1), runs=1, p50=1.0, p95=2.0) for n in range(3)]
    drawn = draw_trend(points, timedelta(days=1), describe, "Duration", BERLIN)
    assert re.findall(r"<text[^>]*>([^<]+)</text>", drawn) == ["29 Nov", "1 Dec"]
    said = re.findall(r"<title>from ([^<]+ [0-9:]{5}): ", drawn)
    assert said == [row[0] for row in trend_table(points, "Duration", describe, BERLIN).rows]
    assert said[0] == "2026-11-29 00:00"
