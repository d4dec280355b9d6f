"""Codes of reasons lead to their explanation."""

import json
import re

from tests.plugins.commands.ui.conftest import Page


def test_reason_of_a_mark_leads_to_its_explanation(page: Page) -> None:
    text = page.ask(f"/jobs/bad/why?run={page.runs['bad']}").text
    links = re.findall(r'href="(/explain/[\w.%-]+)"', text) + re.findall(
        r'href="(/explain/[\w.%-]+)"', page.ask("/jobs/waiting/why").text
    )
    assert links
    for link in links:
        assert "what to do" in page.ask(link).text
        assert json.loads(page.ask(f"/api{link}").text)["codes"][0]["hint"]


def test_unknown_code_is_not_found(page: Page) -> None:
    assert page.ask("/explain/nothing").status == 404
    assert "unknown code" in json.loads(page.ask("/api/explain/nothing").text)["error"]
    assert "overlapping" in page.ask("/explain").text or "overlap" in page.ask("/explain").text
