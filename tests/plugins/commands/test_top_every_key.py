"""Keys that do something, pressed in a terminal with `rae-auto top` beside a real daemon."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.terminal_program import TerminalProgram
from tests.support.waiting import eventually

from rae_plugins.commands.top.keys import BINDINGS
from rae_plugins.commands.top.panes import KEYS

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
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state), "TERM": "xterm-256color", "COLORTERM": ""}
    command = [sys.executable, "-m", "rae_auto", "top", "--config", str(daemons.config)]
    view = TerminalProgram(command, environment, columns=100, lines=30)
    view.wait_for(lambda text: "1 job failed" in text and "sleepy" in text)
    yield view
    view.end()


def test_every_key_of_the_help_is_bound() -> None:
    bound = {key for binding in BINDINGS for key in binding.key.split(",")}
    names = {
        "/": "slash",
        ":": "colon",
        "Enter,": "enter",
        "Enter": "enter",
        "Esc": "escape",
        "j": "j",
        "arrows": "down",
    }
    shown = [word.rstrip(",") for keys, _ in KEYS for word in keys.split()]
    assert {names.get(key, key) for key in shown} <= bound


def test_keys_run_cancel_and_pause(daemons: Daemons, view: TerminalProgram) -> None:
    view.press("r")
    view.wait_for(lambda text: "started alpha" in text and "from alpha" in text)
    view.press("p")
    view.wait_for(lambda text: "paused alpha" in text and "‖ alpha" in text)
    view.press("p")
    view.wait_for(lambda text: "resumed alpha" in text and "‖ alpha" not in text)
    view.press("x")
    view.wait_for(lambda text: "alpha has no open run" in text)
    view.press("Gr")
    view.wait_for(lambda text: "started sleepy" in text and "▶ sleepy" in text)
    view.press("x")
    view.wait_for(lambda text: "press x again" in text)
    view.press("x")
    view.wait_for(lambda text: "cancelled " in text and "▶ sleepy" not in text)
    assert daemons.ask("history", job="sleepy")[0]["state"] == "cancelled"


def test_key_s_plays_the_month_until_escape(view: TerminalProgram) -> None:
    view.press("s")
    view.wait_for(lambda text: "space pauses" in text and "sleepy" in text)
    view.press(" .")
    view.wait_for(lambda text: "‖" in text and "03:00" in text)
    view.press("\x1b")
    view.wait_for(lambda text: "last ten" in text and "simulation" not in text)
