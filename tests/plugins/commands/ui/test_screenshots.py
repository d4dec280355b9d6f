"""The pictures of the guide: taken of a real page, and written where RAE_SCREENSHOTS names a folder.

`RAE_SCREENSHOTS=docs/guides/images pytest tests/plugins/commands/ui/test_screenshots.py` makes those of the guide.
"""

import os
import shutil
from pathlib import Path

import pytest
from tests.plugins.commands.ui.conftest import start_page, stop
from tests.support.daemons import Daemons, stop_at_once
from tests.support.waiting import eventually

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "guides" / "ui.md"

# They may be started while a start by their schedule, at whatever time this runs, is still open.
JOBS = """
timezone = "Europe/Berlin"
loggers = ["file"]
[resources]
disk = 1
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


def test_pictures_of_the_guide_are_taken(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    folder = Path(os.environ.get("RAE_SCREENSHOTS") or tmp_path / "images").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    (tmp_path / "home").mkdir()
    daemons = Daemons(tmp_path / "home", JOBS)
    process = daemons.serve()
    page = start_page(daemons)
    try:
        runs = {
            job: daemons.ask("trigger", job=job)["run_id"] for job in ("backup", "sync-mail", "reindex", "thumbnails")
        }
        eventually(lambda: daemons.ask("history", run=runs["sync-mail"], limit=1)[0]["state"] == "failed")
        daemons.ask("trigger", job="backup")
        pictures = {
            "now": ("/", "light"),
            "timeline": ("/timeline?span=1h", "dark"),
            "run": (f"/runs/{runs['sync-mail']}", "light"),
            "output": ("/output?job=sync-mail", "light"),
            "why": (f"/jobs/thumbnails/why?run={runs['thumbnails']}", "dark"),
        }
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            for name, (path, theme) in pictures.items():
                context = browser.new_context(viewport={"width": 1100, "height": 720}, color_scheme=theme)
                value = page.cookie.partition("=")
                cookie = {"name": value[0], "value": value[2], "domain": "127.0.0.1", "path": "/"}
                context.add_cookies([cookie])  # type: ignore[list-item]
                tab = context.new_page()
                tab.goto(f"{page.origin}{path}", timeout=60_000)
                tab.locator("[data-pending]").wait_for(state="detached", timeout=60_000)
                tab.screenshot(path=folder / f"ui-{name}.png")
                context.close()
            browser.close()
        assert {path.name for path in folder.glob("ui-*.png")} == {f"ui-{name}.png" for name in pictures}
        assert all(f"images/ui-{name}.png" in GUIDE.read_text() for name in pictures)
    finally:
        stop(page.process)
        stop_at_once(process)
        daemons.listening[-1].join()
