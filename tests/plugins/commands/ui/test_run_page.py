"""Run: its command and variables, its life from the due instant to its verified end, and what differs from before."""

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.plugins.commands.ui.test_browser import browser, open_context, pytestmark
from tests.support.waiting import eventually

from rae_auto import Job, RetryPolicy
from rae_auto.model import documents

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["browser", "pytestmark"]

SECRET = "hunter2"
OPEN = ["running", "starting", "queued", "retrying"]


def read_facts(page: Page, run: str) -> dict[str, str]:
    """Return the command and the facts beside it as the page has them."""
    text = page.ask(f"/runs/{run}").text
    command = re.search(r'id="argv">(.*?)</pre>\s*<dl class="facts">(.*?)</dl>', text, re.DOTALL)
    assert command is not None
    facts = re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", command[2], re.DOTALL)
    return {"argv": unescape(command[1])} | {name: unescape(fact).strip() for name, fact in facts}


def read_phases(page: Page, run: str) -> dict[str, str]:
    """Return the phases of the run's life by their kinds, in order of time, each with its words."""
    table = page.ask(f"/runs/{run}").text.split('id="life-numbers"')[1].split("</table>")[0]
    return {
        kind: unescape(re.sub("<[^>]+>", "", words))
        for kind, words in re.findall(r'<tr><th scope="row">([^<]+)</th>.*?<td>([^<]*)</td></tr>', table)
    }


@pytest.fixture
def add(page: Page) -> Iterator[Any]:
    """Return a function that adds a job, which is removed in the end."""
    added: list[str] = []

    def add(**fields: Any) -> str:
        job = Job(**fields)
        page.daemons.ask("add", definition=documents.dump(job), replace=True)
        added.append(job.id)
        return job.id

    yield add
    for job in dict.fromkeys(added):
        page.daemons.ask("cancel", job=job)
        eventually(lambda job=job: page.daemons.ask("history", job=job, states=OPEN) == [])
        page.daemons.ask("remove", job=job)


def test_command_is_shown_argument_by_argument(page: Page, add: Any) -> None:
    job = add(
        name="quoting", command=["printf", "%s", "a b", "it's", "<i>"], env={"TOKEN": SECRET}, resources={"db": 1}
    )
    run = page.daemons.ask("trigger", job=job, args=["by hand"], env={"MORE": SECRET})["run_id"]
    facts = read_facts(page, run)
    assert facts["argv"] == """printf %s 'a b' 'it'"'"'s' '<i>' 'by hand'"""
    assert facts["variables"].split() == ["TOKEN", "MORE"]
    assert (facts["resources"], facts["trigger"]) == ("db (1)", "manual")
    assert facts["directory"]
    for path in (f"/runs/{run}", f"/api/runs/{run}", "/jobs/quoting", f"/jobs/quoting/why?run={run}"):
        assert page.ask(path).status == 200
    assert SECRET not in page.ask(f"/runs/{run}").text


def test_run_of_a_removed_job_says_that_its_command_is_not_known(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(name="removed", command="true")))
    run = page.daemons.ask("trigger", job="removed")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
    page.daemons.ask("remove", job="removed")
    text = page.ask(f"/runs/{run}").text
    assert "Its job is no longer defined." in text
    assert 'id="argv"' not in text


def test_run_of_a_renamed_job_leads_to_the_job_as_it_is_called_now(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(name="formerly", command=["echo", "hi"])))
    run = page.daemons.ask("trigger", job="formerly")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
    page.daemons.ask("rename", job="formerly", new="nowadays")
    try:
        text = page.ask(f"/runs/{run}").text
        assert read_facts(page, run)["argv"] == "echo hi"
        assert '<a href="/jobs/nowadays">formerly</a>' in text
        assert page.ask("/jobs/formerly").status == 404
        page.change(kind="run", target="nowadays")
        assert '<input type="hidden" name="target" value="nowadays">' in text
    finally:
        page.daemons.ask("cancel", job="nowadays")
        eventually(lambda: page.daemons.ask("history", job="nowadays", states=OPEN) == [])
        page.daemons.ask("remove", job="nowadays")


def test_life_says_what_it_waited_for(page: Page) -> None:
    phases = read_phases(page, page.runs["waiting"])
    # What it waited for may be over by now.
    assert [kind for kind in phases if kind != "late"][:2] == ["due", "waiting"]
    assert 'resource "db"' in phases["waiting"]


def test_life_has_attempts_delays_and_signals_until_it_is_verified_gone(page: Page, add: Any) -> None:
    job = add(
        name="lived",
        shell="[ $RAE_ATTEMPT = 2 ] && exec sleep 600; exit 3",
        retry_policy=RetryPolicy(attempts=2, delay=0.1),
    )
    run = page.daemons.ask("trigger", job=job)["run_id"]
    eventually(lambda: [one["attempt"] for one in page.daemons.ask("history", run=run, states=["running"])] == [2])
    page.change(kind="cancel", target=run)
    eventually(lambda: page.daemons.ask("history", run=run)[0]["state"] == "cancelled")
    phases = read_phases(page, run)
    assert {"due", "attempt", "retry delay", "signal", "gone", "ended"} <= set(phases)
    assert phases["signal"] == "its processes were asked to end"
    assert phases["gone"].startswith("verified gone")
    assert phases["ended"].startswith("cancelled")
    chart = page.ask(f"/runs/{run}").text.split('id="life"')[1].split("</svg>")[0]
    assert all(
        f'class="{kind}' in chart or f" {kind}" in chart for kind in ("attempt", "retry-delay", "signal", "gone")
    )


def test_failed_run_says_what_differs_from_the_last_good_one(page: Page, add: Any) -> None:
    job = add(name="varied", shell="exit ${CODE:-0}")
    runs = []
    for env in ({"CODE": "4"}, {}, {"CODE": "3"}):
        runs.append(page.daemons.ask("trigger", job=job, env=env)["run_id"])
        eventually(lambda: page.daemons.ask("history", run=runs[-1])[0]["finished_at"] is not None)
    first, good, bad = runs
    differences = page.ask(f"/runs/{bad}").text.split('id="differences"')[1].split("</section>")[0]
    assert f'href="/runs/{good}"' in differences
    rows = re.findall(r'<th scope="row">([^<]+)</th><td>([^<]+)</td><td>([^<]+)</td>', differences)
    assert ("end", "succeeded", "failed") in rows
    assert ("exit code", "0", "3") in rows
    assert ("given by hand", "nothing", "CODE") in rows
    assert "No earlier run has succeeded" in page.ask(f"/runs/{first}").text


def test_run_is_cancelled_by_its_page(browser: "Browser", page: Page, add: Any) -> None:
    job = add(name="cancelled", command=["sleep", "600"])
    for script in (True, False):
        run = page.daemons.ask("trigger", job=job)["run_id"]
        eventually(lambda run=run: page.daemons.ask("history", run=run)[0]["state"] == "running")
        context = open_context(browser, page, java_script_enabled=script)
        tab = context.new_page()
        tab.goto(f"{page.origin}/runs/{run}" if script else f"{page.origin}/jobs/{job}")
        tab.get_by_text("cancel …", exact=True).first.click()
        assert page.daemons.ask("history", run=run)[0]["state"] == "running", "it is asked whether that is meant"
        tab.get_by_role("button", name="Cancel now").click()
        tab.get_by_text("1 run cancelled").wait_for()
        if script:
            tab.locator("#head h1 .state", has_text="cancelled").wait_for()
            tab.get_by_text("cancel …", exact=True).wait_for(state="detached")
        eventually(lambda run=run: page.daemons.ask("history", run=run)[0]["state"] == "cancelled")
        context.close()


def test_former_command_is_not_shown_but_that_it_was_another(page: Page, add: Any) -> None:
    job = add(name="redefined", command=["echo", "before"])
    run = page.daemons.ask("trigger", job=job)["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
    add(name="redefined", command=["echo", "after"])
    later = page.daemons.ask("trigger", job=job)["run_id"]
    eventually(lambda: page.daemons.ask("history", run=later)[0]["finished_at"] is not None)
    text = page.ask(f"/runs/{run}").text
    assert "It was another one, and was changed after this run" in text
    assert "echo after" not in text and "echo before" not in text
    assert read_facts(page, later)["argv"] == "echo after"
    text = page.ask(f"/runs/{later}").text
    assert "As the job is defined now, unchanged since this run." in text
    differences = text.split('id="differences"')[1].split("</section>")[0]
    assert re.search(r'<th scope="row">command</th><td>as defined until [^<]+</td><td>as defined since ', differences)


def test_file_name_that_is_no_utf_8_is_shown_with_its_bytes_escaped(page: Page) -> None:
    event = {"path": "/in/caf\udce9", "k\udce9y": ["\udcff"]}
    run = page.daemons.ask("trigger", job="good", event=event)["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["finished_at"] is not None)
    shown = page.ask(f"/runs/{run}")
    assert (shown.status, r"/in/caf\udce9" in shown.text, r"k\udce9y" in shown.text) == (200, True, True)
    answer = page.ask(f"/api/runs/{run}")
    assert (answer.status, json.loads(answer.text)["event"]) == (200, event)
    for path in (
        "/",
        "/jobs/good",
        f"/jobs/good/why?run={run}",
        f"/runs/{run}/output",
        "/output?job=good",
        "/timeline",
    ):
        assert page.ask(path).status == 200
    for path in (f"/api/jobs/good/why?run={run}", "/api/jobs/good", "/api/digest", "/api/timeline", "/api/output"):
        assert page.ask(path).status == 200
