"""Job: what comes next, also where clocks are set, and times that go on while the page is open."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import browser, open_context, pytestmark

from rae_auto import Job
from rae_auto.model import documents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

BERLIN = ZoneInfo("Europe/Berlin")

NOTES = {
    (3, "03:00"): "02:30 does not exist on {date} in Europe/Berlin; due at 03:00",
    (10, "02:30"): "02:30 comes twice on {date} in Europe/Berlin; due the first time",
}

DUE_AT = "Date.parse(document.querySelector('#tiles time[data-due]').dateTime)"


@pytest.fixture
def job(page: Page) -> Iterator[str]:
    """A job at a time that clocks skip once a year, and have twice once a year: on one of seven days of two months."""
    definition = Job(name="nightly", command="true", schedule="30 2 25-31 3,10 *")
    page.daemons.ask("add", definition=documents.dump(definition))
    yield "nightly"
    page.daemons.ask("remove", job="nightly")


def test_next_ten_say_where_a_clock_is_set(page: Page, job: str) -> None:
    section = page.ask(f"/jobs/{job}").text.split('id="next"')[1].split("</section>")[0]
    starts = [
        (datetime.fromisoformat(at).astimezone(BERLIN), [unescape(note) for note in re.findall('"note">([^<]+)', more)])
        for at, more in re.findall(r'<li><time datetime="([^"]+)"(.*?)</li>', section)
    ]
    assert len(starts) == 10
    changed = [(at, note) for at, notes in starts for note in notes]
    assert changed, "ten of them have a whole week of one of the months"
    for at, note in changed:
        assert at.weekday() == 6
        assert note == NOTES[at.month, f"{at:%H:%M}"].format(date=at.date())


def test_start_is_due_now_once_its_time_is_there(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.route("**/events", lambda route: route.abort())
    opened_at = datetime(2026, 3, 1, tzinfo=UTC)  # the clock of a browser need not be right
    tab.clock.set_fixed_time(opened_at)
    tab.goto(f"{page.origin}/jobs/good")
    due = tab.locator("#tiles time[data-due]")
    left = timedelta(milliseconds=tab.evaluate(f"{DUE_AT} - Date.parse(document.body.dataset.now)"))
    for seconds, words in ((-30, "in 30 s"), (2, "due now"), (59, "due now"), (150, "due 2 min ago")):
        tab.clock.set_fixed_time(opened_at + left + timedelta(seconds=seconds))
        due.filter(has_text=re.compile(f"^{words}$")).wait_for()
    context.close()
