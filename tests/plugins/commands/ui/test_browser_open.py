"""Dialogs and menus that are open, and the page of an error: without a fault that axe-core knows."""

from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import WIDTHS, browser, open_context, pytestmark

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

OPENED = {
    # Name: address, keys, what is open then.
    "palette": ("/jobs", ":", "#palette[open]"),
    "keys": ("/", "?", "#help[open]"),
    "menu": ("/jobs/good", "p", ".menu[open]"),
    "error": ("/jobs/nothing", "", "h1"),
}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_what_opens_and_in_an_error(browser: "Browser", page: Page, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found: dict[str, list[str]] = {}
    context = open_context(browser, page, color_scheme=theme, bypass_csp=True, reduced_motion="reduce")
    tab = context.new_page()
    for name, (path, key, shown) in OPENED.items():
        tab.goto(f"{page.origin}{path}")
        if key:
            tab.keyboard.press(key)
        tab.locator(shown).first.wait_for()
        for width in WIDTHS:
            tab.set_viewport_size({"width": width, "height": 900})
            for violation in Axe().run(tab).response["violations"]:
                targets = [str(node["target"]) for node in violation["nodes"]][:4]
                found[f"{name} {width} {violation['id']}"] = targets
    context.close()
    assert found == {}
