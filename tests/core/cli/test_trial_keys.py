"""Keys of the pane on Windows, with a keyboard and a screen that stand in for those of its console."""

import asyncio
import queue
import sys
import threading
import types

import pytest

from rae_auto.cli.plugins import trial_keys
from rae_auto.cli.plugins.trial_keys import ConsoleKeys, NoKeys, find_keys
from rae_auto.cli.plugins.trial_screen import KEYS
from rae_auto.cli.plugins.trial_terminal import PaneTerminal
from rae_auto.platforms.windows.console import ConsoleScreen, read_console_key


class Keyboard:
    """The characters that msvcrt reads: one for a key, two for a key without a character."""

    def __init__(self, monkeypatch):
        self.pressed: queue.Queue[str] = queue.Queue()
        runtime = types.ModuleType("msvcrt")
        runtime.getwch = self.pressed.get
        monkeypatch.setitem(sys.modules, "msvcrt", runtime)

    def press(self, text):
        for character in text:
            self.pressed.put(character)


class Kernel:
    """The screen buffer of kernel32."""

    def __init__(self, *, is_console=True):
        self.mode = 0x3
        self.is_console = is_console

    def GetStdHandle(self, number):
        assert number == -11
        return 7

    def GetConsoleMode(self, handle, mode):
        mode._obj.value = self.mode
        return self.is_console

    def SetConsoleMode(self, handle, mode):
        self.mode = mode


@pytest.fixture
def keyboard(monkeypatch):
    return Keyboard(monkeypatch)


@pytest.mark.parametrize(
    ("typed", "key"),
    [("q", "q"), ("\x00H", "\x1b[A"), ("\xe0P", "\x1b[B"), ("\xe0Q", "\x1b[6~"), ("\xe0\x86", ""), ("ü", "ü")],
)
def test_key_of_a_console_is_read_as_that_of_a_terminal(keyboard, typed, key):
    keyboard.press(typed)
    assert read_console_key() == key


def test_screen_obeys_sequences_until_the_pane_leaves():
    kernel = Kernel()
    leave = ConsoleScreen(kernel).enable_sequences()
    assert kernel.mode == 0x7
    leave()
    assert kernel.mode == 0x3


def test_output_that_is_no_console_stays_as_it_is():
    kernel = Kernel(is_console=False)
    ConsoleScreen(kernel).enable_sequences()()
    assert kernel.mode == 0x3


def test_pane_on_windows_follows_the_keys_of_its_console(keyboard, monkeypatch, capsys):
    monkeypatch.setattr(trial_keys, "termios", None)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    kernel = Kernel()
    monkeypatch.setattr(trial_keys, "ConsoleScreen", lambda: ConsoleScreen(kernel))
    moves = []

    async def work():
        keys = find_keys()
        assert isinstance(keys, ConsoleKeys)
        with PaneTerminal(keys) as terminal:
            assert kernel.mode == 0x7
            ended = asyncio.Event()
            terminal.follow_keys(lambda key: moves.append(key) or (key == "q" and ended.set()))
            keyboard.press("m\xe0Hq")
            await asyncio.wait_for(ended.wait(), 60)

    asyncio.run(work())
    # Its thread waits for another key, and ends as it finds the event loop closed.
    (reader,) = (thread for thread in threading.enumerate() if thread.name == "keys")
    keyboard.press("x")
    reader.join(60)
    assert moves == ["m", "\x1b[A", "q"]
    assert kernel.mode == 0x3
    assert dict(KEYS)["q"] == "quit"


def test_pipe_has_no_keys(monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    assert isinstance(find_keys(), NoKeys)
