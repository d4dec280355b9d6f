"""`rae-auto top` in a terminal of 80 by 24, beside a real daemon that stops and comes back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.daemons import Daemons
from tests.support.terminal_program import TerminalProgram, open_top, pty
from wcwidth import wcswidth

JOBS = """
[jobs.hello]
shell = "echo one; echo two"
[jobs.sleepy]
command = ["sleep", "600"]
schedule = "0 3 1 1 *"
"""


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    daemons = Daemons(tmp_path, JOBS)
    daemons.serve()
    yield daemons
    daemons.end()


@pytest.fixture
def view(daemons: Daemons) -> Iterator[TerminalProgram]:
    view = open_top(daemons)
    yield view
    view.end()


def test_view_in_a_terminal_follows_a_daemon_over_a_restart(daemons: Daemons, view: TerminalProgram):
    view.wait_for(lambda text: "All is well" in text and "sleepy" in text)
    daemons.ask("trigger", job="hello")
    view.wait_for(lambda text: "two" in text and "●" in text)
    view.press("jw")
    view.wait_for(lambda text: "sleepy has not run yet" in text)
    view.wait_for_silence(2.0)  # nothing happens, so nothing is to be written
    daemons.stop()
    view.wait_for(lambda text: "The daemon has stopped" in text)
    daemons.serve()
    view.wait_for(lambda text: "All is well" in text)
    view.press("q")
    assert view.process.wait(60) == 0


def test_key_e_opens_the_definition_in_the_editor(daemons: Daemons, tmp_path: Path):
    editor = tmp_path / "editor"
    editor.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/arguments\n")
    editor.chmod(0o755)
    view = open_top(daemons, EDITOR=str(editor), VISUAL="")
    try:
        view.wait_for(lambda text: "All is well" in text and "hello" in text)
        view.press("e")
        view.wait_for(lambda text: (tmp_path / "arguments").exists())
        view.wait_for(lambda text: "All is well" in text and "hello" in text)
        assert daemons.config.name in (tmp_path / "arguments").read_text()
        view.press("q")
        assert view.process.wait(60) == 0
    finally:
        view.end()


def test_plain_view_writes_each_change_as_a_sentence(daemons: Daemons):
    command = [sys.executable, "-u", "-m", "rae_auto", "top", "--plain", "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        try:
            assert "All is well: 2 jobs" in following.stdout.readline()
            daemons.ask("trigger", job="hello")
            sentences = []
            while "hello succeeded" not in (sentence := following.stdout.readline()):
                sentences.append(sentence)
            assert any("hello has started" in one for one in sentences)
            assert not any("skipped" in one for one in sentences)
            daemons.stop()
            while "The daemon has stopped" not in following.stdout.readline():
                pass
        finally:
            following.kill()


def test_one_frame_is_printed_without_a_terminal(daemons: Daemons, tmp_path: Path):
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    command = [sys.executable, "-m", "rae_auto", "top", "--config", str(daemons.config)]
    once = subprocess.run([*command, "--once"], env=environment, capture_output=True, text=True, timeout=50)
    assert (once.returncode, once.stderr) == (0, "")
    assert "All is well: 2 jobs" in once.stdout
    assert "see to it" not in once.stdout
    plain = subprocess.run([*command, "--once", "--plain"], env=environment, capture_output=True, text=True, timeout=50)
    assert (plain.returncode, plain.stderr, plain.stdout.count("\n")) == (0, "", 1)
    assert plain.stdout.endswith(once.stdout.splitlines()[0].strip(" ●").partition("   ")[0] + "\n")
    picture = tmp_path / "now.svg"
    assert subprocess.run([*command, "--svg", str(picture)], env=environment, timeout=50).returncode == 0
    assert "sleepy" in picture.read_text()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "standard input is not one; use --once for one frame as text, --plain for each change"),
        (["--svg", "now.svg", "--once"], "--svg writes a picture and ends"),
        (["--svg", "now.svg", "--plain"], "--svg writes a picture and ends"),
    ],
    ids=["no terminal", "svg once", "svg plain"],
)
def test_refusals_say_which_option_to_use(options: list[str], words: str, tmp_path: Path):
    command = [sys.executable, "-m", "rae_auto", "top", *options]
    done = subprocess.run(
        command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "\x1b" not in done.stderr
    assert not (tmp_path / "now.svg").exists()


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_view_needs_a_terminal_on_each_stream(stream: str, daemons: Daemons):
    main, other = pty.openpty()
    try:
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), other) | {stream: subprocess.PIPE}
        command = [sys.executable, "-m", "rae_auto", "top", "--config", str(daemons.config)]
        done = subprocess.run(command, **streams, text=True, timeout=50, check=False)
        assert done.returncode == 2
        assert "\x1b" not in (done.stdout or "") + (done.stderr or "")
    finally:
        os.close(main)
        os.close(other)


@pytest.mark.parametrize(
    ("width", "variables"),
    [
        (40, {"NO_COLOR": "1"}),
        (80, {"TERM": "dumb"}),
        (200, {"LC_ALL": "C", "PYTHONUTF8": "0"}),
        (40, {"PYTHONIOENCODING": "latin-1"}),
    ],
)
def test_frame_in_any_terminal_is_text_of_its_width(variables: dict[str, str], width: int, tmp_path: Path):
    config = tmp_path / "rae.toml"
    config.write_text(JOBS)
    config.chmod(0o600)
    environment = {**os.environ, "RAE_STATE_DIR": str(tmp_path / "state"), "COLUMNS": str(width), **variables}
    command = [sys.executable, "-m", "rae_auto", "top", "--once", "--config", str(config)]
    once = subprocess.run(command, env=environment, capture_output=True, timeout=50)
    assert (once.returncode, once.stderr) == (1, b"")
    shown = once.stdout.decode(variables.get("PYTHONIOENCODING", "utf-8"))
    assert "\x1b" not in shown
    assert "\\u" not in shown
    assert max(map(wcswidth, shown.splitlines())) <= width
    assert "no daemon is running" in shown
    assert "sleepy" in shown
