"""The screen of an output: parts and searches of it, links to its lines, and the file that is downloaded."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import browser, open_context, pytestmark
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

__all__ = ["browser", "pytestmark"]

SHELL = r"""printf 'first line\n\033[1;31msecond\033[0m line\nthird <line>\n'"""


@pytest.fixture(scope="module")
def output(page: Page) -> Iterator[str]:
    """The address of an output of three lines, the second of them in colour."""
    page.daemons.ask("add", definition={"id": "coloured", "shell": SHELL, "schedule": []})
    run = page.daemons.ask("trigger", job="coloured")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
    yield f"/runs/{run}/output"
    page.daemons.ask("remove", job="coloured")


def offsets(text: str) -> list[int]:
    return [int(offset) for offset in re.findall(r'<li id="b(\d+)">', text)]


def test_lines_have_their_colours_and_links_to_themselves(page: Page, output: str) -> None:
    text = page.ask(output).text
    assert '<span class="ink-bold ink-red">second</span><span class=""> line</span>' in text
    assert "third &lt;line&gt;" in text
    assert "\x1b" not in text
    assert offsets(text) == [0, 11, 34]
    links = re.findall(r'class="at" href="([^"]+)#b(\d+)"', text)
    assert [int(anchor) for _, anchor in links] == [0, 11, 34]


def test_output_that_is_followed_has_no_size_that_would_stay(page: Page, output: str) -> None:
    (run,) = page.daemons.ask("history", run=page.runs["long"])
    # Another test of this page may have cancelled it.
    going_on = page.daemons.ask("trigger", job="long", request=None)["run_id"] if run["finished_at"] else run["run_id"]
    eventually(lambda: page.daemons.ask("history", run=going_on)[0]["state"] == "running")
    followed, ended = (page.ask(path).text for path in (f"/runs/{going_on}/output", output))
    heads = [re.findall(r"<h1>Output (.*)</h1>", text)[0] for text in (followed, ended)]
    assert ["data-follow" in text for text in (followed, ended)] == [True, False]
    assert [re.search(r">while it grows<|\d+ bytes", head) is not None for head in heads] == [True, True]
    assert not re.search(r"\d", re.sub("<[^>]+>", "", heads[0]))


def test_link_to_a_line_holds_when_a_retry_has_more(page: Page) -> None:
    shell = "[ $RAE_ATTEMPT = 2 ] || { echo first; exit 1; }; echo second"
    definition = {"id": "retried", "shell": shell, "schedule": [], "retry_policy": {"attempts": 2, "delay": "0s"}}
    page.daemons.ask("add", definition=definition)
    try:
        run = page.daemons.ask("trigger", job="retried")["run_id"]
        eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
        text = page.ask(f"/runs/{run}/output?attempt=1&long=1").text
        [address] = re.findall(r'class="at" href="([^"]+)#b0"', text)
        assert address.replace("&amp;", "&") == f"/runs/{run}/output?attempt=1&after=0&long=1"
        assert "first" in page.ask(address.replace("&amp;", "&")).text
    finally:
        page.daemons.ask("remove", job="retried")


def test_search_that_takes_too_long_says_what_was_not_searched(page: Page) -> None:
    page.daemons.ask("add", definition={"id": "endless", "shell": f"echo {'a' * 60}!", "schedule": []})
    try:
        run = page.daemons.ask("trigger", job="endless")["run_id"]
        eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
        text = page.ask(f"/runs/{run}/output?pattern=(a%2B)%2B$").text
        assert "The pattern takes too long for the lines after byte 0, which were not searched" in text
        assert "Search on" not in text
    finally:
        page.daemons.ask("remove", job="endless")


def test_search_on_the_server_leads_to_the_line(page: Page, output: str) -> None:
    text = page.ask(f"{output}?pattern=THIRD").text
    assert "1 line matches" in text
    [(address, anchor)] = re.findall(r'<li data-row><a href="([^"#]+)#b(\d+)"', text)
    assert int(anchor) in offsets(page.ask(address.replace("&amp;", "&")).text)
    assert "0 lines match" in page.ask(f"{output}?pattern=fourth").text


def test_part_of_an_output_leads_to_the_rest(page: Page, output: str) -> None:
    text = page.ask(f"{output}?start=11&limit=30").text
    assert offsets(text) == [11]
    assert "bytes 11 to 34 of 47" in text
    [later] = re.findall(r'rel="next" href="([^"]+)"', text)
    assert offsets(page.ask(later.replace("&amp;", "&")).text) == [34]
    [earlier] = re.findall(r'rel="prev" href="([^"]+)"', text)
    assert offsets(page.ask(earlier.replace("&amp;", "&")).text) == [0, 11, 34]


def test_parts_in_a_row_have_all_of_a_line_that_is_longer_than_they_are(page: Page, output: str) -> None:
    shown, address = "", f"{output}?start=0&limit=20&long=1"
    for _ in range(9):
        text = page.ask(address.replace("&amp;", "&")).text
        shown += re.sub(r"<[^>]+>", "", text.split('id="lines"')[1].split("</ol>")[0].split(">", 1)[1])
        following = re.findall(r'rel="next" href="([^"]+)"', text)
        if not following:
            break
        assert "long=1" in following[0]
        address = f"{following[0]}&limit=20"
    assert re.sub(r"\d\d:\d\d:\d\d +", "", unescape(shown)) == "first linesecond linethird <line>"


@contextmanager
def slow_run(
    browser: "Browser", page: Page, job: str, shell: str, first: str
) -> "Iterator[tuple[str, Path, BrowserContext]]":
    """Run a shell that has printed `first`, and goes on once the gate is there: its id, the gate, and a browser."""
    gate = page.daemons.home / "gate"
    page.daemons.ask("add", definition={"id": job, "shell": shell.format(gate=gate), "schedule": []})
    context = open_context(browser, page)
    try:
        run = page.daemons.ask("trigger", job=job)["run_id"]
        eventually(lambda: first in page.ask(f"/runs/{run}/output").text)
        yield run, gate, context
    finally:
        context.close()
        page.daemons.ask("cancel", job=job)
        eventually(lambda: page.daemons.ask("history", job=job)[0]["finished_at"] is not None)
        page.daemons.ask("remove", job=job)
        gate.unlink(missing_ok=True)


WAIT = "until [ -e {gate} ]; do sleep 0.05; done"


def test_half_a_line_is_followed_by_the_whole_one(browser: "Browser", page: Page) -> None:
    shell = f"printf 'half'; {WAIT}; echo ' and whole'; echo next; sleep 600"
    with slow_run(browser, page, "half", shell, "half") as (run, gate, context):
        tab = context.new_page()
        tab.goto(f"{page.origin}/runs/{run}/output")
        tab.locator("#lines li", has_text="half").wait_for()
        gate.touch()
        tab.locator("#lines li", has_text="next").wait_for()
        lines = [text.split("  ")[-1] for text in tab.locator("#lines li").all_inner_texts()]
        assert lines == ["half and whole", "next"]


HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { get: () => isHidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_output_is_followed_in_a_hidden_tab_and_says_if_not(browser: "Browser", page: Page) -> None:
    shell = f"echo first; {WAIT}; echo next; sleep 600"
    with slow_run(browser, page, "hidden", shell, "first") as (run, gate, context):
        tab = context.new_page()
        tab.goto(f"{page.origin}/runs/{run}/output")
        tab.get_by_text("following").wait_for()
        tab.evaluate(HIDE, True)
        tab.evaluate(HIDE, False)
        gate.touch()
        tab.locator("#lines li", has_text="next").wait_for()
        context.route("**/follow*", lambda route: route.abort())
        tab.reload()
        tab.get_by_text("no signal").wait_for()


def test_long_lines_are_wrapped_or_not(page: Page, output: str) -> None:
    wrapped = page.ask(output).text
    assert '<ol class="lines wrap" id="lines"' in wrapped
    [other] = re.findall(r'href="([^"]+)">long lines</a>', wrapped)
    long = page.ask(other.replace("&amp;", "&")).text
    assert '<ol class="lines long" id="lines"' in long
    assert ">wrap</a>" in long


def test_bytes_of_a_download_can_be_asked_for(page: Page, output: str) -> None:
    whole = page.ask(f"{output}/download")
    part = page.ask(f"{output}/download", Range="bytes=6-9")
    assert (whole.status, whole.headers["accept-ranges"], len(whole.text)) == (200, "bytes", 47)
    assert (part.status, part.headers["content-range"], part.text) == (206, "bytes 6-9/47", "line")


def test_part_behind_the_end_says_where_the_output_ends(page: Page, output: str) -> None:
    text = page.ask(f"{output}?start=5000").text
    assert "Nothing comes after byte 47, where the output ends." in text
    assert "It has printed nothing." not in text
    assert f'href="{output}?attempt=1&amp;start=0"' in text


def test_merged_output_links_each_line_to_its_place(page: Page, output: str) -> None:
    text = page.ask("/output?job=coloured&runs=1").text
    assert '<span class="ink-bold ink-red">second</span>' in text
    links = re.findall(r'class="whose" href="([^"]+)#b(\d+)"', text)
    assert [int(anchor) for _, anchor in links] == [0, 11, 34]
    assert all(address.startswith(output) for address, _ in links)


@pytest.mark.parametrize("address", ["{output}", "/output?job=coloured"])
def test_wrong_pattern_keeps_the_page_and_says_what_is_wrong(page: Page, output: str, address: str) -> None:
    path = address.format(output=output)
    for pattern, problem in (
        ("(third", "isn't a regular expression: a ( has no )"),
        ("a" * 2_000, "is longer than 256 characters"),
    ):
        answer = page.ask(f"{path}{'&' if '?' in path else '?'}pattern={pattern}")
        assert answer.status == 400
        assert "third &lt;line&gt;" in answer.text
        assert f'value="{pattern}"' in answer.text
        assert 'aria-invalid="true" aria-describedby="problem"' in answer.text
        [text] = re.findall(r'id="problem" class="bad" role="alert">([^<]+)<', answer.text)
        assert problem in unescape(text)
    assert json.loads(page.ask("/api/output/search?job=coloured&pattern=(").text)["error"].startswith("the pattern")


def test_merged_output_is_searched_and_leads_to_the_line(page: Page, output: str) -> None:
    text = page.ask("/output?job=coloured&pattern=THIRD").text
    assert "1 line matches" in text
    [(address, anchor)] = re.findall(r'<li data-row><a href="([^"#]+)#b(\d+)"', text)
    assert unescape(address).startswith(f"{output}?attempt=1")
    assert int(anchor) in offsets(page.ask(unescape(address)).text)
    assert "Search on" not in text
    found = json.loads(page.ask("/api/output/search?job=coloured&pattern=THIRD").text)
    assert [match["text"] for match in found["matches"]] == ["third <line>"]
    # The script fetches the page again while a run may print: the search is not made again for that.
    assert "line matches" not in page.ask("/output?job=coloured&pattern=THIRD", Sec_Fetch_Dest="empty").text


def test_merged_output_is_downloaded_whole_as_one_text(page: Page, output: str) -> None:
    [address] = re.findall(r'href="([^"]+)">download</a>', page.ask("/output?job=coloured&runs=1").text)
    answer = page.ask(unescape(address))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename*=utf-8''coloured-1-run.txt"
    run = output.split("/")[2]
    lines = [re.sub(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", "|", line) for line in answer.text.splitlines()]
    assert lines == [f"{run[-4:]}|{text}" for text in ("first line", "\x1b[1;31msecond\x1b[0m line", "third <line>")]
    assert page.ask("/output/download?job=guarded").status == 404


def test_merged_output_is_read_again_while_a_run_may_print(browser: "Browser", page: Page) -> None:
    shell = f"echo first; {WAIT}; echo next; sleep 600"
    with slow_run(browser, page, "merged", shell, "first") as (_, gate, context):
        tab = context.new_page()
        tab.goto(f"{page.origin}/output?job=merged")
        tab.locator("#merged li", has_text="first").wait_for()
        gate.touch()
        tab.locator("#merged li", has_text="next").wait_for()
        page.daemons.ask("cancel", job="merged")
        eventually(lambda: "data-growing" not in page.ask("/output?job=merged").text)


def test_long_lines_of_merged_output_are_wrapped_or_not(page: Page, output: str) -> None:
    [other] = re.findall(r'href="([^"]+)">long lines</a>', page.ask("/output?job=coloured&runs=1").text)
    long = page.ask(unescape(other)).text
    assert '<ol class="lines long"' in long
    assert ">wrap</a>" in long


def test_standard_error_is_marked_where_it_is_read_by_itself(page: Page) -> None:
    definition = {"id": "noisy", "shell": "echo broken >&2", "schedule": [], "fail_on": ["stderr"]}
    page.daemons.ask("add", definition=definition)
    try:
        run = page.daemons.ask("trigger", job="noisy")["run_id"]
        eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
        for path in (f"/runs/{run}/output", "/output?job=noisy"):
            text = page.ask(path).text
            assert '<span class="from-error">! </span><span class="">broken</span>' in text
            assert '<span class="from-error">!</span> standard error' in text
    finally:
        page.daemons.ask("remove", job="noisy")
