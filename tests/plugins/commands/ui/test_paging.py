"""Parts of a list of jobs: behind its end, and numbers in addresses that are none."""

import json
import re

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto import Interval, Job
from rae_auto.model import documents
from rae_auto.model.plugin_ref import GuardRef
from rae_plugins.commands.ui.pages.requests import find_previous_offset


def links(text: str) -> list[str]:
    return re.findall(r'rel="(?:prev|next)" href="([^"]+)"', text)


@pytest.mark.parametrize("path", ["/jobs", "/timeline"])
def test_offset_behind_the_end_leads_back_to_the_last_part(page: Page, path: str) -> None:
    answer = page.ask(f"{path}?offset=99")
    assert answer.status == 200
    (back,) = links(answer.text)
    assert "offset=99" not in back
    assert "good" in page.ask(back.replace("&amp;", "&")).text


def test_links_and_form_of_the_timeline_keep_the_past_and_the_part(page: Page) -> None:
    text = page.ask("/timeline?span=24h&until=2020-03-02T00:00:00Z&offset=5").text
    [form] = re.findall(r'<form action="/timeline".*?</form>', text, re.DOTALL)
    assert '<input type="hidden" name="until" value="2020-03-02T00:00:00+00:00">' in form
    (back,) = links(text)
    assert "until=2020-03-02T00%3A00%3A00%2B00%3A00" in back
    head = text.split('aria-label="Span"')[1].split("</section>")[0]
    shown = re.findall(r'href="(/timeline[^"]+)"[^>]*>([^<]+)<', head)
    assert len(shown) == 10
    for href, name in shown:
        assert "offset=5" in href, name
        assert ("until=2020-" in href) is (name != "now")
    following = page.ask("/timeline?span=24h&offset=5").text
    assert "until=" not in links(following)[0]
    assert 'name="until"' not in following


def test_list_behind_its_end_says_so_instead_of_an_empty_table(page: Page) -> None:
    text = page.ask("/jobs?offset=99").text
    assert "none of 10 jobs" in text
    assert "No name comes after these." in text
    assert "<table" not in text
    assert page.ask("/api/jobs?offset=99").status == 200


def test_parts_have_the_size_that_was_asked_for(page: Page) -> None:
    names: list[str] = []
    path = "/jobs?limit=4"
    while path:
        text = page.ask(path).text
        names += re.findall(r'<tr data-row[^>]* id="job-([^"]+)"', text)
        following = re.findall(r'rel="next" href="([^"]+)"', text)
        path = following[0].replace("&amp;", "&") if following else ""
    assert len(names) == len(set(names)) == json.loads(page.ask("/api/jobs").text)["total"]


@pytest.mark.parametrize("path", ["/jobs", "/timeline", "/api/jobs", "/api/timeline"])
@pytest.mark.parametrize("given", ["-1", "x", "1.5", "1e3", "1_000", "%D9%A3", "9007199254740993", "9" * 400])
def test_offset_that_is_no_whole_number_is_refused_in_words(page: Page, path: str, given: str) -> None:
    answer = page.ask(f"{path}?offset={given}")
    assert answer.status == 400
    assert "offset must be a whole number of at least 0, not " in answer.text


@pytest.mark.parametrize("given", ["0", "501", "-4", "x"])
def test_limit_outside_its_bounds_is_refused_in_words(page: Page, given: str) -> None:
    answer = page.ask(f"/jobs?limit={given}")
    assert (answer.status, "limit must be a whole number from 1 to 500, not " in answer.text) == (400, True)


@pytest.mark.parametrize("offset", ["", "0", "+0", "9007199254740992"])
def test_offset_within_its_bounds_is_answered(page: Page, offset: str) -> None:
    assert page.ask(f"/jobs?offset={offset.replace('+', '%2B')}").status == 200


@pytest.mark.parametrize(
    ("offset", "total", "previous"),
    [(50, 120, 0), (100, 120, 50), (99, 10, 0), (5_000, 120, 100), (150, 100, 50), (7, 0, 0)],
)
def test_previous_part_is_never_empty(offset: int, total: int, previous: int) -> None:
    assert find_previous_offset(offset, 50, total) == previous


def test_job_that_was_only_skipped_says_how_often_and_why(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(id="napping", command=["true"])))
    try:
        page.daemons.ask("pause", job="napping", note="on holiday")
        # Only now, so that it never runs, however slow the machine is.
        napping = documents.dump(Job(id="napping", command=["true"], schedule=Interval("1s")))
        page.daemons.ask("add", definition=napping, replace=True)

        def row() -> str:
            return page.ask("/jobs").text.split('id="job-napping"')[1].split("</tr>")[0]

        eventually(lambda: "never ran" in row() and re.search("skipped [0-9]+ times?, the last at [^<]+", row()))
        assert "the job was paused (note: on holiday)" in row()
    finally:
        page.daemons.ask("remove", job="napping")


def test_skips_of_runs_after_a_wait_have_their_number_and_reason(page: Page) -> None:
    absent = GuardRef("path", {"path": "/nowhere/mount"}, "path")
    job = Job(id="hoping", command=["true"], schedule=Interval("1s"), guards=[absent], guard_timeout="10ms")
    page.daemons.ask("add", definition=documents.dump(job))
    try:
        eventually(lambda: "skipped" in page.ask("/jobs").text.split('id="job-hoping"')[1].split("</tr>")[0])
        row = page.ask("/jobs").text.split('id="job-hoping"')[1].split("</tr>")[0]
        assert re.search(
            "skipped [0-9]+ times?, the last at [^<]+: its guard &#34;path&#34; said no: [^<]+not exist", row
        )
    finally:
        page.daemons.ask("remove", job="hoping")
