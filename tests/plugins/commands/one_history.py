"""One history, and everything that shows it: command line, JSON, page, JSON API, terminal view and digest."""

import asyncio
import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import define
from tests.plugins.commands.ui.conftest import Page, start_page, stop
from tests.support.daemons import Daemons
from tests.support.made_once import make_once
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
from rae_auto.views.screens.parts.absence import Absence, load_absence
from rae_plugins.stores.sqlite import SqliteStore

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)

JOBS = """
timezone = "UTC"
state = "{home}/state"
[resources]
db = 1
[jobs.good]
command = ["true"]
schedule = "{soon}"
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


LATE = {"recovered": 3}
"""Seconds by which runs of a job started late."""


def soon() -> datetime:
    """Return an instant that no test lives to see, and that is the only start of its schedule within a day."""
    return datetime.now(UTC) + timedelta(hours=11)


def write_history(daemons: Daemons) -> None:
    """Write the history into the store that a daemon has left, and the next one opens."""
    now, numbers, changes = datetime.now(UTC), count(), []
    for job, unsorted in HISTORY.items():
        runs = sorted(unsorted, key=lambda one: -one[1])
        late = timedelta(seconds=LATE.get(job, 0))
        for state, hours, seconds, attempt in runs:
            at = now - timedelta(hours=hours)
            run = Run(
                id=RunId(f"01KG9X6M{next(numbers):018}"), job=JobId(job), trigger="cron", key=str(hours),
                scheduled_for=at, queued_at=at, cause=Due(), state=state, attempt=attempt,
                started_at=at + late if attempt else None, finished_at=at + late + timedelta(seconds=seconds),
                reason=GUARD_SAID_NO if state is RunState.SKIPPED else None,
            )  # fmt: skip
            changes.append(Record(run))
        failures = len(runs) - max((n + 1 for n, one in enumerate(runs) if one[0] is RunState.SUCCEEDED), default=0)
        changes.append(
            Save(
                JobState(
                    JobId(job), last_state=state, last_run=run.id, last_finished_at=run.finished_at, failures=failures
                )
            )
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
    status_text: str
    listed: dict[str, dict[str, Any]]
    list_text: str
    details: dict[str, dict[str, Any]]
    details_text: dict[str, str]
    statistics_text: dict[str, str]
    history_text: str
    decisions: list[dict[str, Any]]
    why: dict[str, dict[str, Any]]
    why_text: dict[str, str]
    why_api: dict[str, dict[str, Any]]
    why_pages: dict[str, str]
    next_starts: list[str]
    forecast: dict[str, Any]
    day: dict[str, Any]
    """The day of the only start to come within 24 hours, minute by minute."""
    runs: dict[str, dict[str, Any]]
    """The newest run of each job, from the JSON API."""
    run_pages: dict[str, str]
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
    health: dict[str, Any]
    health_api: dict[str, Any]
    health_page: str


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
    # What is to come is computed in the background.
    eventually(lambda: not json.loads(page.ask("/api/overview").text)["strip"]["is_pending"])
    history = json.loads(run_command(daemons, "history", "--json", "--limit", "1000"))
    newest = {job: next(run["run_id"] for run in history if run["job"] == job) for job in names}
    return Shown(
        status_text=run_command(daemons, "status", codes=(0, 1)),
        listed={one["id"]: one for one in json.loads(run_command(daemons, "list", "--json"))},
        list_text=run_command(daemons, "list"),
        details={job: json.loads(run_command(daemons, "show", job, "--json")) for job in names},
        details_text={job: run_command(daemons, "show", job) for job in names},
        statistics_text={job: run_command(daemons, "stats", job) for job in HISTORY},
        history_text=run_command(daemons, "history", "--decisions", "--limit", "1000"),
        decisions=json.loads(run_command(daemons, "history", "--decisions", "--json", "--limit", "1000")),
        why={job: json.loads(run_command(daemons, "why", job, "--json")) for job in names},
        why_text={job: run_command(daemons, "why", job) for job in names},
        why_api={job: json.loads(page.ask(f"/api/jobs/{job}/why").text) for job in names},
        why_pages={job: unescape(page.ask(f"/jobs/{job}/why").text) for job in names},
        next_starts=json.loads(run_command(daemons, "next", "good", "--count", "1", "--json")),
        forecast=json.loads(run_command(daemons, "simulate", "--durations", "history", "--json")),
        day=json.loads(page.ask(f"/api/day/{soon():%Y-%m-%d}").text),
        runs={job: json.loads(page.ask(f"/api/runs/{run}").text) for job, run in newest.items()},
        run_pages={job: unescape(page.ask(f"/runs/{run}").text) for job, run in newest.items()},
        status=json.loads(run_command(daemons, "status", "--json", codes=(0, 1))),
        statistics={job: json.loads(run_command(daemons, "stats", job, "--json")) for job in HISTORY},
        history=history,
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
        health=json.loads(run_command(daemons, "health", "--json", codes=(0, 1, 2))),
        health_api=json.loads(page.ask("/api/health").text),
        health_page=unescape(page.ask("/health").text),
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


def show_everything(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Return all views of one history, while one run is active and one waits: a fixture of the tests that compare.

    Some seventy commands are asked for it, so once for all modules and workers.
    """
    return make_once(tmp_path_factory, "one-history", lambda: _ask_for_everything(tmp_path_factory.mktemp("numbers")))


def _ask_for_everything(home: Path) -> Shown:
    daemons = Daemons(home, JOBS.replace("{soon}", f"{soon():%M %H} * * *"))
    daemons.serve()
    daemons.stop()
    write_history(daemons)
    daemons.serve()
    for job in ("long", "waiting"):
        daemons.ask("trigger", job=job)
    eventually(lambda: [run["state"] for run in daemons.ask("status")["running"]] == ["running"])
    page = start_page(daemons)
    shown = read_all(daemons, page)
    stop(page.process)
    daemons.ask("cancel", job="long")
    daemons.end()
    return shown


def find_number(pattern: str, text: str) -> int:
    """Return the number that a text shows at one place."""
    found = re.findall(pattern, text)
    assert len(found) == 1, (pattern, found, text[:3000])
    return int(found[0])


def list_section(text: str, title: str) -> list[str]:
    """Return the lines of a section of the digest."""
    return [line.strip() for line in text.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()]
