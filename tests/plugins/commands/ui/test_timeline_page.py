"""The timeline as a page: complete, or with a line about what it doesn't show."""

import re

from tests.plugins.commands.ui.conftest import Page


def test_timeline_says_where_expected_starts_end(page: Page) -> None:
    text = page.ask("/timeline?span=31d").text
    assert "More starts are expected than are shown: guarded after " in text


def test_timeline_that_shows_all_starts_says_nothing(page: Page) -> None:
    text = page.ask("/timeline?span=1h").text
    assert "More starts are expected" not in text
    in_chart = re.findall(r": expected(?: \([^<]*\))?</title>", text)
    assert text.count("expected</span>") == len(in_chart)
