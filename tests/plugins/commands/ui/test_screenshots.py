"""The pictures of the guide: taken of a real page, and written where RAE_SCREENSHOTS names a folder.

`RAE_SCREENSHOTS=docs/guides/images pytest tests/plugins/commands/ui/test_screenshots.py` makes those of the guide.
"""

import os
import shutil
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import start_page, stop
from tests.support.daemons import Daemons, stop_at_once
from tests.support.waiting import eventually

from rae_auto.engine.effects import Record
from rae_auto.model.guard import Verdict
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import Due, GuardBlocked
from rae_auto.model.run import Attempt, Result, Run, RunState
from rae_auto.runtime.repository import encode
from rae_plugins.stores.sqlite import SqliteStore

if TYPE_CHECKING:
    from playwright.sync_api import Page as BrowserTab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

QUALITY, MAX_BYTES = 70, 50_000

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "guides" / "ui.md"

# They may be started while a start by their schedule, at whatever time this runs, is still open.
JOBS = """
timezone = "Europe/Berlin"
loggers = ["file"]
[resources]
disk = 1
[defaults]
cwd = "/"
[jobs.backup]
shell = "echo copied 1,204 files"
schedule = "0 3 * * *"
overlap = "allow"
[jobs.sync-mail]
shell = "echo INBOX: 12 new; echo Sent: timed out >&2; exit 3"
schedule = "*/15 * * * *"
overlap = "allow"
retry = { attempts = 2, delay = "2s" }
[jobs.reindex]
command = ["sleep", "600"]
resources = ["disk"]
schedule = "0 5 * * sun"
overlap = "allow"
[jobs.thumbnails]
command = ["true"]
resources = ["disk"]
schedule = "30 * * * *"
overlap = "allow"
[jobs.invoices]
command = ["true"]
schedule = "0 9 1 * *"
guards = [{ type = "weekday", days = ["mon", "tue", "wed", "thu", "fri"] }]
"""


Written = tuple[str, timedelta, timedelta, timedelta, RunState]
"""A job, how long ago its run was due, how long it waited and took, and its end."""

HOUR, MINUTE, SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)


DAYS = 30
"""Days of history, so that a month has something to show."""


def list_history(now: datetime) -> Iterator[Written]:
    """Yield what ran before: the day in full, and then by its scheduled times."""
    past_quarter = now - now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    for number in range(10 * 96 - 1):
        state = RunState.FAILED if number in (2, 3, 30, 700, 1801, 1802) else RunState.SUCCEEDED
        yield "sync-mail", past_quarter + 15 * MINUTE * number, 0 * SECOND, (70 + 11 * number % 60) * SECOND, state
    past_half = (now - now.replace(minute=30, second=0, microsecond=0)) % HOUR
    for number in range(DAYS * 24 - 1):
        state = RunState.SKIPPED if number % 137 == 4 else RunState.SUCCEEDED
        wait = 3 * MINUTE if number % 2 == 0 else 0 * SECOND
        yield "thumbnails", past_half + HOUR * number, wait, (4 + number % 3) * MINUTE, state
    past_three = (now - now.replace(hour=2, minute=0, second=0, microsecond=0)) % (24 * HOUR)
    for number in range(2 * DAYS):
        state = RunState.TIMED_OUT if number == 23 else RunState.SUCCEEDED
        took = (25 * 60 + 113 * number % 400 - 9 * number) * SECOND
        yield "backup", past_three + 24 * HOUR * number, (number % 5) * SECOND, took, state


def write_history(daemons: Daemons) -> None:
    """Write runs of the days before into the store."""
    now, changes = datetime.now(UTC), []
    for number, (job, ago, waited, took, state) in enumerate(list_history(now)):
        due = now - ago
        started = None if state is RunState.SKIPPED else due + waited
        end = due + waited + (timedelta() if started is None else took)
        code = 3 if state is RunState.FAILED else 0
        attempts = () if started is None else (Attempt(1, started, end, state, Result(exit_code=code)),)
        run = Run(
            id=RunId(f"01KG9X6M{number:018}"), job=JobId(job), trigger="cron", key=due.isoformat(), scheduled_for=due,
            queued_at=due, cause=Due(), state=state, attempt=len(attempts), started_at=started, finished_at=end,
            exit_code=code or None, attempts=attempts,
            reason=GuardBlocked("load", Verdict.NO, "load 9.1") if state is RunState.SKIPPED else None,
        )  # fmt: skip
        if end < now:
            changes.append(Record(run))
    store = SqliteStore()
    store.open(daemons.state)
    store.commit(encode(changes))
    store.close()


NAME_FOLDER = """([from, to]) => {
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = texts.currentNode.data.replaceAll(from, to);
}"""
"""The folder of a test is no folder that a person has."""


def take_picture(tab: "BrowserTab", home: Path, path: Path) -> None:
    """Write what a tab shows; playwright knows PNG and JPEG only, which take twice as much."""
    tab.evaluate(NAME_FOLDER, [str(home), "/home/me/jobs"])
    tab.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
    session = tab.context.new_cdp_session(tab)
    taken = session.send("Page.captureScreenshot", {"format": "webp", "quality": QUALITY})
    path.write_bytes(b64decode(taken["data"]))


def test_pictures_of_the_guide_are_taken(tmp_path: Path) -> None:
    from playwright.sync_api import expect, sync_playwright

    folder = Path(os.environ.get("RAE_SCREENSHOTS") or tmp_path / "images").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir()
    daemons = Daemons(tmp_path / "home", JOBS)
    daemons.serve()
    daemons.stop()
    write_history(daemons)
    process = daemons.serve()
    page = start_page(daemons)
    try:
        runs = {
            job: daemons.ask("trigger", job=job)["run_id"] for job in ("backup", "sync-mail", "reindex", "thumbnails")
        }
        eventually(lambda: daemons.ask("history", run=runs["sync-mail"], limit=1)[0]["state"] == "failed")
        daemons.ask("trigger", job="backup")
        again = daemons.ask("trigger", job="sync-mail")["run_id"]
        eventually(lambda: daemons.ask("history", run=again, limit=1)[0]["state"] == "failed")
        pictures = {
            "now": ("/", "light"),
            "timeline": ("/timeline?span=1h", "dark"),
            "month": ("/month", "light"),
            "job": ("/jobs/backup", "dark"),
            "run": (f"/runs/{runs['sync-mail']}", "light"),
            "why": (f"/jobs/thumbnails/why?run={runs['thumbnails']}", "dark"),
            "what-if": ("/what-if", "light"),
            "output": ("/output?job=sync-mail&runs=2", "light"),
            "health": ("/health", "light"),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for name, (path, theme) in pictures.items():
                context = browser.new_context(
                    viewport={"width": 1100, "height": 720}, color_scheme=theme, reduced_motion="reduce"
                )
                value = page.cookie.partition("=")
                cookie = {"name": value[0], "value": value[2], "domain": "127.0.0.1", "path": "/"}
                context.add_cookies([cookie])  # type: ignore[list-item]
                tab = context.new_page()
                tab.goto(f"{page.origin}{path}", timeout=60_000)
                if name == "what-if":
                    tab.locator("#text").fill(tab.locator("#text").input_value().replace("*/15 ", "*/5 "))
                    tab.locator("#patch-text").wait_for(timeout=60_000)
                for what in ("[data-pending]", "[data-unfinished]"):
                    expect(tab.locator(what)).to_have_count(0, timeout=60_000)
                if tab.locator("main [data-live]").count() and name != "what-if":
                    tab.locator("#signal", has_text="live").wait_for(timeout=60_000)
                take_picture(tab, daemons.home, folder / f"ui-{name}.webp")
                context.close()
            browser.close()
        taken = {path.name: path.stat().st_size for path in folder.glob("ui-*")}
        assert taken.keys() == {f"ui-{name}.webp" for name in pictures}
        assert max(taken.values()) <= MAX_BYTES
        assert all(f"images/ui-{name}.webp" in GUIDE.read_text() for name in pictures)
    finally:
        stop(page.process)
        stop_at_once(process)
        daemons.listening[-1].join()
