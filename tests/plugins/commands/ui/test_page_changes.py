"""Changes that a person makes to a job from its pages: run again, cancel, pause with an end, skip."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto import Job
from rae_auto.errors import BadRequest
from rae_auto.model import documents
from rae_plugins.commands.ui import changes


@pytest.fixture
def job(page: Page) -> Iterator[str]:
    """A job that runs until it is cancelled."""
    definition = Job(name="handled", command=["sleep", "600"], schedule="0 3 1 1 *")
    page.daemons.ask("add", definition=documents.dump(definition))
    yield "handled"
    page.daemons.ask("cancel", job="handled")
    eventually(lambda: page.daemons.ask("history", job="handled", states=["running", "starting", "queued"]) == [])
    page.daemons.ask("remove", job="handled")


def test_pause_has_a_note_and_an_end(page: Page, job: str) -> None:
    page.change(kind="pause", target=job, note="moving house", until="in 2 hours")
    info = page.daemons.ask("show", job=job)["info"]
    assert (info["paused"], info["pause_note"]) == (True, "moving house")
    left = datetime.fromisoformat(info["paused_until"]) - datetime.now().astimezone()
    assert timedelta(hours=1) < left <= timedelta(hours=2)
    tiles = page.ask(f"/jobs/{job}").text.split('id="tiles"')[1].split("</ul>")[0]
    assert re.search(r"moving house until <time", tiles)


def test_next_start_is_skipped(page: Page, job: str) -> None:
    due = page.daemons.ask("show", job=job)["info"]["next_at"]
    page.change(kind="skip", target=job)
    at = datetime.fromisoformat(due).astimezone(ZoneInfo("Europe/Berlin"))
    assert re.search(rf"the start at {at:%Y-%m-%d %H:%M}:00( \w+)? will be skipped", page.ask("/").text)
    info = page.daemons.ask("show", job=job)["info"]
    assert [skip["at"] for skip in info["skips"]] == [due]
    assert info["next_at"] != due


def test_run_again_gets_the_same_event(page: Page, job: str) -> None:
    first = page.daemons.ask("trigger", job=job, event={"path": "/in/a.pdf"})["run_id"]
    eventually(lambda: page.daemons.ask("history", run=first)[0]["state"] == "running")
    page.change(kind="cancel", target=first)
    eventually(lambda: page.daemons.ask("history", run=first)[0]["state"] == "cancelled")
    assert "run with the same event" in page.ask(f"/runs/{first}").text
    page.change(kind="run", target=job, run=first, back=f"/jobs/{job}")
    again, cancelled = page.daemons.ask("history", job=job, limit=2, documents=True)
    assert again["id"] != first == cancelled["id"]
    assert again["event"] == cancelled["event"]
    assert again["event"]["path"] == "/in/a.pdf"


def test_run_with_an_event_that_is_gone_is_not_started(page: Page, job: str, monkeypatch: Any) -> None:
    before = page.daemons.ask("history", job=job)
    page.change(kind="run", target=job, run="01JDZ9GZZZ0000000000000000", back=f"/jobs/{job}")
    assert "no run &#34;01JDZ9GZZZ0000000000000000&#34;" in page.ask(f"/jobs/{job}").text
    assert len(page.daemons.ask("history", job=job)) == len(before)
    asked = []

    async def ask(_: Any, command: str, **arguments: Any) -> Any:
        asked.append(command)
        return []

    # Its record was removed after it was looked up.
    monkeypatch.setattr(changes, "ask", ask)
    with pytest.raises(BadRequest, match="is no longer on record, so its event is not known"):
        asyncio.run(changes.carry_out(None, {"kind": "run", "target": job, "run": "R"}))  # type: ignore[arg-type]
    assert asked == ["history"]


def test_pages_that_refresh_leave_the_answer_of_a_change(page: Page, job: str) -> None:
    page.change(kind="pause", target=job)
    said = f"“{job}” is paused".replace("“", "&#34;").replace("”", "&#34;")
    assert said not in page.ask("/jobs", Sec_Fetch_Dest="empty").text
    assert said in page.ask("/jobs", Sec_Fetch_Dest="document").text
    assert said not in page.ask("/jobs").text
