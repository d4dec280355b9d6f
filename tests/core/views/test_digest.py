"""The contents of a digest: skips, failures, its verdict, and jobs that got slower."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve

from rae_auto.api.store import Append
from rae_auto.explain.digest_reads import JobIds, read_digest
from rae_auto.model import documents
from rae_auto.model.decision import Decision, Outcome
from rae_auto.model.guard import Verdict
from rae_auto.model.policies import CatchUp
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, GuardBlocked, Missed, Overlapping, Paused, Reason
from rae_auto.model.reasons.base import MissedCause
from rae_auto.model.run import Run, RunState
from rae_auto.reading.parsing import parse_digest
from rae_auto.screens import Digest
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.digests.formats import digest_markdown, digest_text
from rae_auto.views.screens.digest import build_digest
from rae_auto.views.screens.parts.base import Extent
from rae_auto.views.screens.parts.doctor_report import DoctorReport, build_doctor_report
from rae_auto.views.screens.parts.record_source import RecordCount

IDS = JobIds(["a", "b", "nightly"], lambda job: [job])


def test_starts_that_were_missed_together_are_one_skip_as_in_every_view(tmp_path: Path) -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    missed = Missed(MissedCause.DOWN, now, now, count=12, has_older=False, catch_up=CatchUp.LATEST)
    skips = [
        Decision(JobId("a"), "cron", "k", now, Outcome.SKIP, missed, now, count=12),
        Decision(JobId("b"), "cron", "k", now, Outcome.SKIP, Paused(), now),
    ]
    store = MemoryStore()
    store.open(tmp_path)
    store.commit(
        [
            Append(documents.DECISIONS, one.job, one.job, one.reason.code, now, documents.dump(one))
            for one in reversed(skips)
        ]
    )
    records = parse_digest(read_digest(store, IDS, now - timedelta(days=1), now + timedelta(hours=1), 1.0))
    status = {"problems": [], "failed": [], "overdue": [], "running": [], "waiting": [], "next": [], "jobs": 2}
    digest = build_digest(
        {**status, "state": "running"}, evolve(records, counts=[RecordCount(None, "succeeded", 3)]), world=[],
        since=now - timedelta(days=1), until=now, now=now, zone="UTC",
    )  # fmt: skip
    assert digest.verdict == "All is well: 3 runs of 2 jobs, 2 skips"
    assert digest.skipped == sum(row.count for row in digest.skips) == 2
    assert digest.skips_extent.is_complete
    lines = digest_text(digest, ZoneInfo("UTC")).split("Skipped\n")[1].split("\n\n")[0].splitlines()
    assert [line.split("  ")[1:3] for line in lines] == [["a", "12 starts"], ["b", "1"]]


@pytest.mark.parametrize("width", [80, None])
def test_text_of_the_digest_fits_a_terminal_and_a_mail(tmp_path: Path, width: int | None) -> None:
    at = NOON - timedelta(hours=1)
    reason = GuardBlocked("power", Verdict.NO, "the machine has run on its battery since the last evening")
    skip = Decision(JobId("nightly-backup-of-photos"), "cron", "k", at, Outcome.SKIP, reason, at)
    entry = Append(documents.DECISIONS, "k", skip.job, skip.reason.code, at, documents.dump(skip))
    digest = evolve(digest_of(tmp_path, [entry]), verdict="3 matters need you: " + ", ".join(['"backup"'] * 8))
    verdict, rest = digest_text(digest, ZoneInfo("UTC"), width).split("From ")
    assert max(map(len, rest.splitlines())) <= (width or 98)
    assert "last evening" in " ".join(rest.split()), "words are wrapped, never cut"
    assert len(verdict.splitlines()) == (1 if width is None else 2), "the first line of a mail is its subject"


def test_skips_for_one_reason_are_one_row_whichever_run_was_open(tmp_path: Path) -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    store = MemoryStore()
    store.open(tmp_path)
    for number in range(3):
        reason = Overlapping(RunId(f"{number}" * 26), now)
        skip = Decision(JobId("a"), "cron", f"k{number}", now, Outcome.SKIP, reason, now)
        store.commit([Append(documents.DECISIONS, f"k{number}", "a", reason.code, now, documents.dump(skip))])
    answer = read_digest(store, IDS, now - timedelta(days=1), now + timedelta(hours=1), 1.0)
    assert [(row.job, row.reason, row.count) for row in parse_digest(answer).skips] == [("a", "overlap", 3)]


def test_row_of_several_skips_says_how_many_of_which_kinds(tmp_path: Path) -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    store = MemoryStore()
    store.open(tmp_path)
    for number, guard in enumerate(["power", "holidays", "power"]):
        at = now + timedelta(minutes=number)
        skip = Decision(JobId("a"), "cron", f"k{number}", at, Outcome.SKIP, GuardBlocked(guard, Verdict.NO, "x"), at)
        store.commit([Append(documents.DECISIONS, f"k{number}", "a", skip.reason.code, at, documents.dump(skip))])
    answer = read_digest(store, IDS, now - timedelta(days=1), now + timedelta(hours=1), 1.0)
    status = {"problems": [], "failed": [], "overdue": [], "running": [], "waiting": [], "next": [], "jobs": 1}
    digest = build_digest(
        {**status, "state": "running"}, parse_digest(answer), world=[],
        since=now - timedelta(days=1), until=now, now=now, zone="UTC",
    )  # fmt: skip
    assert digest.to_json()["skips"][0]["kinds"] == {'guard "power"': 2, 'guard "holidays"': 1}
    for text in (digest_text, digest_markdown):
        shown = " ".join(text(digest, ZoneInfo("UTC")).split())
        assert 'guard "power" 2 times; guard "holidays" 1 time; the newest, of Sat 2026-11-28 12:02: its guard' in shown


NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
STATUS = {"problems": [], "failed": [], "overdue": [], "running": [], "waiting": [], "next": [], "jobs": 3}


def test_problems_that_doctor_found_need_a_person(tmp_path: Path) -> None:
    disk = {"subject": "disk", "observation": "no room", "ok": False, "level": "problem", "hint": "delete something"}
    digest = digest_of(tmp_path, [], build_doctor_report([disk], NOON))
    assert (digest.ok, digest.verdict) == (False, "1 matter needs you: 1 problem (0 runs of 3 jobs)")
    assert re.search("disk: no room +rae-auto doctor", digest_text(digest, ZoneInfo("UTC")))


def test_verdict_counts_each_bad_end_under_its_own_name(tmp_path: Path) -> None:
    states = [RunState.FAILED] * 5 + [RunState.LOST] * 2 + [RunState.TIMED_OUT, RunState.SUCCEEDED]
    digest = digest_of(tmp_path, [run_entry(n, "a", NOON - timedelta(hours=1), one) for n, one in enumerate(states)])
    assert "(9 runs of 3 jobs, 5 failed, 1 timed out, 2 lost)" in f"({digest.verdict.split(': ')[1]})"
    rows = [line.rsplit(maxsplit=1) for line in section_of(digest, "Ran")]
    assert {name.strip(): number for name, number in rows} == {
        "failed": "5", "timed out": "1", "lost": "2", "succeeded": "1"
    }  # fmt: skip


def test_verdict_names_jobs_and_counts_the_rest_in_one_list(tmp_path: Path) -> None:
    failed = [{"job": job, "run_id": None, "state": "failed", "at": NOON.isoformat(), "failures": 1} for job in "abcde"]
    digest = build_digest(
        {**STATUS, "state": "running", "failed": failed, "problems": ["no room"]},
        parse_digest(read_digest(opened_store(tmp_path), IDS, NOON - timedelta(days=1), NOON, 1.0)),
        world=[], since=NOON - timedelta(days=1), until=NOON, now=NOON, zone="UTC",
    )  # fmt: skip
    assert digest.verdict.startswith('6 matters need you: "a", "b", "c", 2 more jobs and 1 problem (')


def opened_store(place: Path) -> MemoryStore:
    store = MemoryStore()
    store.open(place)
    return store


def digest_of(place: Path, entries: Sequence[Append], doctor: DoctorReport | None = None) -> Digest:
    """Return the digest of the day before noon."""
    store = MemoryStore()
    store.open(place)
    store.commit(entries)
    since = NOON - timedelta(days=1)
    records = parse_digest(json.loads(json.dumps(read_digest(store, IDS, since, NOON, 1.0))))
    return build_digest(
        {**STATUS, "state": "running"}, records, world=[], since=since, until=NOON, now=NOON, zone="UTC", doctor=doctor
    )


def run_entry(number: int, job: str, at: datetime, state: RunState, minutes: float = 0) -> Append:
    run = Run(
        id=RunId(f"{number:026}"), job=JobId(job), trigger="cron", key=f"{job}{number}", cause=Due(), scheduled_for=at,
        queued_at=at, state=state, started_at=at, finished_at=at + timedelta(minutes=minutes),
    )  # fmt: skip
    return Append(documents.RUNS, run.id, job, state, at, documents.dump(run), run.finished_at)


def skip_entry(number: int, job: str, at: datetime, reason: Reason) -> Append:
    skip = Decision(JobId(job), "cron", f"{job}{number}", at, Outcome.SKIP, reason, at)
    return Append(documents.DECISIONS, f"{job}{number}", job, reason.code, at, documents.dump(skip))


def section_of(digest: Digest, title: str) -> list[str]:
    text = digest_text(digest, ZoneInfo("UTC"))
    return text.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines() if f"\n{title}\n" in text else []


@pytest.mark.parametrize(
    ("jobs", "note"),
    [(15, None), (16, "(showing 15 of 16 jobs)"), (60, "(showing 15 of 50 jobs; examined 50 of 60 failures since")],
)
def test_cut_list_of_failures_says_so(tmp_path: Path, jobs: int, note: str | None) -> None:
    minute = timedelta(minutes=1)
    entries = [run_entry(n, f"job-{n}", NOON - (jobs - n) * minute, RunState.FAILED) for n in range(jobs)]
    lines = section_of(digest_of(tmp_path, entries), "Failed")
    assert len([line for line in lines if line.startswith("  job-")]) == 15
    notes = [line.strip() for line in lines[15:]]
    assert [line[: len(note or "")] for line in notes if line] == ([note] if note else [])


def test_job_skipped_each_minute_hides_no_other(tmp_path: Path) -> None:
    minutes = [NOON - timedelta(minutes=n) for n in range(1, 1441)]
    entries = [skip_entry(n, "a", at, Paused()) for n, at in enumerate(minutes)]
    entries += [skip_entry(n, "b", minutes[-1] + timedelta(hours=n), Paused()) for n in range(2)]
    entries.append(skip_entry(0, "nightly", minutes[900], GuardBlocked("power", Verdict.NO, "on battery")))
    digest = digest_of(tmp_path, sorted(entries, key=lambda one: one.at))
    assert {(row.job, row.reason): row.count for row in digest.skips} == {
        ("a", "paused"): 1440, ("b", "paused"): 2, ("nightly", "guard"): 1
    }  # fmt: skip
    assert digest.skipped == 1443
    assert digest.skips_extent.is_complete
    lines = section_of(digest, "Skipped")
    assert len(lines) == 3
    assert "1,440" in lines[0]
    assert "on battery" in lines[2]


def test_digest_says_which_skips_it_has_not_examined(tmp_path: Path) -> None:
    entries = [skip_entry(n, "a", NOON - timedelta(minutes=n), Paused()) for n in range(600, 0, -1)]
    unknown = [skip_entry(n, f"gone-{n}", NOON - timedelta(hours=20), Paused()) for n in range(3)]
    assert section_of(digest_of(tmp_path, [*unknown, *entries]), "Skipped")[1] == "  (examined 600 of 603 skips)"


def test_nightly_job_is_compared_beside_one_of_each_minute(tmp_path: Path) -> None:
    often = [run_entry(n, "a", NOON - timedelta(minutes=n), RunState.SUCCEEDED, 0.5) for n in range(1440, 0, -1)]
    nights = [NOON - timedelta(days=n, hours=9) for n in range(5, -1, -1)]
    nightly = [
        run_entry(5000 + n, "nightly", at, RunState.SUCCEEDED, 10 + 20 * (n == 5)) for n, at in enumerate(nights)
    ]
    digest = digest_of(tmp_path, sorted([*often, *nightly], key=lambda one: one.at))
    assert [(row.job, row.before.seconds, row.now.seconds) for row in digest.slower] == [("nightly", 600, 1800)]
    assert digest.slower_extent.is_complete


def test_digest_says_how_many_jobs_it_has_compared(tmp_path: Path) -> None:
    entries = [
        run_entry(n, f"job-{n % 60}", NOON - timedelta(minutes=n), RunState.SUCCEEDED, 1) for n in range(120, 0, -1)
    ]
    assert section_of(digest_of(tmp_path, entries), "Slower") == ["  (examined 30 of 60 jobs)"]


def test_run_that_was_skipped_after_a_wait_is_a_skip_in_all_numbers(tmp_path: Path) -> None:
    states = [RunState.SUCCEEDED, RunState.SKIPPED, RunState.SKIPPED]
    digest = digest_of(tmp_path, [run_entry(n, "a", NOON - timedelta(hours=1), one) for n, one in enumerate(states)])
    assert (digest.runs, digest.skipped) == (1, 2)
    assert "1 run of 3 jobs, 2 skips" in digest.verdict
    assert sum(digest.states.values()) == digest.runs + 2


def test_jobs_are_asked_one_by_one_where_few_have_the_newest_runs(tmp_path: Path) -> None:
    entries = [run_entry(n, f"job-{n}", NOON - timedelta(seconds=n), RunState.SUCCEEDED) for n in range(500, 0, -1)]
    assert digest_of(tmp_path, entries).slower_extent == Extent(500, 500 + len(IDS.jobs))


@pytest.mark.parametrize(("slow_jobs", "extent"), [(29, Extent(400, 400)), (60, Extent(150 - 60 + 30, 150 + 3))])
def test_runs_are_read_until_as_many_jobs_are_slow_as_are_compared(
    tmp_path: Path, slow_jobs: int, extent: Extent
) -> None:
    entries = [
        run_entry(n, f"job-{n}", NOON - timedelta(seconds=n), RunState.SUCCEEDED, n <= slow_jobs)
        for n in range(400, 0, -1)
    ]
    assert digest_of(tmp_path, entries).slower_extent == extent
