"""Parts of pages that are fetched again: all that changes on a page is in one of them, so that none contradicts it."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto import Job
from rae_auto.errors import JobNotFound
from rae_auto.model import documents
from rae_auto.records.presence_log import PresenceSpan, note_presence

VOID_ELEMENTS = ("br", "hr", "img", "input")


class MainParts(HTMLParser):
    """The main part of a page: the ids of its live parts, and all that is outside of them, but for times."""

    def __init__(self) -> None:
        super().__init__()
        self.live: set[str] = set()
        self.fixed: list[str] = []
        # The elements that are open, each with whether it is read again or is a time.
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self._open and tag != "main":
            return
        values = dict(attrs)
        is_left_out = tag == "time" or bool(self._open and self._open[-1][1])
        if "data-live" in values:
            assert values.get("id"), f"a live part needs an id: {values}"
            self.live.add(str(values["id"]))
            is_left_out = True
        if not is_left_out:
            self.fixed.append(f"<{tag} {values.get('href', '')}>")
        if tag not in VOID_ELEMENTS:
            self._open.append((tag, is_left_out))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Leave out what has no content: the marks of charts."""

    def handle_endtag(self, tag: str) -> None:
        if self._open:
            assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if self._open and not self._open[-1][1] and data.strip():
            self.fixed.append(" ".join(data.split()))


def parts_of(page: Page, path: str) -> MainParts:
    """Return the parts of a page, as the script of it reads them again."""
    parts = MainParts()
    parts.feed(page.ask(path, Sec_Fetch_Dest="empty").text)
    return parts


def change_everything(page: Page, run: str) -> None:
    """Have the run of a job end in a failure, change the job, and note a downtime."""
    page.daemons.ask("cancel", job="changing")
    eventually(lambda: page.daemons.ask("history", run=run)[0]["state"] == "cancelled")
    page.daemons.ask("add", definition=definition(command=["false"], schedule="0 3 1 1 *"), replace=True)
    failed = page.daemons.ask("trigger", job="changing")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=failed)[0]["state"] == "failed")
    for number in range(JOBS_MORE):
        page.daemons.ask("add", definition={"id": f"further-{number}", "command": ["true"], "schedule": []})
    now = datetime.now(UTC)
    note_presence(page.daemons.state, now, [PresenceSpan("down", now - timedelta(minutes=4), now)])


JOBS_MORE = 45
"""Number of jobs with which a list no longer fits on a page."""


def definition(**fields: Any) -> Any:
    return documents.dump(Job(id="changing", **fields))


@pytest.fixture(scope="module")
def changes(page: Page) -> dict[str, tuple[MainParts, MainParts]]:
    """Each live screen before and after all kinds of changes."""
    page.daemons.ask("add", definition=definition(command=["sleep", "600"]), replace=True)
    run = page.daemons.ask("trigger", job="changing")["run_id"]
    eventually(lambda: page.daemons.ask("history", run=run)[0]["state"] == "running")
    today = datetime.now(UTC).date()
    paths = {
        "now": "/", "timeline": "/timeline?span=1h", "month": "/month", "day": f"/day/{today}", "jobs": "/jobs",
        "job": "/jobs/changing", "run": f"/runs/{run}", "health": "/health", "merged output": "/output?job=changing",
    }  # fmt: skip
    before = {name: parts_of(page, path) for name, path in paths.items()}
    try:
        change_everything(page, run)
        return {name: (before[name], parts_of(page, path)) for name, path in paths.items()}
    finally:
        for job in ["changing", *(f"further-{number}" for number in range(JOBS_MORE))]:
            with suppress(JobNotFound):
                page.daemons.ask("remove", job=job)


SCREENS = ("now", "timeline", "month", "day", "jobs", "job", "run", "health", "merged output")


@pytest.mark.parametrize("screen", SCREENS)
def test_all_that_changes_is_in_parts_that_are_fetched_again(changes: Any, screen: str) -> None:
    before, after = changes[screen]
    assert after.fixed == before.fixed


@pytest.mark.parametrize("screen", SCREENS)
def test_part_that_may_come_later_has_its_place(changes: Any, screen: str) -> None:
    before, after = changes[screen]
    assert after.live == before.live != set()


@pytest.mark.parametrize("screen", SCREENS)
def test_figures_are_in_parts_that_are_fetched_again(changes: Any, screen: str) -> None:
    _, after = changes[screen]
    assert [text for text in after.fixed if not text.startswith("<") and re.search(r"\d", text)] == []
