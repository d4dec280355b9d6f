"""The pages in a real browser without a mouse: the order of Tab, the keys of the help, and where motion is unwanted."""

from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import (
    SCREENS,
    browser,
    open_context,
    open_whole,
    pytestmark,
    screens,
    wait_until_whole,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

PREPARE = """() => {
  const what = 'a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex="0"]';
  const isStop = (one) => one.tabIndex >= 0 && !one.disabled && one.checkVisibility({ visibilityProperty: true });
  const stops = [...document.querySelectorAll(what)].filter(isStop);
  const describe = (one) => `${one.localName} ${one.getAttribute('href') || one.id || one.textContent.trim()}`;
  const boxUnder = (one, ancestor) => {
    let child = one;
    while (child.parentElement !== ancestor) child = child.parentElement;
    const box = child.getBoundingClientRect();
    return box.width || box.height ? box : one.getBoundingClientRect();
  };
  const isBackwards = (before, after) => {
    let ancestor = before.parentElement;
    while (!ancestor.contains(after)) ancestor = ancestor.parentElement;
    if (ancestor === before.parentElement && before.contains(after)) return false;
    const [one, two] = [boxUnder(before, ancestor), boxUnder(after, ancestor)];
    const isAbove = two.bottom <= one.top + 1 && two.left < one.right;
    const overlap = Math.min(one.bottom, two.bottom) - Math.max(one.top, two.top);
    return isAbove || (overlap > Math.min(one.height, two.height) / 2 && two.right <= one.left + 1);
  };
  const met = [], unmarked = [];
  const note = (event) => {
    const { outlineStyle, outlineWidth } = getComputedStyle(event.target);
    met.push(event.target);
    if (outlineStyle === 'none' || parseFloat(outlineWidth) < 1) unmarked.push(describe(event.target));
  };
  addEventListener('focusin', note);
  document.activeElement.blur();
  window.readStops = () => {
    removeEventListener('focusin', note);
    return {
      missed: stops.filter((one) => !met.includes(one)).map(describe),
      unmarked,
      backwards: met.slice(1).map((after, number) => [met[number], after])
        .filter(([before, after]) => before !== after && after !== met[0] && !before.contains(after))
        .filter((pair) => isBackwards(...pair)).map((pair) => pair.map(describe)),
    };
  };
  return stops.length;
}"""

MOVING = """() => {
  for (const part of document.querySelectorAll('[data-live]')) part.classList.add('changed');
  const moves = (one) => {
    const { scrollBehavior, animationName, transitionDuration } = getComputedStyle(one);
    return scrollBehavior === 'smooth' || animationName !== 'none' || /[1-9]/.test(transitionDuration);
  };
  return [...document.querySelectorAll('*')].filter(moves).map((one) => one.id || one.localName)
    .concat(document.getAnimations().map(String));
}"""


@pytest.mark.parametrize("screen", SCREENS)
def test_tab_meets_everything_in_visual_order(browser: "Browser", page: Page, screen: str) -> None:
    context = open_context(browser, page, reduced_motion="reduce")
    tab = context.new_page()
    # Nothing is put in place of what has the focus; an output that grows is fetched again without an event.
    tab.route("**/events", lambda route: route.abort())
    tab.route("**/output*", lambda one: one.abort() if one.request.resource_type == "xhr" else one.continue_())
    open_whole(tab, page, screens(page)[screen])
    found: dict[str, Any] = {"moving": tab.evaluate(MOVING)}
    for width in (320, 1440):
        tab.set_viewport_size({"width": width, "height": 900})
        count = tab.evaluate(PREPARE)
        for _ in range(count + 1):
            tab.keyboard.press("Tab")
        found |= {f"{what} {width}": those for what, those in tab.evaluate("readStops()").items()}
        tab.reload()
        wait_until_whole(tab)
    context.close()
    assert {what: those for what, those in found.items() if those} == {}


def test_keys_act_on_the_row_with_the_focus_alone(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    open_whole(tab, page, "/jobs")
    runs = len(page.daemons.ask("history", limit=1000))
    tab.keyboard.press("r")  # no row is selected
    tab.locator("nav a").first.focus()
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    chosen = tab.locator("[data-row][aria-current=true]")
    name = chosen.locator("a").first.inner_text()
    assert tab.evaluate("document.activeElement.textContent") == name
    tab.keyboard.press("k")
    tab.keyboard.press("j")
    tab.keyboard.press("?")
    tab.locator("#help[open]").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("#help[open]").wait_for(state="detached")
    assert tab.evaluate("document.activeElement.textContent") == name
    tab.keyboard.press(":")
    tab.locator("#palette-words:focus").wait_for()
    page.daemons.ask("trigger", job="chatty")  # the page is read again when the palette is closed
    tab.keyboard.press("Escape")
    tab.locator("#palette[open]").wait_for(state="detached")
    assert tab.evaluate("document.activeElement.textContent") == name
    assert len(page.daemons.ask("history", limit=1000)) == runs + 1
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/jobs/{name}")
    context.close()


def test_escape_leaves_filter_menu_and_row(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    open_whole(tab, page, "/jobs")
    tab.keyboard.press("/")
    tab.locator("#find:focus").wait_for()
    tab.keyboard.press("Escape")
    tab.keyboard.press("j")
    tab.locator("[data-row][aria-current=true] a:focus").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("[data-row][aria-current=true]").wait_for(state="detached")
    open_whole(tab, page, "/jobs/good")
    tab.keyboard.press("p")
    tab.locator("#pause-menu[open] summary:focus").wait_for()
    tab.keyboard.press("Tab")
    tab.locator("#pause-menu input:focus").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("#pause-menu:not([open]) summary:focus").wait_for()
    tab.keyboard.press("h")
    tab.locator("#history-title:focus").wait_for()
    context.close()


def test_escape_goes_back_where_nothing_is_open(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    open_whole(tab, page, "/jobs/good")
    tab.keyboard.press("t")
    tab.wait_for_url("**/timeline")
    tab.keyboard.press("J")
    tab.wait_for_url("**/jobs")
    tab.keyboard.press("/")
    tab.locator("#find:focus").wait_for()
    tab.keyboard.press("Escape")
    tab.locator("body:not(:has(#find:focus))").wait_for()
    tab.keyboard.press("Escape")
    tab.wait_for_url("**/timeline")
    tab.keyboard.press("s")
    tab.wait_for_url("**/what-if")
    tab.keyboard.press("Escape")
    tab.keyboard.press("t")
    tab.wait_for_url("**/timeline")
    for path in ("/jobs/good/why", f"/runs/{page.runs['good']}/output"):
        open_whole(tab, page, path)  # no page of ours led to it
        tab.keyboard.press("Escape")
        tab.wait_for_url("**/jobs/good")
    context.close()


def test_time_lapse_goes_by_steps_where_motion_is_unwanted(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page, reduced_motion="reduce")
    tab = context.new_page()
    open_whole(tab, page, "/what-if")
    assert tab.locator("[data-press=step]").is_visible()
    assert not tab.locator("[data-press=play]").is_visible()
    tab.locator("h1").click()
    tab.clock.install()
    before = tab.locator("#step").input_value()
    tab.keyboard.press(" ")
    tab.clock.run_for(30_000)
    assert tab.locator("#step").input_value() == before
    tab.keyboard.press(".")
    first = int(tab.locator("#step").input_value())
    tab.clock.run_for(30_000)
    assert int(tab.locator("#step").input_value()) == first
    tab.keyboard.press(".")
    assert int(tab.locator("#step").input_value()) > first
    assert "start" in tab.locator("#lapse output").inner_text()
    context.close()


def test_palette_offers_what_has_the_words(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    open_whole(tab, page, "/jobs/good")
    tab.keyboard.press(":")
    results = tab.locator("#palette-results")
    results.get_by_text("Health").wait_for()
    assert "good: why" in results.inner_text()
    tab.keyboard.type("trigger")
    tab.locator("#palette-results:not(:has-text('Health'))").wait_for()
    assert results.inner_text() == "good: test its triggers"
    tab.keyboard.press("ArrowDown")
    tab.locator("#palette-results a:focus").wait_for()
    tab.keyboard.press("ArrowDown")
    tab.locator("#palette-words:focus").wait_for()
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/jobs/good/test-trigger")
    context.close()


def test_palette_leads_to_what_was_typed_before_any_answer(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    open_whole(tab, page, "/jobs")
    tab.route("**/palette?*preview=1", lambda route: None)  # it is never answered
    tab.keyboard.press(":")
    tab.keyboard.type("chatt")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/jobs/chatty")
    context.close()
