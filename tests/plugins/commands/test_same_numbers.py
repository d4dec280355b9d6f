"""One history, and the numbers that a person compares: the same on the command line, page, terminal view and digest."""

import json
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.plugins.commands.one_history import (
    FAILED,
    HISTORY,
    MISSED_TOGETHER,
    NEEDING_A_PERSON,
    NOON,
    SKIPPED,
    STATES,
    Shown,
    find_number,
    list_section,
    show_everything,
)

from rae_auto.model.run import RunState
from rae_auto.screens import StripCell
from rae_auto.views.charts.svg import STATE_CLASSES
from rae_auto.views.screens.digest import build_digest
from rae_auto.views.screens.overview import build_overview
from rae_auto.views.screens.parts.record_source import DigestRecords, ExpectedCounts
from rae_auto.views.screens.parts.strip import build_strip, group_of
from rae_auto.views.status import judge_health
from rae_plugins.commands.top.cells import MARKS, clock_text, state_mark, strip_of_day
from rae_plugins.commands.ui.rendering import GLYPHS

screens = pytest.fixture(scope="module")(show_everything)


def test_number_of_jobs_is_the_same(screens: Shown) -> None:
    page = find_number(r"<b>(\d+)</b> jobs", screens.page)
    top = find_number(r"\((\d+) jobs", screens.top)
    counts = screens.overview["counts"]["jobs"]
    assert page == top == counts == screens.status["jobs"] == screens.digest["jobs"] == 7


@pytest.mark.parametrize("name", ["running", "waiting"])
def test_numbers_of_open_runs_are_the_same(screens: Shown, name: str) -> None:
    page, counts = find_number(rf"<b>(\d+)</b> {name}", screens.page), screens.overview["counts"][name]
    assert page == counts == len(screens.status[name]) == find_number(rf", (\d+) {name}", screens.top) == 1


def test_runs_of_a_day_by_state_are_the_same(screens: Shown) -> None:
    since = datetime.fromisoformat(screens.overview["now"]) - timedelta(hours=24)
    ended = [run for run in screens.history if run["finished_at"]]
    history = Counter(run["state"] for run in ended if datetime.fromisoformat(run["queued_at"]) >= since)
    rows = [line.rsplit(maxsplit=1) for line in list_section(screens.digest_text, "Ran")]
    text = {name.strip().replace(" ", "_"): int(number) for name, number in rows if name.strip() != "skips"}
    assert screens.digest["states"] == dict(history) == STATES
    # What was skipped after a wait is in the line of all skips.
    assert text == {state: number for state, number in STATES.items() if state != "skipped"}


def test_skips_of_a_day_are_the_same_although_one_is_about_many_starts(screens: Shown) -> None:
    assert sum(month["totals"]["skipped"] for month in screens.months) == SKIPPED
    assert sum(row["skipped"] for row in screens.timeline["rows"]) == SKIPPED
    totals = screens.timeline["totals"]
    assert totals["skipped"] + totals["skipped_runs"] == screens.absence.skipped == SKIPPED
    assert find_number(r"(\d+) skips", screens.absence.text) == SKIPPED
    assert sum(sum(found["skipped"].values()) for found in screens.statistics.values()) == SKIPPED
    assert sum(row["starts"] for row in screens.digest["skips"]) == SKIPPED - 1 + MISSED_TOGETHER
    [row] = [line for line in list_section(screens.digest_text, "Skipped") if line.startswith("good")]
    assert f" {MISSED_TOGETHER} starts" in row
    cells = screens.overview["strip"]["cells"]
    assert sum(cell["skipped"] for cell in cells) == screens.digest["skipped"] == SKIPPED
    assert sum(cell["stopped"] for cell in cells) == 0
    assert find_number(r"(\d+) skips", screens.digest_text.splitlines()[0]) == SKIPPED
    rows = {line.split()[0]: line for line in list_section(screens.digest_text, "Skipped")}
    assert set(rows) == {"good", "guarded"}
    [skipped] = [run["reason_text"] for run in screens.history if run["job"] == "guarded"]
    assert skipped == 'its guard "hours" said no: it is night'
    assert skipped in rows["guarded"]
    assert skipped in screens.job_pages["guarded"]
    trends = screens.jobs["good"]["trends"]["extent"]
    assert trends["shown"] == trends["total"] == len(HISTORY["good"]), "decisions not to run are no runs"
    numbers = screens.page.split('id="strip-numbers"')[1].split("</table>")[0]
    shown = [re.findall(r"<td>(\d+)</td>", row) for row in numbers.split("<tr>")[2:]]
    assert sum(int(row[3]) for row in shown) == SKIPPED


@pytest.mark.parametrize("state", [state for state in RunState if state.final])
def test_end_state_is_in_the_same_group_everywhere(state: RunState) -> None:
    roles = {"good": "good", "bad": "bad", "stopped": "waiting", "skipped": "muted"}
    group = group_of(state)
    assert STATE_CLASSES[state] == GLYPHS[state][0] == group
    assert MARKS[state].text == GLYPHS[state][1]
    assert state_mark(state).role == roles[group]
    cell = StripCell(start=NOON, is_future=False, **{group: 1})
    [part] = set(strip_of_day((cell,) * 8, 8))
    assert part.role == roles[group]


def test_failures_of_a_day_are_the_same(screens: Shown) -> None:
    bad = ("failed", "timed_out", "lost")
    cells = [cell for cell in screens.overview["strip"]["cells"] if not cell["is_future"]]
    verdict = screens.digest_text.splitlines()[0]
    digest = sum(screens.digest["states"].get(state, 0) for state in bad)
    assert sum(cell["bad"] for cell in cells) == digest == screens.digest["failures_extent"]["total"] == FAILED
    assert sum(map(int, re.findall(r"(\d+) (?:failed|timed out|lost)", verdict))) == FAILED
    numbers = screens.page.split('id="strip-numbers"')[1].split("</table>")[0]
    rows = [re.findall(r"<td>(\d+)</td>", row) for row in numbers.split("<tr>")[2:]]
    assert sum(int(row[1]) for row in rows) == FAILED


def test_what_needs_a_person_is_the_same(screens: Shown) -> None:
    cards = re.findall(r'id="attention-(?!title)[^"]+"', screens.page)
    lines = [line for line in screens.top.split("\n\n")[0].splitlines()[1:] if line.startswith(" ! ")]
    digest = list_section(screens.digest_text, "Needs you")
    verdict = find_number(r"^(\d+) matters need you", screens.digest_text)
    assert len(cards) == len(lines) == len(digest) == verdict == len(NEEDING_A_PERSON)
    assert {one["job"] for one in screens.overview["attention"]} == NEEDING_A_PERSON
    assert {one["job"] for one in screens.digest["attention"]} == NEEDING_A_PERSON
    assert {one["job"] for one in screens.status["failed"]} == NEEDING_A_PERSON
    assert screens.overview["counts"]["failed"] == find_number(r"<b>(\d+)</b> failed", screens.page) == 2


@pytest.mark.parametrize("job", HISTORY)
def test_runs_and_successes_of_a_job_are_the_same(screens: Shown, job: str) -> None:
    states = Counter(run["state"] for run in screens.history if run["job"] == job)
    page = Counter(mark["state"] for mark in screens.jobs[job]["history"] if mark["run_id"])
    marks = screens.job_pages[job].split('id="history"')[1].split("</ul>")[0]
    statistics = screens.statistics[job]
    assert dict(states) == dict(page) == statistics["states"] == dict(Counter(one[0].value for one in HISTORY[job]))
    assert len(re.findall(r'href="/runs/', marks)) == statistics["runs"] == len(HISTORY[job])
    retries = sum(max(run["attempt"] - 1, 0) for run in screens.history if run["job"] == job)
    assert statistics["retries"] == retries == sum(max(one[3] - 1, 0) for one in HISTORY[job])
    tried = len(HISTORY[job]) - states["skipped"]
    assert statistics["success_rate"] == (states["succeeded"] / tried if tried else None)


def test_usual_duration_is_the_same(screens: Shown) -> None:
    page = screens.job_pages["good"].split("usually takes")[1]
    [row] = [line for line in screens.top.splitlines() if re.match(r" \S good ", line)]
    assert screens.statistics["good"]["duration"]["p50"] == 6
    assert json.dumps(screens.jobs["good"]["usual"]["p50"]) in ("6", "6.0")
    assert find_number(r"^</span><b>(\d+) s</b>", page) == find_number(r"~(\d+) s", row) == 6


RUN: dict[str, Any] = {
    "run_id": "R", "job": "a", "attempt": 1, "state": "running", "started_at": "2026-11-28T11:00:00+00:00",
    "queued_at": "2026-11-28T11:00:00+00:00", "overran_at": None, "pid": None, "waiting_for": "db is in use",
}  # fmt: skip


@pytest.mark.parametrize(
    "trouble",
    [
        {"failed": [{"job": "a", "run_id": "R", "state": "failed", "at": None, "failures": 1}]},
        {"overdue": [{"job": "a", "expected_by": RUN["queued_at"], "since": RUN["queued_at"]}]},
        {"running": [RUN | {"overran_at": RUN["started_at"]}]},
        {"waiting": [RUN | {"state": "queued"}]},
        {"waiting": [RUN | {"state": "retrying"}]},
        {"waiting": [RUN | {"queued_at": "2026-11-28T11:46:00+00:00"}]},
        {"problems": ["the disk is full"]},
        {"state": "degraded", "problems": ["the disk is full"]},
        {"state": "not running"},
        {"paused": ["a"]},
        {},
    ],
)
def test_what_needs_a_person_is_never_under_all_is_well(trouble: dict[str, Any]) -> None:
    lists = ("problems", "failed", "overdue", "running", "waiting", "paused", "disabled", "next")
    status = {
        "state": "running", "jobs": 2, "pid": 1, "version": "1", "started_at": NOON.isoformat(), "config": None,
        "state_directory": "/s", "enabled": True, "disabled_by": None, **{name: [] for name in lists}, **trouble,
    }  # fmt: skip
    strip = build_strip(NOON, [], [], ExpectedCounts({}, NOON))
    overview = build_overview(status, NOON, "UTC", ends={}, usual={}, strip=strip)
    none = dict.fromkeys(("counts", "skip_counts", "failures", "skips", "durations"), ())
    records = DigestRecords(**none, examined_skips=0, examined_jobs=0, all_jobs=2)
    span = {"since": NOON - timedelta(days=1), "until": NOON}
    digest = build_digest(status, records, world=[], now=NOON, zone="UTC", **span)
    health = judge_health(status, None, NOON)
    assert overview.ok is digest.ok is health.ok is (not overview.attention_extent.total)
    for verdict in (overview.verdict, digest.verdict, health.text):
        assert verdict.startswith("All is well") is health.ok


def test_next_start_is_the_same(screens: Shown) -> None:
    [start] = [one["at"] for one in screens.status["next"]]
    at = datetime.fromisoformat(start)
    [expected], [digest] = (
        [one["due_at"] for one in found["upcoming"]] for found in (screens.overview, screens.digest)
    )
    assert datetime.fromisoformat(expected) == datetime.fromisoformat(digest) == at
    assert datetime.fromisoformat(screens.jobs["good"]["next_at"]) == at
    section = screens.page.split('id="upcoming"')[1].split("</ol>")[0]
    assert [datetime.fromisoformat(one) for one in re.findall(r'datetime="([^"]+)"', section)][:1] == [at]
    there = clock_text(at, ZoneInfo("UTC"), datetime.fromisoformat(screens.overview["now"]))
    assert re.search(rf"^\s+{there}\s+good$", screens.top, re.MULTILINE)
