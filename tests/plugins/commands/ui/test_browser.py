"""The pages in a real browser: live, by keyboard, without a script, and without a fault that axe-core knows."""

import json
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext
    from playwright.sync_api import Page as BrowserTab

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium"),
    pytest.mark.timeout(300),  # it runs long, and so it runs first
]

pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install playwright")

WIDTHS = (320, 768, 1440)

MOVE_FIRST_SECTION = """() => {
  const part = document.querySelector('main section');
  part.classList.remove('changed');  // it may have changed already, and have moved until now
  part.offsetWidth;
  part.classList.add('changed');
  return document.getAnimations().length;
}"""

NARROWEST_NAME = "Math.min(...[...document.querySelectorAll('.jobs th[scope=row]')].map(name => name.clientWidth))"


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def open_context(browser: "Browser", page: Page, **options: Any) -> "BrowserContext":
    """Return a window of a browser that is signed in."""
    context = browser.new_context(**options)
    name, _, value = page.cookie.partition("=")
    cookie = {"name": name, "value": value, "domain": "127.0.0.1", "path": "/", "httpOnly": True, "sameSite": "Strict"}
    context.add_cookies([cookie])  # type: ignore[list-item]
    context.set_default_timeout(60_000)
    return context


def style_of(selector: str, name: str) -> str:
    """Return an expression for how the first such element looks."""
    return f"getComputedStyle(document.querySelector('{selector}')).{name}"


def open_whole(tab: "BrowserTab", page: Page, path: str) -> None:
    """Open a page, and wait for the parts that follow it."""
    tab.goto(f"{page.origin}{path}")
    wait_until_whole(tab)


def wait_until_whole(tab: "BrowserTab") -> None:
    """Wait for the parts of a page that are still being computed, after which it is not fetched again."""
    from playwright.sync_api import expect

    # Several of them may be waited for at once.
    for what in ("[data-unfinished]", "[data-pending]"):
        expect(tab.locator(what)).to_have_count(0, timeout=30_000)


SCREENS = {
    "now": "/",
    "timeline": "/timeline?span=1h",
    "month": "/month",
    "day": "/day/2026-11-28",
    "jobs": "/jobs",
    "job": "/jobs/bad",
    "run": "/runs/{run}",
    "why": "/jobs/bad/why?run={run}",
    "test-trigger": "/jobs/watching/test-trigger?seconds=1",
    "output": "/runs/{run}/output?pattern=no",
    "merged-output": "/output?pattern=no",
    "what-if": "/what-if",
    "health": "/health",
}


def screens(page: Page) -> dict[str, str]:
    """Return the address of each screen."""
    return {name: address.format(run=page.runs["bad"]) for name, address in SCREENS.items()}


@pytest.mark.timeout(900)  # Thirty-nine looks at pages, on a machine with other things to do.
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_on_any_screen_in_any_width(browser: "Browser", page: Page, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, list[str]] = {}
    # Only the checker's own script needs to be let in, so that the page keeps its policy otherwise.
    context = open_context(browser, page, color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    tab = context.new_page()
    for name, path in screens(page).items():
        open_whole(tab, page, path)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            results = Axe().run(tab).response["violations"]
            for violation in results:
                targets = [str(node["target"]) for node in violation["nodes"]][:4]
                found[f"{name} {width} {violation['id']}"] = targets
    context.close()
    assert found == {}


def test_no_screen_scrolls_sideways_in_any_width(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    wide: dict[tuple[str, int], Any] = {}
    for name, path in screens(page).items():
        open_whole(tab, page, path)
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            if tab.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wide[name, width] = tab.evaluate("document.documentElement.scrollWidth")
            if name == "jobs" and tab.evaluate(NARROWEST_NAME) < 100:
                wide[name, width] = "names are broken every few letters"
    context.close()
    assert wide == {}


def test_browser_refuses_nothing_of_our_own(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    messages: list[str] = []
    tab.on("console", lambda message: messages.append(f"{tab.url}: {message.text}"))
    tab.on("pageerror", lambda error: messages.append(f"{tab.url}: {error}"))
    for path in screens(page).values():
        open_whole(tab, page, path)
        tab.wait_for_load_state("load")
    context.close()
    assert messages == []


def test_output_is_followed_while_it_grows(browser: "Browser", page: Page) -> None:
    definition = {"id": "slow", "shell": "for i in 1 2 3 4 5 6 7 8; do echo tick $i; sleep 0.3; done", "schedule": []}
    page.daemons.ask("add", definition=definition, replace=True)
    run = page.daemons.ask("trigger", job="slow")["run_id"]
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(f"{page.origin}/runs/{run}/output")
    tab.get_by_text("tick 8").wait_for()
    lines = tab.locator("#lines li").all_inner_texts()
    assert [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in lines] == [f"tick {number}" for number in range(1, 9)]
    assert all(re.match(r"\d\d:", line) for line in lines[4:])
    tab.goto(f"{page.origin}/output?job=slow")
    assert tab.locator(".lines li").count() == 8
    context.close()
    page.daemons.ask("remove", job="slow")


def test_keys_select_rows_and_lead_to_screens(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(f"{page.origin}/jobs")
    tab.locator("#signal[data-state=live]").wait_for()
    tab.keyboard.press("j")
    tab.keyboard.press("j")
    selected = tab.locator("[data-row][aria-current=true]")
    assert selected.get_attribute("id") == f"job-{tab.locator('tbody tr').nth(1).locator('a').first.inner_text()}"
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/jobs/*")
    tab.keyboard.press("w")
    tab.wait_for_url("**/why")
    tab.keyboard.press("t")
    tab.wait_for_url("**/timeline")
    tab.keyboard.press("?")
    tab.locator("#help[open]").wait_for()
    tab.keyboard.press("Escape")
    tab.keyboard.press(":")
    tab.locator("#palette-words").fill("chat")
    tab.locator("#palette-results").get_by_text("chatty").wait_for()
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/jobs/chatty")
    context.close()


def test_job_is_paused_and_resumed_without_a_script(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page, java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{page.origin}/jobs/good")
    tab.get_by_text("pause …").click()
    tab.get_by_label("Note").fill("on holiday")
    tab.get_by_role("button", name="Pause", exact=True).click()
    assert "on holiday" in tab.locator("#tiles").inner_text()
    tab.get_by_role("button", name="resume").click()
    assert not page.daemons.ask("show", job="good")["info"]["paused"]
    context.close()


def test_triggers_are_tested_live_and_start_nothing(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    (page.daemons.home / "in").mkdir()
    tab.goto(f"{page.origin}/jobs/watching")
    tab.get_by_text("Watch them live").click()
    tab.get_by_text("looked at all files").wait_for()
    tab.get_by_text("closed  says").wait_for()
    (page.daemons.home / "in" / "new.pdf").write_text("x")
    tab.get_by_text("would start it").wait_for()
    line = tab.locator("#lines li", has_text="would start it").inner_text()
    assert "new.pdf" in line
    assert 'but guard "closed" says no' in line
    context.close()
    assert all(run["started_at"] is None for run in page.daemons.ask("history", job="watching", limit=10))


def test_triggers_are_tested_without_a_script(page: Page) -> None:
    text = page.ask("/jobs/good/test-trigger?seconds=2").text
    assert "watches" in text
    assert page.ask("/jobs/nothing/test-trigger").status == 404


def test_trial_beside_three_others_is_refused_at_once(page: Page) -> None:
    path = "/jobs/watching/test-trigger"
    request = f"GET {path}/follow HTTP/1.1\r\nHost: 127.0.0.1:{page.port}\r\nCookie: {page.cookie}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", page.port), timeout=60))
            connection.sendall(request.encode())
            received = b""
            while b"watches" not in received:
                received += connection.recv(1 << 16)
        for address in (f"{path}?seconds=10", f"{path}/follow"):
            answer = page.ask(address)
            assert (answer.status, "3 trials are going on already" in answer.text) == (400, True)
    eventually(lambda: "watches" in page.ask(f"{path}?seconds=1").text)


def test_guards_are_chosen_and_the_time_lapse_plays(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(f"{page.origin}/what-if")
    tab.get_by_label("powered.mains").select_option("no")
    tab.get_by_text('guard "mains" of "powered" says yes').wait_for(state="detached")
    curtain = tab.locator("#lapse .curtain").first
    before = curtain.get_attribute("x")
    tab.locator("h1").click()
    tab.keyboard.press(" ")
    tab.locator("#lapse output").get_by_text("start").wait_for()
    assert tab.locator("[data-press=play]").inner_text() == "stop"
    assert curtain.get_attribute("x") != before
    tab.keyboard.press(".")
    assert tab.locator("[data-press=play]").inner_text() == "play"
    saved = tab.locator("#text").input_value()
    for text, says in ((f"{saved}\n[jobs", "It can't be simulated"), (saved, "most at once")):
        tab.locator("#text").fill(text)
        tab.locator("#changes", has_text=says).wait_for()
        assert tab.get_by_label("powered.mains").input_value() == "no"
    context.close()


def test_answers_of_guards_survive_a_mistake_without_a_script(page: Page) -> None:
    saved = page.daemons.config.read_text()
    chosen = {"guard:powered.mains": "no", "guard:gone.mains": "unknown"}
    text = page.submit("/what-if", text=f"{saved}\n[jobs", **chosen).text
    assert "It can&#39;t be simulated as long as it has errors." in text
    fields = dict(re.findall(r'<select name="(guard:[^"]+)">.*?<option selected>(\w+)</option>', text))
    assert fields == chosen
    text = page.submit("/what-if", text=saved, **fields).text
    assert re.findall(r'<select name="(guard:[^"]+)">.*?<option selected>(\w+)</option>', text) == [
        ("guard:powered.mains", "no")
    ]


def test_what_if_opens_at_once_and_shows_the_simulation_later(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(f"{page.origin}/what-if")
    assert "[jobs.good]" in tab.locator("#text").input_value()
    tab.locator("#changes .tiles").wait_for()
    assert "The text is as it is saved." in tab.locator("#patch").inner_text()
    tab.get_by_label("runs take").fill("x" * 400)
    tab.locator("#durations-problem").get_by_text("write a job and a duration").wait_for()
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    tab.get_by_label("runs take").fill("")
    tab.locator("#text").fill("[jobs")
    tab.locator("#checked .state.bad").first.wait_for()
    lapse = tab.locator("#lapse", has_text="It can't be simulated as long as it has errors.")
    lapse.wait_for()
    tab.get_by_label("runs take").fill("x")
    tab.locator("#text").fill("")
    tab.locator("#durations-problem").get_by_text("write a job and a duration").wait_for()
    lapse.wait_for(state="hidden")
    context.close()


def test_answers_and_patches_are_copied(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page, permissions=["clipboard-read", "clipboard-write"])
    tab = context.new_page()

    def copied(name: str) -> str:
        button = tab.get_by_role("button", name=name, exact=True)
        kind = button.get_attribute("data-of")
        button.click()
        tab.locator(f'[data-of="{kind}"]').get_by_text("copied", exact=True).wait_for()
        return str(tab.evaluate("navigator.clipboard.readText()"))

    run = page.runs["bad"]
    tab.goto(f"{page.origin}/jobs/bad/why?run={run}")
    assert copied("copy as Markdown").startswith(f"**bad**, run {run}: bad (run ")
    record = json.loads(copied("copy as JSON"))
    assert (record["job"], record["run_id"]) == ("bad", run)
    tab.goto(f"{page.origin}/what-if")
    tab.locator("#text").fill(tab.locator("#text").input_value().replace('"0 3 * * *"', '"0 5 * * *"'))
    tab.locator("#patch-text").wait_for()
    assert '+schedule = "0 5 * * *"' in copied("copy")
    context.close()


def test_forced_colours_and_reduced_motion_are_respected(browser: "Browser", page: Page) -> None:
    shown: dict[str, list[Any]] = {}
    for colours, motion in (("none", "no-preference"), ("active", "reduce")):
        context = open_context(browser, page, forced_colors=colours, reduced_motion=motion)
        tab = context.new_page()
        tab.goto(f"{page.origin}/jobs")
        # All in one step, because the page can put a fresh part in the place of the one that was found.
        count = tab.evaluate(MOVE_FIRST_SECTION)
        shown[colours] = [count, tab.evaluate(style_of("nav a[aria-current]", "outlineStyle"))]
        tab.goto(f"{page.origin}/")
        stroke = tab.evaluate(style_of("#strip .chart rect.future", "stroke"))
        shown[colours].append(stroke == "none")
        context.close()
    assert shown == {"none": [1, "none", True], "active": [0, "solid", False]}


def test_hostile_names_and_output_run_nothing(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    dialogs: list[str] = []
    tab.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    for path in ("/jobs/hostile", f"/runs/{page.runs['hostile']}", f"/runs/{page.runs['bad']}/output"):
        tab.goto(f"{page.origin}{path}")
    assert "<script>alert(1)</script>" in tab.locator("#lines").inner_text()
    assert dialogs == []
    context.close()


def test_pages_by_other_sites_can_not_frame_or_read_it(browser: "Browser", page: Page, tmp_path: Path) -> None:
    site = tmp_path / "site.html"
    site.write_text(f"<title>other</title><iframe src='{page.origin}/'></iframe>")
    context = open_context(browser, page)
    tab = context.new_page()
    tab.goto(site.as_uri())
    tab.wait_for_timeout(500)
    assert all("Needs you" not in frame.content() for frame in tab.frames)
    answer = tab.evaluate(
        f"fetch('{page.origin}/api/overview', {{credentials: 'include'}}).then(() => 'read', () => 'no')"
    )
    assert answer == "no"
    context.close()
