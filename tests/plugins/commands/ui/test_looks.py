"""Events while a person was away are on the first page when he comes back."""

import json
import time

from tests.plugins.commands.ui.conftest import Page
from tests.support.daemons import Daemons


def look(page: Page, ago: float | str, path: str = "/", **headers: str) -> str:
    name = page.cookie.partition("=")[0]
    at = ago if isinstance(ago, str) else str(int(time.time() - ago))
    cookie = f"{page.cookie}; {name}_looked={at}"
    return page.ask(path, signed_in=False, Cookie=cookie, **headers).text


def test_first_page_after_an_absence_says_what_happened(read_only_page: Page, page: Page, daemons: Daemons) -> None:
    assert "While you were away" not in look(read_only_page, 7 * 3600)
    assert "While you were away" not in look(read_only_page, "x" * 9)
    text = look(read_only_page, 9 * 3600)
    assert "While you were away" in text
    absence = json.loads(look(read_only_page, 10, "/api/overview"))["absence"]
    assert absence["text"] in text.replace("&#34;", '"')
    assert "bad" in absence["failed_jobs"]
    # Those of the fixture that have ended by then; other tests may have started more.
    assert 3 <= absence["runs"] <= len(daemons.ask("history", limit=1000))
    # It stays for a while, and not just until the next change.
    assert "While you were away" in look(read_only_page, 5)


def test_only_what_a_person_opens_counts_as_a_look(page: Page) -> None:
    assert "_looked=" in page.ask("/", Sec_Fetch_Dest="document").headers["set-cookie"]
    assert "set-cookie" not in page.ask("/", Sec_Fetch_Dest="empty").headers
