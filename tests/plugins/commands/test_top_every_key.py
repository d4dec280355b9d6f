"""Keys that do something, pressed in a terminal with `rae-auto top` beside a real daemon."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.terminal_program import TerminalProgram, open_top
from tests.support.waiting import eventually

JOBS = """
[jobs.alpha]
shell = "echo from alpha"
[jobs.bad]
shell = "exit 3"
[jobs.sleepy]
command = ["sleep", "600"]
schedule = "0 3 * * *"
"""


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, JOBS)
    daemons.serve()
    run = daemons.ask("trigger", job="bad")["run_id"]
    eventually(lambda: daemons.ask("history", run=run)[0]["finished_at"] is not None)
    yield daemons
    daemons.end()


@pytest.fixture
def view(daemons: Daemons) -> Iterator[TerminalProgram]:
    view = open_top(daemons, columns=100, lines=30)
    view.wait_for(lambda text: "1 job failed" in text and "sleepy" in text)
    yield view
    view.end()


def test_keys_run_cancel_and_pause(daemons: Daemons, view: TerminalProgram) -> None:
    view.press("r")
    view.wait_for(lambda text: "started alpha" in text and "from alpha" in text)
    view.press("p")
    view.wait_for(lambda text: "paused alpha" in text and "‖ alpha" in text)
    view.press("p")
    view.wait_for(lambda text: "resumed alpha" in text and "‖ alpha" not in text)
    view.press("x")
    view.wait_for(lambda text: "alpha has no open run" in text)
    view.wait_for(lambda text: "[1] run again" in text)
    view.press("1")
    view.wait_for(lambda text: "bad: press 1 again to run again" in text and " bad  output " in text)
    view.press("1")
    view.wait_for(lambda text: "started bad: run " in text)
    assert len(daemons.ask("history", job="bad")) == 2
    assert len(daemons.ask("history", job="alpha")) == 1
    view.press("Gr")
    view.wait_for(lambda text: "started sleepy" in text and "▶ sleepy" in text)
    view.press("x")
    view.wait_for(lambda text: "press x again" in text)
    view.press("x")
    view.wait_for(lambda text: "cancelled " in text and "▶ sleepy" not in text)
    assert daemons.ask("history", job="sleepy")[0]["state"] == "cancelled"


def test_key_s_plays_the_month_until_escape(view: TerminalProgram) -> None:
    view.press("s")
    view.wait_for(lambda text: "Space pauses" in text and "sleepy" in text)
    view.press(" .")
    view.wait_for(lambda text: "‖" in text and "03:00" in text)
    view.press("\x1b")
    view.wait_for(lambda text: "last ten" in text and "simulation" not in text)


def test_keys_lead_to_each_pane_and_back(view: TerminalProgram) -> None:
    view.press("j")
    view.wait_for(lambda text: "attempt 1: failed" in text and "it printed nothing" in text)
    view.press("u")
    view.wait_for(lambda text: "exit code 3" in text.partition(" output  why ")[2])
    view.press("h")
    view.wait_for(lambda text: "1 occurrence" in text)
    view.press("\x1b[B")
    view.wait_for(lambda text: " sleepy  output " in text and "0 occurrences" in text)
    view.press("n")
    view.wait_for(lambda text: text.count(" 03:00 ") > 2)
    view.press("\x1b[A")
    view.wait_for(lambda text: " bad  output " in text and text.count(" 03:00 ") == 1)
    view.press("k")
    view.wait_for(lambda text: " alpha  output " in text)
    view.press("o")
    view.wait_for(lambda text: "it has not run yet" in text)


LARGE_PANES = {"H": "no job overdue", "t": "● succeeded", "m": "Wed", "?": "next, previous row"}
"""By the key that opens it: words that only this pane has."""


def test_large_panes_hide_jobs_until_escape(view: TerminalProgram) -> None:
    for key, words in LARGE_PANES.items():
        view.press(key)
        view.wait_for(lambda text, words=words: words in text and "usually" not in text)
        view.press("\x1b")
        view.wait_for(
            lambda text, words=words: words not in text and "usually" in text and "it has not run yet" in text
        )


def test_arrows_scroll_what_is_large(daemons: Daemons, view: TerminalProgram) -> None:
    definition = {"id": "counting", "shell": "seq -f 'line %g' 60", "schedule": []}
    daemons.ask("add", definition=definition, replace=True)
    view.wait_for(lambda text: "· counting" in text)
    view.press("jj")
    view.wait_for(lambda text: " counting  output " in text)
    view.press("r")
    view.wait_for(lambda text: "line 60" in text)
    view.press("\r")
    view.wait_for(lambda text: "line 60" in text and "line 45" in text and "usually" not in text)
    view.press("\x1b[A")
    view.wait_for(lambda text: "line 60" not in text and "line 59" in text)
    view.press("\x1b[B")
    view.wait_for(lambda text: "line 60" in text)


def test_typed_filter_and_command_keep_the_frame(view: TerminalProgram) -> None:
    def shows(text: str, *, typed: str, alpha: bool) -> bool:
        """Tell whether the first line, the row of the input and the last line are where they belong."""
        lines = [line.strip() for line in text.splitlines()]
        is_framed = lines[0].startswith(("●", "▲")) and bool(lines[-1]) and lines[-2] == typed
        return is_framed and ("· alpha" in text) == alpha and "· sleepy" in text

    view.press("/")
    view.wait_for(lambda text: shows(text, typed="/", alpha=True))
    view.press("s/l\x1b[D\x7f")
    view.wait_for(lambda text: shows(text, typed="/sl", alpha=False))
    view.press("\r")
    view.wait_for(lambda text: shows(text, typed="", alpha=False))
    view.press(":")
    view.wait_for(lambda text: shows(text, typed=":", alpha=False))
    view.press("\x1b")
    view.wait_for(lambda text: shows(text, typed="", alpha=False))  # only the input is closed
    view.press("\x1b")
    view.wait_for(lambda text: shows(text, typed="", alpha=True))
    view.press("/sl")
    view.wait_for(lambda text: shows(text, typed="/sl", alpha=False))
    view.press("\x7f\x7f\x7f")
    view.wait_for(lambda text: shows(text, typed="", alpha=True))
    view.press(":why\r")
    view.wait_for(lambda text: "alpha has not run yet" in text and shows(text, typed="", alpha=True))
    view.press(":nonsense\r")
    view.wait_for(lambda text: 'unknown command "nonsense"' in text)
