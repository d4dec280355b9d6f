"""`rae-auto plugins try` in a terminal of 40 columns, and without one."""

import os
import signal
import subprocess
import sys

import psutil
import pytest
from tests.support.planted_plugins import good_source
from tests.support.terminal_program import TerminalProgram
from tests.support.waiting import eventually

COMMAND = [sys.executable, "-m", "rae_auto", "plugins", "try"]


def test_pane_of_40_columns_follows_keys_and_saves_and_leaves_nothing(tmp_path):
    file = tmp_path / "lunar.py"
    file.write_text(good_source("source"))
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    words = ["lunar.py", "every=60", "--at", "2026-10-24T12:00Z"]
    pane = TerminalProgram([*COMMAND, *words], environment, columns=40, lines=24, folder=tmp_path)
    try:
        pane.wait_for(
            lambda text: '{ type = "good", every = 60 }' in text and "nothing yet" in text and "q quit" in text
        )
        pane.press("m")
        pane.wait_for(lambda text: "Sat 12:01:" in text)
        file.write_text("def x(:\n")
        pane.wait_for(lambda text: "lunar.py:1: invalid syntax" in text and "after the save" in text)
        pane.press("\x03")
        assert pane.process.wait(60) == 0
        assert pane.is_restored
        assert [path.name for path in tmp_path.iterdir()] == ["lunar.py"]
    finally:
        pane.end()


@pytest.fixture
def pane(tmp_path):
    (tmp_path / "lunar.py").write_text(good_source("guard"))
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
    pane = TerminalProgram([*COMMAND, "lunar.py"], environment, columns=60, lines=24, folder=tmp_path)
    pane.wait_for(lambda text: "yes (always)" in text and "q quit" in text)
    yield pane
    pane.end()


def test_pane_that_is_suspended_gives_the_terminal_back_and_goes_on(pane):
    process = psutil.Process(pane.process.pid)
    in_pane = not pane.is_restored
    pane.press("\x1a")
    eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    assert (in_pane, pane.is_restored) == (True, True)
    pane.read(0.1)
    pane.clear()
    process.send_signal(signal.SIGCONT)
    pane.wait_for(lambda text: "yes (always)" in text and "q quit" in text)
    assert not pane.is_restored
    pane.press("q")
    assert pane.process.wait(60) == 0
    assert pane.is_restored


def test_pane_that_is_terminated_leaves_nothing(pane, tmp_path):
    workers = psutil.Process(pane.process.pid).children(recursive=True)
    assert workers
    pane.process.send_signal(signal.SIGTERM)
    assert pane.process.wait(60) == 0
    assert pane.is_restored
    eventually(lambda: not any(worker.is_running() for worker in workers))
    assert [path.name for path in tmp_path.iterdir()] == ["lunar.py"]


def test_plain_lines_mask_secrets_and_name_what_ends_the_process(tmp_path):
    secret = "hunter2-hunter2"
    option = '    api_token: str = field(default="", metadata={"help": "token"})\n'
    source = good_source("logger").replace("    def handler", f"{option}\n    def handler", 1)
    loud = source.replace(
        "        return {", "        print('the token is', self.api_token, flush=True)\n        return {", 1
    )
    (tmp_path / "loud.py").write_text(loud)
    done = subprocess.run(
        [*COMMAND, "loud.py", f"api_token={secret}"], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )
    assert secret not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "logger good of file loud.py"
    assert "  prints: the token is ***" in lines
    assert "  written: a sample line" in lines
    assert any(line.startswith("  log: ") and line.endswith("a sample line of rae-auto") for line in lines)
    assert done.returncode == 0


def test_watching_without_a_terminal_prints_what_is_new_until_a_signal(tmp_path):
    file = tmp_path / "lunar.py"
    file.write_text(good_source("guard"))
    command = [*COMMAND, "lunar.py", "--watch"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = next(line for line in process.stdout if "now:" in line)
        file.write_text("def x(:\n")
        second = next(line for line in process.stdout if "problem:" in line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert (first, second) == ("  now: yes (always)\n", "  problem: lunar.py:1: invalid syntax; correct it\n")


def test_options_that_are_none_are_refused(tmp_path):
    done = subprocess.run([*COMMAND, "x.py", "every"], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "every has no value; write key=value" in done.stderr
