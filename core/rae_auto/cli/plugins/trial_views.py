"""Trials shown: as a pane that keys and saves change, or as plain lines."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

import click
from attrs import evolve

from rae_auto.cli.plugins.trial_screen import TrialScreen, describe_plainly
from rae_auto.cli.plugins.trial_terminal import PaneTerminal
from rae_auto.model.primitives.zones import zone
from rae_auto.offline.trial.messages import Key, TrialRequest
from rae_auto.offline.trial.session import TrialSession, TrialView
from rae_auto.toolkit.terminals import can_color

REDRAW_SECONDS = 1.0
"""The clock is drawn again after this time."""

MAX_SCROLL = 100_000
_ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_KEYS = {"n": Key.NEXT, "0": Key.RESET, " ": Key.HOLD, "a": Key.AGAIN, "e": Key.EVENT}
_SCROLLS = {"j": 1, "k": -1, "\x1b[B": 1, "\x1b[A": -1, "\x1b[6~": 10, "\x1b[5~": -10, "\x1b[H": -MAX_SCROLL}


class Pane:
    """A trial on a terminal."""

    def __init__(self, request: TrialRequest, terminal: PaneTerminal) -> None:
        self._terminal = terminal
        self._session = TrialSession(request, lambda _: self._draw())
        self._screen = TrialScreen(target=request.target, zone=zone(request.zone), width=80, height=24)
        self._in_color = can_color(sys.stdout)
        self.ended = asyncio.Event()

    async def run(self) -> int:
        """Show it until a key or a signal ends it."""
        async with self._session:
            self._terminal.follow_keys(self._press)
            self._terminal.follow_sizes(self._draw)
            while not self.ended.is_set():
                self._draw()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.ended.wait(), REDRAW_SECONDS)
        return 0

    def _draw(self) -> None:
        width, height = _terminal_size()
        self._screen = evolve(self._screen, width=width, height=height)
        lines = self._screen.compose(self._session.view, time.monotonic())
        self._terminal.draw([line.paint(in_color=self._in_color) for line in lines], (width, height))

    def _press(self, key: str) -> None:
        session = self._session
        if key in ("q", "\x04"):
            self.ended.set()
        elif key == "r":
            session.try_again()
        elif key in _KEYS:
            session.press(_KEYS[key])
        elif key.lower() in _UNITS:
            session.press(Key.MOVE, _UNITS[key.lower()] * (1 if key.islower() else -1))
        elif key in _SCROLLS:
            body = self._screen.compose_body(session.view, self._screen.width)
            self._screen = evolve(self._screen, scroll=max(min(self._screen.scroll + _SCROLLS[key], len(body)), 0))
            self._draw()


async def run_pane(request: TrialRequest) -> int:
    """Show a trial on the terminal, until q or Ctrl-C."""
    with PaneTerminal() as terminal:
        pane = Pane(request, terminal)
        _at_signals(pane.ended.set)
        return await pane.run()


async def run_plain(request: TrialRequest) -> int:
    """Print a trial: all of it once, or the changes until a signal ends it."""
    ended = asyncio.Event()
    _at_signals(ended.set)
    printer = _Printer()
    async with TrialSession(request, printer.show if not request.is_once else lambda _: None) as session:
        completing = asyncio.ensure_future(session.wait_until_complete() if request.is_once else ended.wait())
        ending = asyncio.ensure_future(ended.wait())
        await asyncio.wait({completing, ending}, return_when=asyncio.FIRST_COMPLETED)
        for task in (completing, ending):
            task.cancel()
        if ended.is_set():
            return 130 if request.is_once else 0
        view = session.view
    for line in describe_plainly(view.sections):
        click.echo(line)
    return int(view.has_failed)


def _terminal_size() -> tuple[int, int]:
    """Return the columns and lines of the terminal itself, whatever variables say."""
    try:
        return os.get_terminal_size(sys.stdout.fileno())
    except (OSError, ValueError):
        return shutil.get_terminal_size()


class _Printer:
    """Prints the lines of a trial that are new since its last save."""

    def __init__(self) -> None:
        self._known: list[str] = []
        self._trial = 0

    def show(self, view: TrialView) -> None:
        lines = [*describe_plainly(view.sections)]
        if view.trial != self._trial:
            self._known, self._trial = [], view.trial
        for line in lines:
            if line not in self._known:
                click.echo(line)
        self._known = lines
        with suppress(OSError):
            sys.stdout.flush()


def _at_signals(end: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, end)
