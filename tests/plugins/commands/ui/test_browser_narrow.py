"""The pages in a real browser of 320 pixels: nothing is cut, and nothing leaves the window."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import browser, open_context, open_whole, pytestmark
from tests.support.waiting import eventually

from rae_auto import Job, RetryPolicy
from rae_auto.model import documents
from rae_plugins.commands.ui.site import NAVIGATION

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

__all__ = ["browser", "pytestmark"]

NARROW = {"width": 320, "height": 700}

CUT = """(selector) => [...document.querySelectorAll(selector)]
  .filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent)"""
"""The texts of elements that are cut; both widths are rounded, so that one pixel says nothing."""

OUTSIDE = """(selector) => [...document.querySelectorAll(selector)]
  .map((one) => [one.textContent, one.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.left < 8 || box.right > innerWidth - 8)).map(([text]) => text)"""

MOST_TICKS = """() => {
  const chart = document.querySelector('.gantt');
  for (const old of chart.querySelectorAll(':scope > .tick-label')) old.remove();
  for (const [place, text] of ['15:40:00', '15:40:05', '15:40:10', '15:40:15', '15:40:20', '15:40:25'].entries()) {
    const label = document.createElementNS('http://www.w3.org/2000/svg', 'text');
    label.textContent = text;
    for (const [name, value] of Object.entries({x: `${2 + 17 * place}%`, y: 20, class: 'tick-label'}))
      label.setAttribute(name, value);
    chart.append(label);
  }
}"""
"""Gives a life as many labels of its axis as it has at most."""

LABEL_GAPS = """() => [...document.querySelectorAll('.gantt > .tick-label')].map((one) => one.getBoundingClientRect())
  .filter((box) => box.width).map((box, place, all) => place ? box.left - all[place - 1].right : box.left)"""

CHOSEN_TAB = """() => {
  const tabs = document.querySelector('nav[aria-label=Screens]').getBoundingClientRect();
  const chosen = document.querySelector('nav[aria-label=Screens] [aria-current]').getBoundingClientRect();
  return chosen.left >= tabs.left - 1 && chosen.right <= tabs.right + 1;
}"""


@pytest.fixture(scope="module")
def retried(page: Page) -> Iterator[str]:
    """A run of three attempts."""
    job = Job(name="retried", shell="exit 3", retry_policy=RetryPolicy(attempts=3, delay=0.1))
    page.daemons.ask("add", definition=documents.dump(job), replace=True)
    run: str = page.daemons.ask("trigger", job="retried")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["state"] == "failed")
    yield run
    page.daemons.ask("remove", job="retried")


def widen_letters(route: "Route") -> None:
    """Answer with the style of the pages, with wider letters in tabs, as some fonts have them."""
    answer = route.fetch()
    route.fulfill(response=answer, body=f"{answer.text()} nav a {{ letter-spacing: 5px; }}")


@pytest.mark.parametrize("letters", ["usual", "wide"])
def test_chosen_tab_is_in_view_without_a_script(browser: "Browser", page: Page, letters: str) -> None:
    context = open_context(browser, page, java_script_enabled=False)
    tab = context.new_page()
    if letters == "wide":
        tab.route("**/app.*.css", widen_letters)
    hidden = []
    for width in (320, 390):
        tab.set_viewport_size({"width": width, "height": 700})
        for name, path, _ in NAVIGATION:
            tab.goto(f"{page.origin}{path}")
            if not tab.evaluate(CHOSEN_TAB):
                hidden.append((width, name))
    context.close()
    assert hidden == []


def test_attempts_are_whole_in_a_narrow_window(browser: "Browser", page: Page, retried: str) -> None:
    context = open_context(browser, page, viewport=NARROW)
    tab = context.new_page()
    open_whole(tab, page, f"/runs/{retried}")
    assert tab.locator(".attempts tbody tr").count() == 3
    assert tab.evaluate(CUT, "#attempts .scroll") == []
    assert tab.evaluate(OUTSIDE, ".attempts tbody :is(th, td)") == []
    assert tab.evaluate(CUT, ".attempts tbody :is(th, td)") == []
    context.close()


def test_life_keeps_to_a_narrow_window(browser: "Browser", page: Page, retried: str) -> None:
    context = open_context(browser, page, viewport=NARROW)
    tab = context.new_page()
    for run in (retried, page.runs["waiting"], page.runs["bad"]):
        open_whole(tab, page, f"/runs/{run}")
        assert tab.locator("#life .phase-label").count() >= 2
        assert tab.evaluate(OUTSIDE, "#life .phase-label") == []
    open_whole(tab, page, f"/runs/{retried}")
    assert any(text.startswith("attempt 2") for text in tab.locator("#life .phase-label").all_text_contents())
    assert not tab.locator("#life .more").first.is_visible()
    tab.set_viewport_size({"width": 1100, "height": 700})
    assert tab.locator("#life .more").first.is_visible()
    context.close()


def test_times_of_a_life_can_be_read_in_a_narrow_window(browser: "Browser", page: Page, retried: str) -> None:
    context = open_context(browser, page, viewport=NARROW)
    tab = context.new_page()
    open_whole(tab, page, f"/runs/{retried}")
    tab.evaluate(MOST_TICKS)
    gaps = tab.evaluate(LABEL_GAPS)
    assert len(gaps) >= 2
    assert min(gaps) >= 8
    assert tab.evaluate(OUTSIDE, ".gantt > .tick-label") == []
    context.close()


def test_days_of_a_month_are_whole_in_a_narrow_window(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page, viewport=NARROW)
    tab = context.new_page()
    tab.route("**/events", lambda route: route.abort())
    open_whole(tab, page, "/month")
    tab.evaluate("for (const one of document.querySelectorAll('.day li i')) one.nextSibling.data = '123,456'")
    assert tab.locator(".day li i").count() > 1
    assert tab.evaluate(CUT, ".calendar .day") == []
    assert tab.evaluate(OUTSIDE, ".calendar .day") == []
    left = (
        "[...document.querySelectorAll('.day')].map((day) => day.querySelector('.number').getBoundingClientRect().left"
    )
    assert tab.evaluate(f"{left} - day.getBoundingClientRect().left).every((room) => room >= 0)")
    context.close()


def test_notes_of_days_can_be_read_in_a_narrow_window(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page, viewport=NARROW)
    tab = context.new_page()
    open_whole(tab, page, "/month?year=2026&month=10")
    assert tab.locator(".calendar .note i").is_visible()
    assert tab.locator(".day-notes").inner_text().split("\n")[-1] == "the clock changes: the day has 25 hours"
    assert tab.evaluate(CUT, ".calendar .day") == []
    tab.set_viewport_size({"width": 1100, "height": 700})
    assert tab.locator(".calendar .note .word").is_visible()
    assert not tab.locator(".day-notes").is_visible()
    context.close()
