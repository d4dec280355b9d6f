"""Keys of the page and of `rae-auto top`: both show one list, and on the page each key does what the list says."""

import re
from html import unescape
from itertools import takewhile
from typing import TYPE_CHECKING

from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import browser, open_context, open_whole, pytestmark
from tests.support.waiting import eventually

from rae_plugins.commands.top.keys import BINDINGS
from rae_plugins.commands.top.panes import help_lines
from rae_plugins.commands.top.styled_lines import plain_text
from rae_plugins.commands.ui.keys import KEYS

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as BrowserTab

__all__ = ["browser", "pytestmark"]

WANTED = "j k / : Enter Esc ? r x p w o h t m n s e"
"""The keys that both views are known by."""


def keys_of_the_page(page: Page) -> list[tuple[str, str]]:
    """Return the keys that the page shows, and what they are said to do."""
    shown = re.findall(r"<div><dt>((?:<kbd[^>]*>[^<]+</kbd> )+)</dt><dd>([^<]+)</dd></div>", page.ask("/jobs").text)
    return [(unescape(" ".join(re.findall(r">([^<]+)</kbd>", keys))), unescape(does)) for keys, does in shown]


def keys_of_the_terminal(width: int = 60) -> list[tuple[str, str]]:
    """Return the keys that `rae-auto top` shows, and what they are said to do."""
    lines = takewhile(str.strip, map(plain_text, help_lines(width)))  # up to the legends
    return [(line[:12].strip(), line[12:].strip()) for line in lines if line.startswith("  ") and line[11:12] == " "]


def test_page_and_terminal_show_the_same_keys(page: Page) -> None:
    shared = [(one.keys, one.does) for one in KEYS]
    on_page, in_terminal = keys_of_the_page(page), keys_of_the_terminal()
    assert on_page[: len(shared)] == in_terminal[: len(shared)] == shared
    assert set(WANTED.split()) <= {key for keys, _ in shared for key in keys.split()}
    own = dict(on_page[len(shared) :]), dict(in_terminal[len(shared) :])
    assert own[0].keys().isdisjoint(own[1])


def test_wide_terminal_shows_all_keys_in_two_columns() -> None:
    text = "\n".join(map(plain_text, help_lines(100)))
    assert all(re.search(rf"  {re.escape(keys)} +{re.escape(does)}", text) for keys, does in keys_of_the_terminal())
    assert len(text.splitlines()) < 20


def test_terminal_binds_every_key_of_the_list() -> None:
    names = {"/": "slash", ":": "colon", "?": "question_mark", ".": "full_stop", "Esc": "escape"}
    bound = {key for binding in BINDINGS for key in binding.key.split(",")}
    shown = {key for keys, _ in keys_of_the_terminal() for key in keys.split()}
    assert {names.get(key, key if len(key) == 1 else key.lower()) for key in shown} <= bound


ADDRESSES = {
    "Enter": "/jobs/keyed",
    "p": "/jobs/keyed#until",
    "w": "/jobs/keyed/why",
    "o": "/output?job=keyed",
    "n": "/jobs/keyed#next-title",
    "h": "/jobs/keyed#history-title",
    "e": "/jobs/keyed#definition-title",
    "t": "/timeline",
    "m": "/month",
    "H": "/health",
    "s": "/what-if",
    "N": "/",
    "J": "/jobs",
}
"""Where keys lead while a row of the job `keyed` is selected in the list of jobs."""


class RowOfJob:
    """The list of jobs with the row of one job selected, and what the keys that stay there do."""

    def __init__(self, tab: "BrowserTab", page: Page) -> None:
        self.tab, self.page = tab, page

    def open(self) -> None:
        """Open the list, and select the row with the keyboard."""
        open_whole(self.tab, self.page, "/jobs?q=keye")
        self.tab.locator("#signal[data-state=live]").wait_for()
        self.tab.keyboard.press("j")
        self.tab.locator("#job-keyed[aria-current=true]").wait_for()

    def press(self, keys: str) -> None:
        """Press keys, and wait for what they are said to do."""
        tab, (first, *second) = self.tab, keys.split()
        self.open()
        if keys == "j k":
            tab.keyboard.press("Escape")
            tab.locator("[data-row][aria-current=true]").wait_for(state="detached")
        name = {"Esc": "Escape", "Space": " "}.get(first, first)
        if keys in ADDRESSES:
            tab.keyboard.press(name)
            tab.wait_for_url(f"{self.page.origin}{ADDRESSES[keys]}")
            return
        if keys == ".":
            open_whole(tab, self.page, "/what-if")
            tab.locator("[data-press=step]").wait_for()
        if keys == "[ ]":
            open_whole(tab, self.page, "/day/2026-11-28")
        if keys != "x":
            tab.keyboard.press(name)
        shown = {
            "j k": "#job-keyed[aria-current=true]",
            "Esc": "body:not(:has([data-row][aria-current=true]))",
            "/": "#find:focus",
            ":": "#palette[open] #palette-words:focus",
            "?": "#help[open]",
            "Space": "#signal[data-state=paused]",
            ".": "#lapse output:not(:empty)",
        }
        if keys in shown:
            tab.locator(shown[keys]).first.wait_for()
        if keys == "[ ]":
            tab.wait_for_url("**/day/2026-11-27")
        for key in second:
            tab.keyboard.press(key)
        if keys == "[ ]":
            tab.wait_for_url("**/day/2026-11-28")
        if keys == "r":
            tab.get_by_text('"keyed" was started').wait_for()
        if keys == "x":
            tab.locator("#job-keyed summary[data-key=x]").wait_for()
            tab.keyboard.press("x")
            tab.locator("#job-keyed .menu[open] button:visible").wait_for()
            tab.keyboard.press("Escape")
            tab.locator("#job-keyed .menu:not([open])").wait_for(state="attached")
            tab.keyboard.press("x")
            tab.keyboard.press("x")
            tab.get_by_text("1 run cancelled").wait_for()


def test_page_does_what_every_key_is_said_to_do(browser: "Browser", page: Page) -> None:
    definition = {"id": "keyed", "command": ["sleep", "600"], "schedule": []}
    page.daemons.ask("add", definition=definition, replace=True)
    context = open_context(browser, page)
    row = RowOfJob(context.new_page(), page)
    try:
        for keys, _ in keys_of_the_page(page):
            apart = keys.split()
            for one in apart if set(apart) <= ADDRESSES.keys() else [keys]:
                row.press(one)
        eventually(lambda: page.daemons.ask("history", job="keyed")[0]["state"] == "cancelled")
    finally:
        context.close()
        page.daemons.ask("remove", job="keyed")


def test_key_e_shows_the_definition_with_its_file_and_line(browser: "Browser", page: Page) -> None:
    context = open_context(browser, page)
    tab = context.new_page()
    lines = page.daemons.config.read_text().splitlines()
    place = f"{page.daemons.config.name}:{lines.index('[jobs.good]') + 1}"
    for path in ("/jobs/good", "/jobs/good/why"):
        open_whole(tab, page, path)
        tab.keyboard.press("e")
        tab.locator("#definition-title:focus").wait_for()
        assert place in tab.locator("section", has=tab.locator("#definition-title")).inner_text()
    context.close()
