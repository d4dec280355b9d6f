"""The stream of events in a real browser: when a page is read again, and what the signal says."""

import re
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import Page, start_page, stop
from tests.plugins.commands.ui.test_browser import browser, open_context, open_whole, pytestmark
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

__all__ = ["browser", "pytestmark"]

COUNT_MESSAGES = """
  window.messages = [];
  const Stream = window.EventSource;
  window.EventSource = class extends Stream {
    constructor(address) {
      super(address);
      this.addEventListener("hello", ({ data }) => {
        if (String(JSON.parse(data).version) !== document.body.dataset.version) window.messages.push("outdated");
      });
      this.addEventListener("change", () => window.messages.push("change"));
    }
  };
"""


def test_first_page_is_read_once_and_at_most_once_more_for_each_change(browser: "Browser", page: Page) -> None:
    fresh = start_page(page.daemons)
    fetched: list[str] = []

    def answer(route: "Route") -> None:
        fetched.append(route.request.resource_type)
        found = route.fetch()
        # Whatever it waits for takes long.
        route.fulfill(response=found, body=found.text().replace("</main>", "<p data-pending></p></main>"))

    try:
        context = open_context(browser, fresh)
        tab = context.new_page()
        tab.clock.install()
        tab.add_init_script(COUNT_MESSAGES)
        tab.route("**/", answer)
        tab.goto(f"{fresh.origin}/")
        tab.locator("#signal", has_text="live").wait_for()
        tab.locator("#attention", has_text="Doctor looked").wait_for()
        tab.clock.run_for(10_000)
        tab.wait_for_load_state("networkidle")
        messages = tab.evaluate("window.messages")
        context.close()
    finally:
        stop(fresh.process)
    assert fetched[0] == "document"
    assert len(fetched) - 1 <= len(messages), (fetched, messages)
    # The begin of the stream, the starts to come and the report of doctor; a run of another test may end meanwhile.
    assert len(messages) <= 4, messages


def test_page_that_came_late_has_no_past_in_the_future(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.clock.install(time=datetime.now(UTC) + timedelta(seconds=30))
    open_whole(tab, page, "/")
    tab.locator("#signal[data-state=live]").wait_for()
    tab.clock.set_system_time(datetime.now(UTC))
    seen = tab.locator("#running .proof time").first
    first = seen.get_attribute("datetime")

    def is_fresh() -> bool:
        tab.clock.run_for(1_000)
        return seen.get_attribute("datetime") != first

    page.daemons.ask("trigger", job="good")
    eventually(is_fresh)
    # The text that came with the page, until the next tick, is that of the server.
    tab.clock.run_for(1_000)
    assert not seen.inner_text().startswith("in ")
    context.close()


def test_first_load_is_small_and_has_one_stream(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    loaded: list[str] = []
    sizes: list[int] = []
    tab.on(
        "response", lambda response: loaded.append(re.sub(r"\.\w{12}\.", ".", response.url.removeprefix(page.origin)))
    )
    tab.on("requestfinished", lambda request: sizes.append(request.sizes()["responseBodySize"]))
    tab.goto(f"{page.origin}/")
    tab.locator("#signal[data-state=live]").wait_for()
    expected = {"/", "/events", "/static/app.css", "/static/app.js", "/static/icon.svg"}
    deadline = time.monotonic() + 60
    while not expected <= set(loaded) and time.monotonic() < deadline:
        tab.wait_for_timeout(100)
    context.close()
    # Something may have happened meanwhile, for which the page was read again.
    assert set(loaded) == expected
    assert sum(sizes) <= 100_000


def test_page_changes_by_itself_when_something_happens(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(f"{page.origin}/jobs/chatty")
    tab.locator("#signal[data-state=live]").wait_for()
    before = tab.locator("#history li").count()
    run = page.daemons.ask("trigger", job="chatty")["run_id"]
    tab.locator(f'#history a[href="/runs/{run}"]').wait_for()
    assert tab.locator("#history li").count() == before + 1
    assert tab.title().startswith("chatty")
    context.close()


def test_signal_says_live_before_anything_happens(browser: "Browser", page: Page) -> None:
    from playwright.sync_api import TimeoutError as PlaywrightTimeout

    context = open_context(browser, page)
    listening, tab = context.new_page(), context.new_page()
    listening.goto(f"{page.origin}/jobs")
    listening.locator("#signal", has_text="live").wait_for()
    # Only the stream can say so.
    tab.route("**/jobs", lambda one: one.abort() if one.request.resource_type == "xhr" else one.continue_())
    for _ in range(10):
        tab.goto(f"{page.origin}/jobs")
        with suppress(PlaywrightTimeout):
            tab.locator("#signal", has_text="live").wait_for(timeout=5_000)
            break
        # A change of a job came in between, so the page asks again, which is refused here.
    else:
        pytest.fail("no page became live by the stream alone")
    for path in ("/what-if", "/jobs/good/why"):  # These don't change by themselves.
        open_whole(tab, page, path)
        assert not tab.locator("#signal").is_visible()
    context.close()


def test_signal_of_a_page_without_a_daemon_is_off(browser: "Browser", tmp_path: Path) -> None:
    page = start_page(Daemons(tmp_path, "[jobs.alone]\ncommand = ['true']\n"))
    try:
        context = open_context(browser, page)
        tab = context.new_page()
        with tab.expect_response(lambda answer: answer.request.resource_type == "xhr"):
            tab.goto(f"{page.origin}/")
        tab.locator("#signal[data-state=off]").wait_for()
        assert tab.locator("#signal").inner_text() == "no daemon"
        context.close()
    finally:
        stop(page.process)
