"""The digest: its numbers, its formats, and the example that sends it."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from tests.support.daemons import Daemons
from tests.support.mail_server import running_mail_server
from tests.support.waiting import eventually

from rae_auto.screens import Action, Attention, Digest, load_digest, open_records
from rae_auto.views.digests.formats import digest_html, digest_text
from rae_auto.views.screens.parts.base import Extent
from rae_auto.views.screens.parts.digest_pictures import DigestPictures
from rae_auto.views.screens.parts.strip import Strip, load_strip
from rae_auto.views.screens.parts.trends import TrendPoint, Trends

DOCS = Path(__file__).parents[3] / "docs"
GUIDE, EXAMPLES = DOCS / "guides/digest.md", DOCS / "examples"


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
