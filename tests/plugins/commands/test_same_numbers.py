"""One history, and the numbers that a person compares: the same on the command line, page, terminal view and digest."""

import asyncio
import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import define
from tests.plugins.commands.ui.conftest import Page, start_page, stop
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.engine.effects import Record, Save
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.guard import Verdict
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, GuardBlocked, Missed, MissedCause
from rae_auto.model.run import Run, RunState
from rae_auto.reading.opening import open_records
from rae_auto.runtime.repository import encode
from rae_auto.screens import StripCell
from rae_auto.views.charts.svg import STATE_CLASSES
from rae_auto.views.screens.parts.absence import Absence, load_absence
from rae_auto.views.screens.parts.strip import group_of
from rae_plugins.commands.top.cells import clock_text, state_mark, strip_of_day
from rae_plugins.commands.ui.rendering import GLYPHS
from rae_plugins.stores.sqlite import SqliteStore

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

JOBS = """
timezone = "UTC"
state = "{home}/state"
[resources]
db = 1
[jobs.good]
command = ["true"]
schedule = "0 3 1 1 *"
[jobs.bad]
command = ["false"]
[jobs.vanished]
command = ["true"]
[jobs.guarded]
command = ["true"]
[jobs.recovered]
command = ["true"]
[jobs.long]
command = ["sleep", "600"]
resources = ["db"]
[jobs.waiting]
command = ["true"]
resources = ["db"]
"""

HISTORY: dict[str, list[tuple[RunState, float, float, int]]] = {
    "good": [(RunState.SUCCEEDED, hours, 2.0 * hours, 1 + hours % 2) for hours in (1, 2, 3, 4, 5)],
    "bad": [(RunState.SUCCEEDED, 9, 1, 1), (RunState.FAILED, 5, 1, 1), (RunState.TIMED_OUT, 4, 1, 3)],
    "vanished": [(RunState.LOST, 3, 1, 1)],
    "guarded": [(RunState.SKIPPED, 2, 0, 0)],
    "recovered": [(RunState.FAILED, 72, 1, 1), (RunState.FAILED, 2, 1, 1), (RunState.SUCCEEDED, 1, 1, 1)],
}
"""The runs of each job: state, hours since, seconds, attempts."""

STATES = {"succeeded": 7, "failed": 2, "timed_out": 1, "lost": 1, "skipped": 1}
"""The runs of the last 24 hours by state."""

FAILED = 4
SKIPPED = 2
"""A decision not to run, about twelve starts that were missed together, and a run that a guard skipped after a wait."""

MISSED_TOGETHER = 12

GUARD_SAID_NO = GuardBlocked("hours", Verdict.NO, "it is night")
NEEDING_A_PERSON = {"bad", "vanished"}


def write_history(daemons: Daemons) -> None:
    """Write the history into the store that a daemon has left, and the next one opens."""
    now, numbers, changes = datetime.now(UTC), count(), []
    for job, runs in HISTORY.items():
        for state, hours, seconds, attempt in runs:
            at = now - timedelta(hours=hours)
            run = Run(
                id=RunId(f"01KG9X6M{next(numbers):018}"), job=JobId(job), trigger="cron", key=str(hours),
                scheduled_for=at, queued_at=at, cause=Due(), state=state, attempt=attempt,
                started_at=at if attempt else None, finished_at=at + timedelta(seconds=seconds),
                reason=GUARD_SAID_NO if state is RunState.SKIPPED else None,
            )  # fmt: skip
            changes.append(Record(run))
        failures = len(runs) - max((n + 1 for n, one in enumerate(runs) if one[0] is RunState.SUCCEEDED), default=0)
        changes.append(
            Save(JobState(JobId(job), last_state=state, last_run=run.id, last_finished_at=at, failures=failures))
            if attempt
            else Save(JobState(JobId(job)))
        )
    skipped = now - timedelta(hours=1)
    missed = Missed(MissedCause.DOWN, skipped, skipped, MISSED_TOGETHER, has_older=False, catch_up=CatchUp.LATEST)
    decision = Decision(JobId("good"), "cron", "s", skipped, Outcome.SKIP, missed, skipped, count=MISSED_TOGETHER)
    changes.append(Record(decision))
    store = SqliteStore()
    store.open(daemons.state)
    store.commit(encode(changes))
    store.close()


@define
class Shown:
    """Everything that shows numbers, read once."""

    status: dict[str, Any]
    statistics: dict[str, dict[str, Any]]
    history: list[dict[str, Any]]
    digest: dict[str, Any]
    overview: dict[str, Any]
    jobs: dict[str, dict[str, Any]]
    digest_text: str
    page: str
    job_pages: dict[str, str]
    top: str
    months: list[dict[str, Any]]
    timeline: dict[str, Any]
    absence: Absence


def run_command(daemons: Daemons, *words: str, codes: tuple[int, ...] = (0,)) -> str:
    """Return what a command prints."""
    done = subprocess.run(
        [*daemons.command, *words, "--config", str(daemons.config)],
        capture_output=True, text=True, env={**os.environ, "COLUMNS": "200"}, timeout=60,
    )  # fmt: skip
    assert done.returncode in codes, done.stderr
    return done.stdout


def read_all(daemons: Daemons, page: Page) -> Shown:
    """Read what each of them shows."""
    names = [*HISTORY, "long", "waiting"]
    return Shown(
        status=json.loads(run_command(daemons, "status", "--json", codes=(0, 1))),
        statistics={job: json.loads(run_command(daemons, "stats", job, "--json")) for job in HISTORY},
        history=json.loads(run_command(daemons, "history", "--json", "--limit", "1000")),
        digest=json.loads(run_command(daemons, "digest", "--json")),
        overview=json.loads(page.ask("/api/overview").text),
        jobs={job: json.loads(page.ask(f"/api/jobs/{job}").text) for job in names},
        digest_text=run_command(daemons, "digest"),
        page=unescape(page.ask("/").text),
        job_pages={job: unescape(page.ask(f"/jobs/{job}").text) for job in names},
        top=run_command(daemons, "top", "--once", codes=(0, 1)),
        months=read_months(page),
        timeline=json.loads(page.ask("/api/timeline?span=24h&all=1").text),
        absence=read_absence(daemons),
    )


def read_months(page: Page) -> list[dict[str, Any]]:
    """Return the calendar months of the last 24 hours."""
    now = datetime.now(UTC)
    months = {(at.year, at.month) for at in (now - timedelta(days=1), now)}
    return [json.loads(page.ask(f"/api/month?year={year}&month={month}").text) for year, month in months]


def read_absence(daemons: Daemons) -> Absence:
    """Return what happened in the last 24 hours, as the first command after an absence says it."""

    async def read() -> Absence:
        async with open_records(daemons.config) as records:
            return await load_absence(records, records.now() - timedelta(days=1))

    return asyncio.run(read())


@pytest.fixture(scope="module")
def screens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """All views of one history, while one run is active and one waits."""
    daemons = Daemons(tmp_path_factory.mktemp("numbers"), JOBS)
    daemons.serve()
    daemons.stop()
    write_history(daemons)
    daemons.serve()
    for job in ("long", "waiting"):
        daemons.ask("trigger", job=job)
    eventually(lambda: [run["state"] for run in daemons.ask("status")["running"]] == ["running"])
    page = start_page(daemons)
    yield read_all(daemons, page)
    stop(page.process)
    daemons.ask("cancel", job="long")
    daemons.end()


def find_number(pattern: str, text: str) -> int:
    """Return the number that a text shows at one place."""
    found = re.findall(pattern, text)
    assert len(found) == 1, (pattern, found, text[:3000])
    return int(found[0])


def list_section(text: str, title: str) -> list[str]:
    """Return the lines of a section of the digest."""
    return [line.strip() for line in text.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()]


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
    since = datetime.now(UTC) - timedelta(hours=24)
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
    assert f"1 of {MISSED_TOGETHER} starts" in row
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
    assert find_number(r"(\d+) failed", verdict) == FAILED
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
    there = clock_text(at, ZoneInfo("UTC"), datetime.now(UTC))
    assert re.search(rf"^\s+{there}\s+good$", screens.top, re.MULTILINE)
