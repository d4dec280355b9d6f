"""Whatever the history is, pages of jobs, runs, days, outputs and the overview show exactly what `history` lists."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st

from rae_auto.engine.effects import Change, Record, Save
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.job_state import JobState
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, Missed, NeedFailed, Paused
from rae_auto.model.reasons.base import MissedCause
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.offline import queries
from rae_auto.offline.project import Project
from rae_auto.paths import output_path
from rae_auto.reading.store_records import StoreRecords
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.runtime.repository import encode
from rae_auto.screens import (
    RecordSource,
    load_day_grid,
    load_job_page,
    load_merged_output,
    load_output_page,
    load_overview,
    load_run_page,
)
from rae_auto.views.screens import job_page
from rae_auto.views.screens.day_grid import MAX_NAMED_JOBS, day_bounds
from rae_auto.views.screens.parts.record_source import ExpectedCounts
from rae_auto.views.screens.parts.strip import group_of, strip_bounds
from rae_plugins.stores.sqlite import SqliteStore

T = TypeVar("T")

MIDDLE = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""The clocks of Europe go back at this instant; those of Lord Howe went ahead by half an hour three weeks before."""

ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia")
JOBS = ("a", "b")
HISTORY_ROWS, OCCURRENCES_SHOWN = 10, 6
"""So few that some of most histories aren't listed."""

BAD = ("failed", "timed_out", "lost")

CONFIG = """
timezone = "{zone}"
state = "{home}/state"
[jobs.a]
command = ["true"]
[jobs.b]
command = ["true"]
"""


@define
class Happened:
    """A run, or a decision against one: when, of which job, and how it went."""

    before: int
    second: int
    """Minutes and seconds that have passed since it ended, if it has."""
    job: str
    state: str
    """A state of runs, or "missed" and "paused" for decisions."""
    attempts: tuple[float, ...] = ()
    """Seconds that each attempt took."""
    count: int = 1


@define
class Lived:
    """A home with a history, and the time that it is there."""

    home: Path
    now: datetime
    zone: ZoneInfo
    runs: list[Run] = field(factory=list)
    decisions: list[Decision] = field(factory=list)

    def records(self) -> list[dict[str, Any]]:
        """Return what `rae-auto history --json` prints."""
        return queries.history(Project.load(self.home / "rae.toml"), {"limit": 10_000, "job": None})

    def read(self, load: Callable[[RecordSource], Awaitable[T]]) -> T:
        """Return a screen, read as the page does without a daemon."""
        source = Source.load(self.home / "rae.toml")
        source.time = self.now

        async def ask() -> T:
            try:
                return await load(source)
            finally:
                await source.close()

        return asyncio.run(ask())


class Source(StoreRecords):
    """A store at a time of its own, at which nothing is to come."""

    time = MIDDLE

    def now(self) -> datetime:
        return self.time

    async def expected(
        self, since: datetime, until: datetime, step: timedelta, *, max_wait: timedelta = timedelta(0)
    ) -> ExpectedCounts:
        return ExpectedCounts({}, until)


RUN_STATES = st.sampled_from([state for state in RunState if state is not RunState.STARTING])

happened = st.builds(
    Happened,
    before=st.integers(0, 60 * 60),
    second=st.integers(0, 59),
    job=st.sampled_from(JOBS),
    state=st.one_of(RUN_STATES.map(str), st.sampled_from(["missed", "paused"])),
    attempts=st.lists(st.floats(0, 2e4), min_size=1, max_size=3).map(tuple),
    count=st.integers(1, 4),
)
histories = st.lists(happened, max_size=40, unique_by=lambda one: (one.before, one.second, sum(one.attempts)))


@contextmanager
def live(history: list[Happened], zone: str, shift: int) -> Iterator[Lived]:
    """Write a history into a new home."""
    with TemporaryDirectory() as place:
        lived = Lived(Path(place), MIDDLE + timedelta(minutes=shift), ZoneInfo(zone))
        (lived.home / "rae.toml").write_text(CONFIG.replace("{zone}", zone).replace("{home}", place))
        (lived.home / "rae.toml").chmod(0o600)
        changes = list(write(lived, history))
        store = SqliteStore()
        store.open(claim_state_directory(lived.home / "state"))
        store.commit(list(encode(changes)))
        store.close()
        yield lived


def write(lived: Lived, history: list[Happened]) -> Iterator[Change]:
    """Yield the changes that make a history, and note its values."""
    for number, one in enumerate(history):
        at = lived.now - timedelta(minutes=one.before, seconds=one.second + sum(one.attempts))
        if one.state in ("missed", "paused"):
            missed = Missed(MissedCause.DOWN, at, at, count=one.count, has_older=False, catch_up=CatchUp.NONE)
            reason = missed if one.state == "missed" else Paused()
            count = one.count if one.state == "missed" else 1
            decision = Decision(JobId(one.job), "cron", str(number), at, Outcome.SKIP, reason, at, count=count)
            lived.decisions.append(decision)
            yield Record(decision)
            continue
        run = make_run(f"{number:026}", one, at)
        lived.runs.append(run)
        yield Record(run) if run.state.final else Save(run)
    for job in JOBS:
        ended = [run for run in lived.runs if run.job == job and run.state.final and run.state is not RunState.SKIPPED]
        ended.sort(key=lambda run: run.queued_at)
        if ended:
            last = ended[-1]
            good = [number for number, run in enumerate(ended) if run.state is RunState.SUCCEEDED]
            failures = len(ended) - 1 - max(good, default=-1)
            end = {"last_state": last.state, "last_run": last.id, "last_finished_at": last.finished_at}
            yield Save(JobState(JobId(job), **end, failures=failures))


def make_run(name: str, one: Happened, at: datetime) -> Run:
    """Return a run as the engine would have left it: open ones have an attempt less on record."""
    state = RunState(one.state)
    base: dict[str, Any] = {
        "id": RunId(name), "job": JobId(one.job), "trigger": "cron", "key": name, "scheduled_for": at,
        "queued_at": at, "cause": Due(), "state": state,
    }  # fmt: skip
    if state is RunState.QUEUED:
        return Run(**base)
    if state is RunState.SKIPPED:
        return Run(**base, finished_at=at, reason=NeedFailed(JobId("b")))
    begin, attempts = at, []
    for number, seconds in enumerate(one.attempts, 1):
        end = begin + timedelta(seconds=seconds)
        is_last = number == len(one.attempts)
        how = state if is_last and state.final else RunState.FAILED
        code = 0 if how is RunState.SUCCEEDED else 1
        attempts.append(Attempt(number, begin, end, how, Result(exit_code=code)))
        begin = end
    if state is RunState.RUNNING:
        attempts.pop()
        began_at = attempts[-1].finished_at if attempts else at
        return Run(
            **base, attempt=len(attempts) + 1, attempts=tuple(attempts), started_at=at, attempt_started_at=began_at
        )
    finished = {} if state is RunState.RETRYING else {"finished_at": begin}
    return Run(**base, attempt=len(attempts), attempts=tuple(attempts), started_at=at, **finished)


DAY_MINUTES = 24 * 60
places = st.one_of(
    st.tuples(st.sampled_from(ZONES), st.integers(-30 * DAY_MINUTES, DAY_MINUTES)),
    # Around a day of 23 and a half hours.
    st.tuples(st.just("Australia/Lord_Howe"), st.integers(-22 * DAY_MINUTES, -20 * DAY_MINUTES)),
)
"""Zones, and minutes from `MIDDLE` to the time at which a person looks."""

worlds = given(history=histories, place=places)


@worlds
@settings(max_examples=6, deadline=None)
def test_job_page_shows_what_the_history_holds(history: list[Happened], place: tuple[str, int]) -> None:
    with live(history, *place) as lived, pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_page, "HISTORY_ROWS", HISTORY_ROWS)
        patch.setattr(job_page, "OCCURRENCES_SHOWN", OCCURRENCES_SHOWN)
        records = lived.records()
        for job in JOBS:
            page = lived.read(lambda source, job=job: load_job_page(source, job))
            own = [record for record in records if record["job"] == job]
            decided = [one for one in lived.decisions if one.job == job]
            marks = {mark.run_id: mark for mark in page.history if mark.run_id is not None}
            assert page.history_extent.total == len(own) + len(decided)
            assert page.history_extent.is_complete == (len(page.history) == len(own) + len(decided))
            assert [mark.decided_at for mark in page.history] == newest_of(own, decided)[:HISTORY_ROWS]
            assert page.occurrences == tuple(reversed(page.history[:OCCURRENCES_SHOWN]))
            assert page.history_extent.since == min((mark.decided_at for mark in page.history), default=None)
            for record in own:
                mark = marks.get(record["run_id"])
                if mark is None:
                    assert not page.history_extent.is_complete
                    continue
                assert (mark.state, mark.attempt) == (shown_state(record["state"]), record["attempt"])
                assert seconds(mark.duration) == record["duration"]
                assert mark.reason == record["reason"]
            skips = [(mark.decided_at, mark.reason, mark.count) for mark in page.history if mark.run_id is None]
            decided.sort(key=lambda one: one.decided_at, reverse=True)
            assert skips == [(one.decided_at, one.reason.code, one.count) for one in decided][: len(skips)]
            good = [one["duration"] for one in own if one["state"] == "succeeded"]
            assert (0 if page.usual is None else page.usual.runs) == min(len(good), 60)
            assert page.usual is None or seconds(page.usual.p50) in good
            measured = [one for one in own if one["finished_at"] and one["state"] != "skipped"]
            assert page.trends.extent.total == len(measured)
            # How long a lost run took is not known.
            known = [one for one in measured if one["duration"] is not None]
            assert sum(point.runs for point in page.trends.duration) == len(known)


def test_job_page_counts_an_open_run_that_is_older_than_what_it_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_page, "HISTORY_ROWS", HISTORY_ROWS)
    newer = [Happened(number, 0, "a", "succeeded", (1.0,)) for number in range(HISTORY_ROWS + 1)]
    with live([Happened(3_000, 0, "a", "retrying", (1.0,)), *newer], "UTC", 0) as lived:
        page = lived.read(lambda source: load_job_page(source, "a"))
    assert page.history_extent.total == len(newer) + 1


def newest_of(records: list[dict[str, Any]], decisions: list[Decision]) -> list[datetime]:
    queued = [datetime.fromisoformat(record["queued_at"]) for record in records]
    return sorted([*queued, *(one.decided_at for one in decisions)], reverse=True)


def seconds(value: timedelta | None) -> float | None:
    return None if value is None else value.total_seconds()


def shown_state(state: str) -> str:
    """Return how pages show a state without a daemon."""
    return f"was_{state}" if state in ("starting", "running") else state


@worlds
@settings(max_examples=6, deadline=None)
def test_run_page_shows_its_record(history: list[Happened], place: tuple[str, int]) -> None:
    with live(history, *place) as lived:
        records = lived.records()
        for record in records[:5]:
            page = lived.read(lambda source, run=record["run_id"]: load_run_page(source, run))
            assert (page.exit_code, page.reason) == (record["exit_code"], record["reason"])
            assert page.state == shown_state(record["state"])
            assert seconds(page.duration) == record["duration"]
            own = [(one.number, one.state, seconds(one.duration), one.exit_code) for one in page.attempts]
            ended = [(one["number"], one["state"], one["duration"], one["exit_code"]) for one in record["attempts"]]
            assert own[: len(ended)] == ended
            assert len(own) - len(ended) == (record["state"] == "running")
            earlier = [
                one for one in records if one["job"] == record["job"] and one["state"] == "succeeded"
                and one["queued_at"] <= record["queued_at"] and one["run_id"] != record["run_id"]
            ]  # fmt: skip
            assert page.last_good == (earlier[0]["run_id"] if earlier else None)
            assert (0 if page.usual is None else page.usual.runs) == min(len(earlier), 60)
            # Its life is without gaps, and ends with it.
            spans = [one for one in page.phases if one.until != one.since and one.kind not in ("down", "suspended")]
            assert [one.since for one in spans[1:]] == [one.until for one in spans[:-1]]
            assert (page.phases[-1].kind == "ended") == (record["finished_at"] is not None)


@worlds
@settings(max_examples=6, deadline=None)
def test_day_grids_show_what_the_history_holds(history: list[Happened], place: tuple[str, int]) -> None:
    with live(history, *place) as lived:
        records = [(datetime.fromisoformat(one["queued_at"]), one["state"]) for one in lived.records()]
        started = [
            (datetime.fromisoformat(one["queued_at"]), one["job"])
            for one in lived.records() if one["state"] != "skipped"
        ]  # fmt: skip
        today = lived.now.astimezone(lived.zone).date()
        for day in (today - timedelta(days=1), today):
            grid = lived.read(lambda source, day=day: load_day_grid(source, day))
            begin, end = day_bounds(day, lived.zone)
            states = [state for at, state in records if begin <= at < end]
            skips = [one for one in lived.decisions if begin <= one.decided_at < end]
            groups = Counter(map(group_of, states))
            assert sum(sum(hour.past) for hour in grid.hours) == len(states) - groups["skipped"]
            assert sum(sum(hour.bad) for hour in grid.hours) == groups["bad"] == grid.troubles.failures_extent.total
            skipped = groups["skipped"] + len(skips)
            assert sum(sum(hour.skipped) for hour in grid.hours) == skipped == grid.troubles.skips_extent.total
            minutes = Counter(
                at.replace(second=0, microsecond=0) for at, state in records if begin <= at < end and state != "skipped"
            )
            shown = {
                hour.start + timedelta(minutes=number): count
                for hour in grid.hours for number, count in enumerate(hour.past) if count
            }  # fmt: skip
            assert shown == minutes
            assert [hour.start.astimezone(lived.zone).minute for hour in grid.hours] == [
                hour.first_minute for hour in grid.hours
            ]
            assert [one.count for one in grid.busiest] == [count for _, count in minutes.most_common(len(grid.busiest))]
            assert {one.at for one in grid.busiest} <= set(minutes)
            for one in grid.busiest:
                jobs = {job for at, job in started if one.at <= at < one.at + timedelta(minutes=1)}
                assert set(one.jobs) == jobs if one.count <= MAX_NAMED_JOBS else set(one.jobs) <= jobs and one.jobs


@worlds
@settings(max_examples=6, deadline=None)
def test_overview_shows_what_the_history_holds(history: list[Happened], place: tuple[str, int]) -> None:
    with live(history, *place) as lived:
        overview = lived.read(load_overview)
        records = lived.records()
        by_state = Counter(record["state"] for record in records)
        assert {one.run_id for one in overview.running} == ids(records, "running")
        assert {one.run_id for one in overview.waiting} == ids(records, "queued", "retrying")
        assert overview.running_extent.total == overview.counts.running == by_state["running"]
        assert overview.waiting_extent.total == overview.counts.waiting == by_state["queued"] + by_state["retrying"]
        last: dict[str, dict[str, Any]] = {}
        for record in records:
            if record["finished_at"] and record["state"] != "skipped":
                last.setdefault(record["job"], record)
        bad = {job: record["run_id"] for job, record in last.items() if record["state"] in BAD}
        assert {one.job: one.run_id for one in overview.attention if one.kind in BAD} == bad
        assert overview.counts.failed == len(bad)
        first, _, _ = strip_bounds(lived.now)
        ended = [
            record["state"] for record in records
            if record["finished_at"] and first <= datetime.fromisoformat(record["queued_at"])
        ]  # fmt: skip
        expected = Counter(map(group_of, ended))
        expected["skipped"] += sum(first <= one.decided_at for one in lived.decisions)
        cells = overview.strip.cells
        assert Counter({group: sum(getattr(cell, group) for cell in cells) for group in expected}) == expected


def ids(records: list[dict[str, Any]], *states: str) -> set[str]:
    return {record["run_id"] for record in records if record["state"] in states}


LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=40), max_size=30)


@given(
    texts=st.lists(LINES, min_size=1, max_size=4), start=st.integers(-500, 500), limit=st.integers(1, 400),
    is_ended=st.booleans(),
)  # fmt: skip
@settings(max_examples=8, deadline=None)
def test_output_pages_have_each_line_once(texts: list[list[str]], start: int, limit: int, is_ended: bool) -> None:
    """Read on from `end` as one who follows an output does: all lines come, each once, and none in two pieces."""
    happened = [Happened(10, 0, "a", "succeeded", tuple(float(number) for number in range(len(texts))))]
    with live(happened, "UTC", 0) as lived:
        [run] = lived.runs
        contents = ["".join(f"{line}\n" for line in lines)[: None if is_ended else -1] for lines in texts]
        for number, content in enumerate(contents, 1):
            path = output_path(lived.home / "state", "a", run.id, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode())
        for number, content in enumerate(contents, 1):
            size = len(content.encode())
            lines = content.split("\n") if content and not content.endswith("\n") else content.split("\n")[:-1]
            offsets = [len("\n".join(lines[:at]).encode()) + (at > 0) for at in range(len(lines))]
            shown: dict[int, str] = {}
            assert read_on(lived, run, number, shown, 0, 0, max(limit, 200))[0] == size
            found = list(shown.items())
            assert found == list(zip(offsets, lines, strict=True))
            part = lived.read(lambda s, n=number: load_output_page(s, run.id, n, start=start, limit=limit))
            known = dict(found)
            whole = [line for line in part.lines[:-1] if line.offset in known]
            assert [known[line.offset] for line in whole] == [line.text for line in whole]
            assert part.extent.shown == part.end - part.start
        merged = lived.read(lambda s: load_merged_output(s, run=run.id))
        assert merged.extent.total == sum(len(content.encode()) for content in contents)
        for number, content in enumerate(contents, 1):
            assert "\n".join(line.text for line in merged.lines if line.attempt == number) == content.removesuffix("\n")


def read_on(
    lived: Lived, run: Run, attempt: int, shown: dict[int, str], end: int, start: int, limit: int
) -> tuple[int, int]:
    """Read on as one who follows an output does, until nothing more comes; return its end, and where to read on."""
    while True:
        page = lived.read(
            lambda source, at=start: load_output_page(source, run.id, attempt, start=at, limit=limit, is_exact=True)
        )
        if page.end <= end:
            return end, start
        shown |= {line.offset: line.text for line in page.lines}
        end, start = page.end, page.next_start


@given(chunks=st.lists(st.text("ab \n", max_size=30), max_size=6), limit=st.integers(10, 60))
@settings(max_examples=8, deadline=None)
def test_output_that_grows_is_followed_without_a_loss(chunks: list[str], limit: int) -> None:
    """Lines come in pieces, and parts may be shorter than lines: what is shown is the output all the same."""
    with live([Happened(10, 0, "a", "running", (1.0,))], "UTC", 0) as lived:
        [run] = lived.runs
        path = output_path(lived.home / "state", "a", run.id, 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        shown: dict[int, str] = {}
        end = start = 0
        content = ""
        for chunk in chunks:
            content += chunk
            path.write_text(content)
            end, start = read_on(lived, run, 1, shown, end, start, limit)
        rebuilt = bytearray(b"\n" * len(content))
        for offset, text in shown.items():
            rebuilt[offset : offset + len(text)] = text.encode()
        assert rebuilt.decode() == content
