"""Screens of a real daemon and of its store show the same, and what `history` shows."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from attrs import frozen
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

from rae_auto.errors import BadRequest, JobNotFound, NotStarted, RunNotFound
from rae_auto.reading.daemon_records import DaemonRecords
from rae_auto.reading.outputs import output_search
from rae_auto.reading.store_records import StoreRecords
from rae_auto.records.presence_log import note_start
from rae_auto.screens import (
    RecordSource,
    load_day_grid,
    load_digest,
    load_health_page,
    load_job_list,
    load_job_page,
    load_merged_output,
    load_merged_text,
    load_month,
    load_output_page,
    load_overview,
    load_run_page,
    load_timeline,
    load_why_page,
    search_merged_output,
    search_output,
)

JOBS = """
timezone = "Europe/Berlin"

[jobs.good]
shell = "for n in 1 2 3; do echo line $n; done"
schedule = "30 2 * * *"

[jobs.bad]
shell = "echo try $RAE_ATTEMPT; exit 3"
retry = { attempts = 2, delay = "0s" }

[jobs.follower]
command = ["true"]
needs = ["bad"]

[jobs.slow]
command = ["sleep", "600"]
"""


@frozen
class Played:
    """Runs of a daemon: one that is open, and two sources of their records."""

    daemons: Daemons
    runs: dict[str, str]

    def read(self, load: Callable[[RecordSource], Awaitable[Any]]) -> Any:
        async def ask() -> Any:
            return await load(await DaemonRecords.connect(self.daemons.state))

        return asyncio.run(ask())

    def read_store(self, load: Callable[[RecordSource], Awaitable[Any]]) -> Any:
        async def ask() -> Any:
            return await load(StoreRecords.load(self.daemons.config))

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    home = tmp_path_factory.mktemp("screens")
    daemons = Daemons(home, JOBS, 'state = "{home}/state"\n')
    daemons.serve()
    runs = {job: daemons.ask("trigger", job=job)["run_id"] for job in ("good", "bad", "slow")}
    for job in ("good", "bad"):
        eventually(lambda: daemons.ask("history", run=runs[job])[0]["finished_at"] is not None)  # noqa: B023
    yield Played(daemons, runs)
    daemons.kill()


def test_overview_counts_and_explains_a_failure(played: Played) -> None:
    overview = played.read(load_overview)
    assert not overview.ok
    assert overview.verdict.startswith('1 job failed last time: "bad" (4 jobs, 1 running, next "good" in ')
    (attention,) = overview.attention
    assert (attention.kind, attention.job, attention.why) == ("failed", "bad", "bad failed: exit code 3")
    assert attention.action.command == "rae-auto trigger bad"
    (row,) = overview.running
    assert (row.job, row.proof, row.seen_at) == ("slow", f"process {row.pid} is there", overview.now)
    assert [start.job for start in overview.upcoming] == ["good"]
    assert sum(cell.good for cell in overview.strip.cells) == 1
    assert sum(cell.bad for cell in overview.strip.cells) == 1


def test_job_list_has_the_latest_occurrences_of_each_job(played: Played) -> None:
    live, stored = (read(load_job_list) for read in (played.read, played.read_store))
    rows = {row.job: row for row in live.rows}
    assert list(rows) == ["bad", "follower", "good", "slow"]
    assert live.extent.is_complete
    assert [mark.state for mark in rows["bad"].history.marks] == ["failed"]
    assert (rows["bad"].failures, rows["bad"].history.usual) == (1, None)
    assert rows["good"].took == rows["good"].history.marks[-1].duration
    assert (rows["slow"].activity, rows["slow"].open_runs) == ("running", (played.runs["slow"],))
    assert rows["slow"].running_since is not None
    assert [row.history for row in stored.rows] == [row.history for row in live.rows]
    part = played.read(lambda source: load_job_list(source, "o", offset=1, limit=1))
    assert ([row.job for row in part.rows], part.extent.total) == (["good"], 3)


def test_job_page_of_daemon_and_store_agree(played: Played) -> None:
    live, stored = (read(lambda source: load_job_page(source, "bad")) for read in (played.read, played.read_store))
    assert live.history == stored.history
    assert [mark.state for mark in live.history] == ["failed"]
    assert (live.history_extent.shown, live.history_extent.total) == (1, 1)
    assert live.definition == stored.definition
    assert live.defined_at == stored.defined_at == "rae.toml:9"
    assert live.added_by is None
    assert live.usual is None
    assert "2 attempts" in {fact.subject: fact.text for fact in live.policies}["retry"]


def test_job_page_lists_the_next_starts(played: Played) -> None:
    live, stored = (read(lambda source: load_job_page(source, "good")) for read in (played.read, played.read_store))
    assert len(live.upcoming) == 10
    assert live.upcoming == stored.upcoming
    assert live.usual is not None
    with pytest.raises(JobNotFound):
        played.read(lambda source: load_job_page(source, "nope"))


def test_run_page_has_the_life_of_the_run(played: Played) -> None:
    page = played.read(lambda source: load_run_page(source, played.runs["bad"]))
    kinds = [phase.kind for phase in page.phases if phase.kind not in ("late", "waiting", "retry_delay")]
    assert kinds == ["due", "attempt", "gone", "attempt", "gone", "ended"]
    assert [attempt.exit_code for attempt in page.attempts] == [3, 3]
    assert page.why.startswith("bad (run ")
    assert page.last_good is None
    with pytest.raises(RunNotFound):
        played.read(lambda source: load_run_page(source, "01ZZZZZZZZZZ"))


def test_output_page_has_whole_lines_by_offset(played: Played) -> None:
    run = played.runs["good"]
    whole = played.read(lambda source: load_output_page(source, run))
    assert [line.text for line in whole.lines] == ["line 1", "line 2", "line 3"]
    assert (whole.start, whole.end, whole.size) == (0, 21, 21)
    assert whole.extent.is_complete
    rest = played.read(lambda source: load_output_page(source, run, start=8))
    assert [(line.offset, line.text) for line in rest.lines] == [(14, "line 3")]
    assert not rest.extent.is_complete
    found = played.read(lambda source: search_output(source, run, "LINE [23]"))
    assert [(match.offset, match.text) for match in found.matches] == [(7, "line 2"), (14, "line 3")]
    with pytest.raises(BadRequest, match="isn't a regular expression"):
        played.read(lambda source: search_output(source, run, "("))
    with pytest.raises(RunNotFound, match="has 1 attempt, and none with the number 9"):
        played.read(lambda source: load_output_page(source, run, 9))


def test_why_page_has_the_answer_and_its_facts(played: Played) -> None:
    page = played.read(lambda source: load_why_page(source, "follower"))
    assert page.answer == "follower has not run yet: it has no schedule; 'rae-auto trigger follower' starts it"


def test_health_page_has_checks_and_outbox(played: Played) -> None:
    page = played.read(load_health_page)
    assert [row.name for row in page.checks][:2] == ["daemon", "store"]
    assert page.outbox == ()
    assert not page.has_findings
    assert "output" not in {fact.subject for fact in page.sizes}


def test_sizes_are_shown_beside_their_limits_where_problems_are_looked_for(played: Played) -> None:
    for read in (played.read, played.read_store):
        page = read(lambda source: load_health_page(source, with_findings=True))
        sizes = {fact.subject: fact.text for fact in page.sizes}
        assert re.search(r"; of each job at most 1,000 runs of 90d$", sizes["store"])
        assert re.search(r' of \d+ jobs; the most is ".+", .+ of at most 100 MB$', sizes["output"])


def test_health_page_without_a_daemon_says_so_and_shows_what_is_on_record(tmp_path: Path) -> None:
    stopped = Daemons(tmp_path, JOBS, 'state = "{home}/state"\n')
    stopped.state.mkdir(mode=0o700)
    note_start(stopped.state, datetime.now(UTC) - timedelta(hours=2))
    page = Played(stopped, {}).read_store(load_health_page)
    assert [(row.name, row.level) for row in page.checks] == [("daemon", "critical")]
    assert page.summary == "rae-auto CRITICAL: no daemon is running; 'rae-auto run' starts one"
    assert [span.text for span in page.world] == ["no daemon has been running for at most 2 h"]


def test_timeline_shows_runs_and_expected_starts(played: Played) -> None:
    def load(source: RecordSource) -> Awaitable[Any]:
        return load_timeline(source, source.now() - timedelta(hours=1), source.now() + timedelta(days=2))

    timeline = played.read(load)
    rows = {row.job: row for row in timeline.rows}
    assert list(rows) == ["bad", "follower", "good", "slow"]
    assert [bar.state for bar in rows["bad"].bars] == ["failed"]
    assert [len(bar.attempts) for bar in rows["bad"].bars] == [2]
    assert rows["slow"].bars[0].ended_at is None
    assert 1 <= len(rows["good"].expected) <= 2
    # A refused start, of another test, counts as skipped.
    assert timeline.totals.items() >= {"succeeded": 1, "failed": 1}.items()
    assert max(step.active for step in timeline.concurrency) >= 1
    stored = {row.job: row for row in played.read_store(load).rows}
    assert stored["bad"].bars == rows["bad"].bars


def test_month_and_day_have_the_numbers_of_the_history(played: Played) -> None:
    async def load(source: RecordSource) -> Any:
        runs = await source.runs(limit=100)
        over = Counter(run.state.value for run in runs if run.state.final)
        # All are of today, unless it was midnight between them.
        days = sorted({run.queued_at.astimezone(source.zone).date() for run in runs})
        months = [await load_month(source, *month) for month in sorted({(day.year, day.month) for day in days})]
        return months, [await load_day_grid(source, day) for day in days], over

    months, grids, over = played.read(load)
    shown = tuple(sum(month.totals[name] for month in months) for name in ("good", "bad"))
    assert shown == (over["succeeded"], over["failed"]) == (1, 1)
    assert sum(sum(hour.past) for grid in grids for hour in grid.hours) == len(played.runs) == 3
    assert grids[-1].free_slot is not None


def test_screens_have_a_json_form(played: Played) -> None:
    overview = played.read(load_overview)
    form = json.loads(json.dumps(overview.to_json()))
    assert form["verdict"] == overview.verdict
    assert form["strip"]["step"] == 900.0


def test_screens_of_a_configuration_without_a_store(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS, 'state = "{home}/state"\n')
    overview = Played(daemons, {}).read_store(load_overview)
    assert "no daemon is running" in overview.attention[0].why
    assert Played(daemons, {}).read_store(lambda source: load_job_page(source, "good")).history == ()


CLOSED = """
[resources]
db = 1
[jobs.long]
command = ["sleep", "600"]
resources = ["db"]
[jobs.queued]
command = ["true"]
resources = ["db"]
[jobs.closed]
command = ["true"]
schedule = "0 3 * * *"
guards = [{ type = "calendar", dates = ["2020-01-01"], mode = "include", id = "holidays" }]
[jobs.open]
command = ["true"]
schedule = "0 4 * * *"
[jobs.expected]
command = ["true"]
expect = { every = "1s", grace = "0s" }
"""


def test_open_runs_and_next_starts_are_the_same_after_a_kill(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, CLOSED, 'state = "{home}/state"\n')
    daemons.serve()
    for job in ("long", "queued"):
        daemons.ask("trigger", job=job)
    eventually(lambda: [run["state"] for run in daemons.ask("status")["running"]] == ["running"])
    played = Played(daemons, {})
    eventually(lambda: daemons.ask("status")["overdue"])
    alive = played.read(load_overview)
    daemons.kill()
    dead = played.read_store(load_overview)
    assert [(run.run_id, run.started_at) for run in dead.running] == [
        (run.run_id, run.started_at) for run in alive.running
    ]
    overdue = [one.why for one in dead.attention if one.kind == "overdue"]
    assert overdue == [one.why for one in alive.attention if one.kind == "overdue"]
    assert overdue[0].startswith("expected is overdue: no run has succeeded since ")
    assert [run.run_id for run in dead.waiting] == [run.run_id for run in alive.waiting]
    assert dead.waiting[0].waiting_for == "no daemon is running"
    starts = [(start.job, start.due_at, start.starts_at) for start in alive.upcoming]
    assert [(start.job, start.due_at, start.starts_at) for start in dead.upcoming] == starts
    assert {job for job, _, at in starts if at is None} == {"closed"}
    [closed] = [start.note for start in dead.upcoming if start.job == "closed"]
    assert 'its guard "holidays" says no' in closed
    pid = dead.running[0].pid
    assert dead.running[0].proof in (
        f"process {pid} is there",
        f"process {pid} has ended; the next daemon finds out how",
    )
    daemons.serve()
    daemons.end()


def test_outputs_of_runs_are_merged_in_the_order_of_time(played: Played) -> None:
    merged = played.read(lambda source: load_merged_output(source))
    stored = played.read_store(lambda source: load_merged_output(source))
    assert (merged.runs, merged.extent) == (stored.runs, stored.extent)
    assert merged.lines == stored.lines
    by_run = [(line.job, line.attempt, line.text) for line in merged.lines]
    assert [line for line in by_run if line[0] == "bad"] == [("bad", 1, "try 1"), ("bad", 2, "try 2")]
    assert [text for job, _, text in by_run if job == "good"] == ["line 1", "line 2", "line 3"]
    times = [line.at for line in merged.lines]
    assert times == sorted(times)
    attempts = played.read(lambda source: load_merged_output(source, run=played.runs["bad"]))
    assert [line.attempt for line in attempts.lines] == [1, 2]
    assert attempts.extent.is_complete
    with pytest.raises(JobNotFound):
        played.read(lambda source: load_merged_output(source, job="nothing"))


def test_merged_outputs_are_searched_in_parts(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = played.read(lambda source: search_merged_output(source, "LINE|try"))
    assert played.read_store(lambda source: search_merged_output(source, "LINE|try")) == whole
    assert (whole.next_from, whole.searched, whole.is_cut) == (None, whole.size, False)
    shown = played.read(lambda source: load_merged_output(source))
    assert list(whole.matches) == [line for line in shown.lines if line.text.startswith(("line", "try"))]
    monkeypatch.setattr(output_search, "MAX_MATCHES", 2)
    parts, start = [], ""
    while start is not None:
        found = played.read(lambda source, start=start: search_merged_output(source, "LINE|try", start=start))
        parts += found.matches
        start = found.next_from
    assert sorted(parts, key=str) == sorted(whole.matches, key=str)
    gone = played.read(lambda source: search_merged_output(source, "line", start="0" * 26 + ".1.7"))
    assert (gone.matches, gone.next_from) == ((), None)
    with pytest.raises(BadRequest, match="from must be the next_from of an earlier search"):
        played.read(lambda source: search_merged_output(source, "line", start="7"))


def test_merged_text_has_the_lines_of_the_page(played: Played) -> None:
    async def read(source: RecordSource) -> tuple[str, bytes]:
        text = await load_merged_text(source)
        return text.file_name, b"".join([part async for part in text.parts])

    name, content = played.read(read)
    assert (name, content) == played.read_store(read)
    shown = played.read(lambda source: load_merged_output(source))
    assert name == f"all-jobs-{shown.runs}-runs.txt"
    assert [(line[: line.index("  ")].rstrip(), line.split("  ")[-1]) for line in content.decode().splitlines()] == [
        (line.label, line.text) for line in shown.lines
    ]
    with pytest.raises(RunNotFound, match="no output yet: none of these runs has started"):
        played.read(lambda source: load_merged_text(source, job="follower"))


def test_no_sentence_of_a_screen_has_an_instant_in_iso_8601(played: Played) -> None:
    with pytest.raises(NotStarted):
        played.daemons.ask("trigger", job="slow")
    eventually(lambda: len(played.daemons.ask("decisions", job="slow")) == 1)
    loads = (
        load_overview,
        load_job_list,
        lambda source: load_job_page(source, "slow"),
        lambda source: load_timeline(source, source.now() - timedelta(hours=1), source.now() + timedelta(hours=1)),
        lambda source: load_digest(source, source.now() - timedelta(hours=1), source.now() + timedelta(minutes=1)),
        lambda source: load_run_page(source, played.runs["bad"]),
    )
    texts = [text for read in (played.read, played.read_store) for load in loads for text in _sentences(read(load))]
    assert any("had been open since" in text for text in texts)
    assert [text for text in texts if re.search(r"\d{4}-\d\d-\d\dT\d\d|\d\d[+-]\d\d:\d\d", text)] == []


def _sentences(value: Any) -> Iterator[str]:
    """Yield the texts with spaces in a value of a screen."""
    if isinstance(value, str):
        yield from [value] if " " in value else []
    elif attrs.has(type(value)):
        yield from (text for field in attrs.fields(type(value)) for text in _sentences(getattr(value, field.name)))
    elif isinstance(value, Mapping):
        yield from (text for item in value.values() for text in _sentences(item))
    elif isinstance(value, tuple | list):
        yield from (text for item in value for text in _sentences(item))
