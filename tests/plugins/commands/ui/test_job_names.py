"""The name of a job for people stands beside its id, and finds it."""

import json

import pytest
from tests.plugins.commands.ui.conftest import Page


@pytest.mark.parametrize("path", ["/", "/jobs", "/timeline"], ids=["now", "jobs", "timeline"])
def test_name_stands_beside_the_id(page: Page, path: str) -> None:
    text = page.ask(path).text
    assert 'guarded</a> <span class="job-name faint">Half past</span>' in text
    assert 'class="job-name faint">good<' not in text


def test_name_is_in_the_json_of_each_screen(page: Page) -> None:
    assert json.loads(page.ask("/api/overview").text)["names"]["guarded"] == "Half past"
    rows = json.loads(page.ask("/api/timeline").text)["rows"]
    assert {row["job"]: row["name"] for row in rows}["guarded"] == "Half past"


def test_job_is_found_by_its_name(page: Page) -> None:
    assert 'id="job-guarded"' in page.ask("/jobs?q=HALF").text
    assert 'id="job-good"' not in page.ask("/jobs?q=HALF").text


def test_name_on_a_page_is_escaped(page: Page) -> None:
    text = page.ask("/jobs").text
    assert "&gt;&lt;script&gt;alert(1)&lt;/script&gt;</span>" in text
    assert "<script>alert(1)" not in text
