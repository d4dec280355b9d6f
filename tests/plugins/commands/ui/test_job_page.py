"""Job: what comes next, also where clocks are set, and times that go on while the page is open."""

import json
import re
import sys
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
from rae_auto.reading import daemon_records
from rae_auto.views.screens import job_page
from rae_auto.views.screens.parts.record_source import JobFacts

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


def read_guards(page: Page, address: str, **headers: str) -> str:
    """Return the part of a page about triggers and guards."""
    return unescape(page.ask(address, **headers).text.split('id="triggers"')[1].split("</section>")[0])


def test_guards_that_read_the_machine_are_asked_by_one_request(page: Page) -> None:
    before = read_guards(page, "/jobs/powered")
    assert "it reads the machine when a run is to start" in before
    assert 'href="/jobs/powered?guards=1#triggers-title"' in before
    asked = read_guards(page, "/jobs/powered?guards=1")
    assert "it reads the machine" not in asked
    assert "asked <time" in asked
    [guard] = json.loads(page.ask("/api/jobs/powered?guards=1").text)["guards"]
    assert (guard["id"], guard["is_asked"]) == ("mains", True)
    assert guard["text"] in asked
    assert "it reads the machine" in read_guards(page, "/jobs/powered"), "nothing is asked unless a person wants it"
    assert "guards=1" not in read_guards(page, "/jobs/guarded"), "one that can be computed needs no question"


def test_guards_are_not_asked_again_by_an_open_page(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_records, "GUARD_ANSWER_SECONDS", -1)
    address = "/jobs/powered?guards=1"
    assert 'id="guard-facts" data-live' in read_guards(page, "/jobs/powered")
    shown, again = read_guards(page, address), read_guards(page, address, Sec_Fetch_Dest="empty")
    assert "it reads the machine" not in shown
    assert "it reads the machine" in again
    # The script replaces the parts that are live alone: the answers stay, with when they were given.
    assert all('id="guard-facts">' in part for part in (shown, again))


def test_guards_are_not_asked_by_a_read_only_page(read_only_page: Page) -> None:
    for path in ("/jobs/powered?guards=1", "/api/jobs/powered?guards=1"):
        answer = read_only_page.ask(path)
        assert (answer.status, "--read-only" in unescape(answer.text)) == (400, True)
    assert "guards=1" not in read_guards(read_only_page, "/jobs/powered")


def test_trigger_with_a_problem_has_the_action_that_ends_it() -> None:
    job = Job(name="a", command="true", schedule="0 3 * * *")
    facts = JobFacts(
        definition=job,
        info={"id": "a", "schedule": ["cron 0 3 * * *"], "guards": []},
        trigger_problems={job.schedule[0].id: "is quarantined after 10 failures"},
    )
    [row] = job_page._triggers(job, facts)
    assert row.problem == "is quarantined after 10 failures"
    assert row.action is not None
    assert (row.action.kind, row.action.command) == ("reload", "rae-auto reload")


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


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere not every system measures both")
def test_trends_have_time_lateness_processor_and_memory(page: Page) -> None:
    text = page.ask("/jobs/chatty").text
    shown = json.loads(page.ask("/api/jobs/chatty").text)["trends"]
    assert all(shown[name] for name in ("duration", "cpu_time", "memory"))
    part = text.split('id="trends"')[1].split("</section>")[0]
    names = re.findall(r"<figcaption>([a-z ]+) <b>", part)
    assert names == ["duration", "lateness", "processor time", "memory"]
