"""The digest: its numbers, its formats, and the example that sends it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.support.daemons import Daemons
from tests.support.mail_server import running_mail_server
from tests.support.waiting import eventually

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
from rae_auto.screens import Action, Attention, Digest, load_digest, open_records
from rae_auto.testing.memory_store import MemoryStore
from rae_auto.views.digests.formats import digest_html, digest_markdown, digest_text
from rae_auto.views.screens.digest import build_digest
from rae_auto.views.screens.parts.base import Extent
from rae_auto.views.screens.parts.digest_pictures import DigestPictures
from rae_auto.views.screens.parts.doctor_report import DoctorReport, build_doctor_report
from rae_auto.views.screens.parts.record_source import RecordCount
from rae_auto.views.screens.parts.strip import Strip, load_strip
from rae_auto.views.screens.parts.trends import TrendPoint, Trends

DOCS = Path(__file__).parents[3] / "docs"
GUIDE, EXAMPLES = DOCS / "guides/digest.md", DOCS / "examples"

IDS = JobIds(["a", "b", "nightly"], lambda job: [job])

JOBS = """
[jobs.good]
command = ["true"]
schedule = "30 2 * * *"

[jobs.bad]
shell = "exit 3"

[jobs.follower]
command = ["true"]
needs = ["bad"]
"""


def rae_auto(daemons: Daemons, *words: str, code: int = 0) -> str:
    """Return what the command prints."""
    command = [sys.executable, "-m", "rae_auto", *words, "--config", str(daemons.config)]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path}, timeout=60)
    assert done.returncode == code, done.stderr
    return done.stdout


def run_job(daemons: Daemons, job: str, wanted: str = "") -> None:
    """Run a job to its end, or to the first attempt that doesn't end as wanted."""
    run = daemons.ask("trigger", job=job)["run_id"]

    def is_over() -> bool:
        [found] = daemons.ask("history", run=run)
        return found["finished_at"] is not None or (bool(wanted) and found["state"] == "retrying")

    eventually(is_over)
    if wanted:
        assert daemons.ask("history", run=run)[0]["state"] == wanted, rae_auto(daemons, "output", job)


@pytest.fixture(scope="module")
def daemons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemons]:
    started = Daemons(tmp_path_factory.mktemp("digest"), JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    started.serve()
    for job in ("good", "good", "bad"):
        run_job(started, job)
    yield started
    started.kill()


def test_digest_begins_with_the_verdict(daemons: Daemons) -> None:
    lines = rae_auto(daemons, "digest").splitlines()
    assert lines[0] == '1 matter needs you: "bad" (3 runs of 3 jobs, 1 failed)'
    assert lines[1].startswith("From ")
    titles = [line for line in lines[2:] if line and not line.startswith(" ")]
    assert titles == ["Needs you", "Ran", "Failed", "Next start of each job"]


@pytest.mark.parametrize(("name", "opening"), [("markdown", "# 1 matter needs you"), ("html", "<!DOCTYPE html>")])
def test_digest_has_formats(daemons: Daemons, name: str, opening: str) -> None:
    assert rae_auto(daemons, "digest", "--format", name).startswith(opening)


def test_numbers_agree_in_all_places(daemons: Daemons) -> None:
    digest: dict[str, Any] = json.loads(rae_auto(daemons, "digest", "--json"))
    history = json.loads(rae_auto(daemons, "history", "--json", "--limit", "1000"))
    status = json.loads(rae_auto(daemons, "status", "--json"))
    stats = json.loads(rae_auto(daemons, "stats", "--json"))
    assert digest["runs"] == len(history) == stats["runs"] == 3
    assert digest["states"] == stats["states"] == {"succeeded": 2, "failed": 1}
    assert digest["jobs"] == status["jobs"]
    assert [one["job"] for one in digest["attention"]] == [one["job"] for one in status["failed"]] == ["bad"]
    assert [one["job"] for one in digest["upcoming"]] == [one["job"] for one in status["next"]]
    text = rae_auto(daemons, "digest")
    assert "\n  succeeded  2\n  failed     1\n" in text


def test_digest_as_a_page_has_the_day_as_a_picture_and_as_numbers(daemons: Daemons) -> None:
    page = rae_auto(daemons, "digest", "--format", "html")
    assert (
        "The last 24 hours: 2 succeeded, 1 failed, 0 stopped, 0 skipped. The next 24 hours: 1 start expected." in page
    )
    numbers = page.split("The same as numbers")[1].split("</table>")[0]
    assert "<td>2</td><td>1</td>" in numbers or "<td>1</td><td>0</td>" in numbers
    assert "script" not in page


def test_digest_as_a_page_has_the_occurrences_of_jobs_that_failed(daemons: Daemons) -> None:
    page = rae_auto(daemons, "digest", "--format", "html")
    assert page.count('aria-label="The last 1 occurrence: 1 failed, 0 skipped."') == 1
    title, part = page.split("<h2>bad: ")[1].split("</h2>", 1)
    assert title == "the last 1 occurrence"
    assert "<td>failed</td>" in part
    assert "exit code 3" in part.split("<details>")[1]


def test_digest_has_trends_of_the_jobs_that_got_slower(tmp_path: Path) -> None:
    config = str(Daemons(tmp_path, JOBS, 'state = "{home}/state"\n').config)

    async def load() -> tuple[Strip, Digest]:
        async with open_records(config) as records:
            now = records.now()
            return await load_strip(records), await load_digest(records, now - timedelta(days=1), now)

    strip, digest = asyncio.run(load())
    point = TrendPoint(start=digest.until, runs=3, p50=9.0, p95=12.0)
    trends = Trends(step=timedelta(days=1), duration=(point,), lateness=(), cpu_time=(), memory=(), extent=Extent(3, 3))
    pictures = DigestPictures(strip=strip, occurrences={}, trends={"<good>": trends})
    page = digest_html(evolve(digest, pictures=pictures), ZoneInfo("UTC"))
    part = page.split("<h2>&lt;good&gt;: how long its runs take</h2>")[1]
    assert "duration: the median of the latest step is 9 s, 95 % are at most 12 s" in part
    assert "<td>3</td><td>9 s</td><td>12 s</td>" in part.split("<details>")[1]


def test_digest_of_a_store_has_the_same_numbers(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    run_job(daemons, "good")
    live = json.loads(rae_auto(daemons, "digest", "--json"))
    daemons.stop()
    stored = json.loads(rae_auto(daemons, "digest", "--json"))
    assert stored["states"] == live["states"] == {"succeeded": 1}
    assert [one["kind"] for one in stored["attention"]] == ["problem"]


@pytest.mark.parametrize(("name", "job"), [("daily-digest", "digest"), ("weekly-summary", "summary")])
def test_complete_example_sends_the_digest_of_its_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, job: str
) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    example = (EXAMPLES / f"{name}.toml").read_text()
    with running_mail_server(tmp_path / "mails") as server:
        given = [f"{name} = {json.dumps(server.options[name])}" for name in ("host", "port", "ca_file")]
        assert 'host = "smtp.example.org"' in example
        example = example.replace('host = "smtp.example.org"', "\n".join(given))
        example += '\n[jobs.bad]\nshell = "exit 3"\n'
        daemons = Daemons(tmp_path, example, 'state = "{home}/state"\n')
        try:
            daemons.serve()
            run_job(daemons, "bad")
            run_job(daemons, job, "succeeded")
        finally:
            daemons.kill()
        (mail,) = server.mails
    assert mail["To"] == "ann@example.org"
    assert mail["Subject"].startswith('1 matter needs you: "bad" (1 run of ')
    assert ["failed", "1"] in [line.split() for line in mail.get_body(("plain",)).get_content().splitlines()]


@pytest.mark.parametrize("job", ["daily-digest", "weekly-digest"])
def test_example_of_the_guide_sends_the_digest(tmp_path: Path, job: str) -> None:
    example = GUIDE.read_text().split("```toml\n")[1].split("```")[0]
    mails = tmp_path / "mails"
    with running_mail_server(mails) as server:
        given = [f"{name} = {json.dumps(server.options[name])}" for name in ("host", "port", "ca_file")]
        example = example.replace('host = "smtp.example.org"', "\n".join(given))
        daemons = Daemons(tmp_path, example, 'state = "{home}/state"\n')
        rae_auto(daemons, "exec", job)
        (mail,) = server.mails
    assert "no daemon is running" in mail.get_body(("plain",)).get_content()


@pytest.mark.parametrize("command", [["digest"], ["history"], ["stats"], ["event", "list"]])
def test_begin_in_the_future_is_refused(tmp_path: Path, command: list[str]) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    words = [sys.executable, "-m", "rae_auto", *command, "--since", "tomorrow", "--config", str(daemons.config)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"--since: \S+ 00:00:00( UTC)? is in the future; write yesterday, ", " ".join(done.stderr.split()))


@pytest.mark.parametrize("words", [("--via", "desk"), ("--format", "html"), ("--format", "text")])
def test_digest_refuses_what_json_would_ignore(tmp_path: Path, words: tuple[str, str]) -> None:
    command = [sys.executable, "-m", "rae_auto", "digest", "--json", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"without {words[0]}; leave one of them out" in done.stderr


def test_unknown_notifier_is_refused(daemons: Daemons) -> None:
    rae_auto(daemons, "digest", "--via", "nobody", code=2)


def test_matters_without_a_job_are_counted_and_long_ones_wrap(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS, 'timezone = "UTC"\nstate = "{home}/state"\n')
    daemons.serve()
    run_job(daemons, "bad")
    daemons.stop()
    lines = rae_auto(daemons, "digest").splitlines()
    assert lines[0].startswith('2 matters need you: "bad" and 1 problem (')
    assert any(line.startswith("  no daemon is running, so nothing starts") for line in lines)
    assert any(line.endswith("  good  if a daemon runs by then") for line in lines)
    why = "the disk of the state directory is nearly full, " * 4
    attention = [
        Attention(kind="problem", job=None, why=why.strip(" ,"), action=Action("doctor", "", "look", "doctor"))
    ]
    digest = evolve(asyncio.run(_read_digest(daemons)), attention=attention)
    shown = digest_text(digest, ZoneInfo("UTC")).split("Needs you\n")[1].split("\n\n")[0].splitlines()
    assert shown[-1] == "    → doctor"
    assert max(map(len, shown)) <= 100


async def _read_digest(daemons: Daemons) -> Digest:
    async with open_records(daemons.config) as records:
        return await load_digest(records, records.now() - timedelta(days=1), records.now())


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
    assert section_of(digest_of(tmp_path, entries), "Slower") == ["  (examined 40 of 60 jobs)"]


def test_jobs_are_asked_one_by_one_where_few_have_the_newest_runs(tmp_path: Path) -> None:
    entries = [run_entry(n, f"job-{n}", NOON - timedelta(seconds=n), RunState.SUCCEEDED) for n in range(500, 0, -1)]
    assert digest_of(tmp_path, entries).slower_extent == Extent(500, 500 + len(IDS.jobs))
