"""The palette: what is found for words, and where they lead when they are sent."""

import re

import pytest
from tests.plugins.commands.ui.conftest import Page


def entries(page: Page, query: str) -> list[tuple[str, str]]:
    """Return the addresses and names that are offered."""
    return re.findall(r'<a href="([^"]+)"[^>]*>([^<]+)</a>', page.ask(f"/palette?preview=1&{query}").text)


def test_screens_and_jobs_are_offered_by_their_words(page: Page) -> None:
    assert entries(page, "q=Month") == [("/month", "Month")]
    assert entries(page, "q=GOO") == [("/jobs/good", "good")]
    assert [name for _, name in entries(page, "q=")][:2] == ["Now", "Timeline"]
    assert "Nothing matches" in page.ask("/palette?preview=1&q=nonsense").text


def test_job_of_the_page_comes_with_what_there_is_about_it(page: Page) -> None:
    found = entries(page, "q=good&job=good")
    assert ("/jobs/good/why", "good: why") in found
    assert ("/jobs/good#definition-title", "good: definition") in found
    assert ("/jobs/good/test-trigger", "good: test its triggers") in found
    assert found[-1] == ("/jobs/good", "good")


@pytest.mark.parametrize(
    ("query", "address"),
    [
        ("q=tim", "/timeline"),
        ("q=chat", "/jobs/chatty"),
        ("q=definition&job=a/b", "/jobs/a%2Fb#definition-title"),
        ("q=nonsense", "/jobs?q=nonsense"),
    ],
)
def test_words_that_are_sent_lead_to_the_first_that_is_found(page: Page, query: str, address: str) -> None:
    answer = page.ask(f"/palette?{query}")
    assert (answer.status, answer.headers["location"]) == (303, address)
