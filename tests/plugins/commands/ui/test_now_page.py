"""Now: what runs, with its elapsed time against how long it usually takes, and the proof that it runs."""

import re
from html import unescape

from tests.plugins.commands.ui.conftest import Page
from tests.support.waiting import eventually

from rae_auto import Job
from rae_auto.model import documents


def row_of(page: Page, run: str) -> str:
    """Return the row of a running run, without markup."""
    text = page.ask("/").text
    row = text.partition(f'id="run-{run}"')[2].partition("</li>")[0]
    return " ".join(unescape(re.sub("<[^>]+>", " ", row.partition(">")[2])).split())


def test_running_run_is_shown_against_what_is_usual(page: Page) -> None:
    page.daemons.ask("add", definition=documents.dump(Job(id="napper", command=["sleep"])))
    try:
        for _ in range(3):
            done = page.daemons.ask("trigger", job="napper", args=["0.3"])["run_id"]
            eventually(lambda run=done: page.daemons.ask("history", run=run)[0]["state"] == "succeeded")
        run = page.daemons.ask("trigger", job="napper", args=["600"])["run_id"]
        eventually(lambda: "is there, seen" in row_of(page, run))
        shown = re.search(
            r"napper (\S+ m?s) of ([0-9.]+ m?s)(?: to ([0-9.]+ m?s))? process \d+ is there", row_of(page, run)
        )
        assert shown is not None, row_of(page, run)
        text = page.ask("/").text.partition(f'id="run-{run}"')[2].partition("</li>")[0]
        [(most, value)] = re.findall(r'<progress max="([0-9.]+)" value="([0-9.]+)"', text)
        assert 0 <= float(value) <= float(most)
        assert 0.2 < float(most) < 60
    finally:
        page.daemons.ask("cancel", job="napper")
        eventually(lambda: page.daemons.ask("history", job="napper", states=["running", "starting"]) == [])
        page.daemons.ask("remove", job="napper")


def test_distance_of_the_next_start_in_the_verdict_moves(page: Page) -> None:
    verdict = page.ask("/").text.partition('id="verdict"')[2].partition("</h1>")[0]
    assert re.search(r'next &#34;[a-z-]+&#34; <time datetime="[^"]+" title="[^"]+" data-relative data-due>', verdict)


def test_cards_of_what_needs_a_person_say_since_when(page: Page) -> None:
    cards = re.findall(r'<li class="card bad".*?</li>', page.ask("/").text, re.DOTALL)
    assert cards
    assert [card for card in cards if "<time " not in card] == []
