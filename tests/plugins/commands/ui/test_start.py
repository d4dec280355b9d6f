"""Start of the page: its link is printed, and opened in the browser that is asked for."""

import sys
from pathlib import Path

import pytest
from tests.plugins.commands.ui.conftest import start_page, stop
from tests.support.daemons import Daemons
from tests.support.waiting import eventually

BROWSER = """#!{python}
import sys, urllib.error, urllib.request
from pathlib import Path
try:
    urllib.request.urlopen(sys.argv[1].partition("/login")[0], timeout=60)
except urllib.error.HTTPError as answer:
    Path("{opened}").write_text(f"{{answer.code}} {{sys.argv[1]}}\\n")
"""


def test_link_is_opened_in_a_browser_that_gets_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(BROWSER.format(python=sys.executable, opened=opened))
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    page = start_page(Daemons(tmp_path, "[jobs.alone]\ncommand = ['true']\n"), "--open")
    try:
        eventually(lambda: opened.exists() and opened.read_text().endswith("\n"))
        assert opened.read_text() == f"401 {page.origin}/login?token={page.token}\n"
    finally:
        stop(page.process)
