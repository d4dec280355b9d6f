"""Dialogs and menus that are open, and the page of an error: without a fault that axe-core knows."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import WIDTHS, browser, open_context, pytestmark

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from playwright.sync_api import Page as Tab

__all__ = ["browser", "pytestmark"]

OPENED: "dict[str, tuple[str, str, Callable[[Tab], list[Locator]]]]" = {
    # Name: address, keys, what is open then, by the names that axe doesn't ask of dialogs and of fields with a hint.
    "palette": (
        "/jobs",
        ":",
        lambda tab: [
            tab.get_by_role("dialog", name="Commands and jobs").get_by_label("Screen or job"),
            tab.locator("#palette-results li a").first,
        ],
    ),
    "keys": ("/", "?", lambda tab: [tab.get_by_role("dialog", name="Keys").get_by_role("button", name="Close")]),
    "menu": (
        "/jobs/good",
        "p",
        lambda tab: [
            tab.locator(".menu[open]").get_by_label("Until"),
            tab.locator(".menu[open]").get_by_label("Note"),
            tab.locator(".menu[open]").get_by_role("button", name="Pause"),
        ],
    ),
    "error": ("/jobs/nothing", "", lambda tab: [tab.get_by_role("heading", level=1)]),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_what_opens_and_in_an_error(browser: "Browser", page: Page, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, list[str]] = {}
    context = open_context(browser, page, color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    tab = context.new_page()
    for name, (path, key, find_shown) in OPENED.items():
        tab.goto(f"{page.origin}{path}")
        if key:
            tab.keyboard.press(key)
        for shown in find_shown(tab):
            shown.wait_for()
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            for violation in Axe().run(tab).response["violations"]:
                targets = [str(node["target"]) for node in violation["nodes"]][:4]
                found[f"{name} {width} {violation['id']}"] = targets
    context.close()
    assert found == {}
