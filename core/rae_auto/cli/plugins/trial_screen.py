"""The lines of a trial, on a screen of any size and without one."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from attrs import frozen

from rae_auto.model.primitives.escaping import escape_line
from rae_auto.offline.trial.messages import TrialSection
from rae_auto.offline.trial.session import TrialView
from rae_auto.toolkit.text_cells import fit_to_cells, wrap_to_cells

KEYS = (
    ("s m h d", "later"),
    ("S M H D", "back"),
    ("n", "next change"),
    ("0", "reset"),
    ("space", "hold"),
    ("a", "ask again"),
    ("e", "event"),
    ("r", "reload"),
    ("j k", "scroll"),
    ("q", "quit"),
)
TITLE_CELLS = 20
MIN_CELLS_IN_COLUMNS = 70
"""The narrowest screen with titles beside their lines."""

_BAD = ("error:", "failed", "hangs", "ended", "problem")


@frozen
class TrialLine:
    """A line of the screen, with the color of what it is about."""

    text: str
    color: str | None = None
    is_bold: bool = False

    def paint(self, *, in_color: bool) -> str:
        """Return it for a terminal."""
        return click.style(self.text, fg=self.color, bold=self.is_bold) if in_color else self.text


@frozen(kw_only=True)
class TrialScreen:
    """A trial on a screen; `scroll` lines of its body are above."""

    target: str
    zone: ZoneInfo
    width: int
    height: int
    scroll: int = 0

    def compose(self, view: TrialView, now: float) -> list[TrialLine]:
        """Return the lines of the screen; `now` is the reading of the monotonic clock."""
        width = max(self.width, 10)
        head = [*self._head(view, now, width), TrialLine("─" * width)]
        foot = [TrialLine("─" * width), *(TrialLine(text) for text in wrap_keys(width))]
        room = max(self.height - len(head) - len(foot), 1)
        body = self.compose_body(view, width)
        first = self.limit_scroll(len(body), room)
        shown = body[first : first + room]
        if left := len(body) - first - len(shown):
            shown[-1] = TrialLine(f"… {left + 1} more; j scrolls")
        return [*head, *shown, *([TrialLine("")] * (room - len(shown))), *foot][: self.height]

    def limit_scroll(self, count: int, room: int) -> int:
        """Return how far the body can be scrolled, at most."""
        return max(min(self.scroll, count - room), 0)

    def _head(self, view: TrialView, now: float, width: int) -> Iterator[TrialLine]:
        state = "trying it" if view.frame is None and not view.has_failed else ""
        if view.shown_after is not None:
            state = f"shown {view.shown_after * 1000:.0f} ms after the save"
        text = f"{Path(self.target).name}  {state}"
        yield TrialLine(fit_to_cells(escape_line(text), width).rstrip(), is_bold=True)
        if view.frame is not None:
            shown = _clock_of(view, now).astimezone(self.zone)
            held = "" if view.frame.is_running else "  held"
            yield TrialLine(fit_to_cells(f"{shown:%a %Y-%m-%d %H:%M:%S %Z}{held}", width).rstrip())

    def compose_body(self, view: TrialView, width: int) -> list[TrialLine]:
        """Return all lines of the sections."""
        lines: list[TrialLine] = []
        for section in view.sections:
            if not section.title:
                lines += [TrialLine(part, is_bold=True) for text in section.lines for part in _wrap(text, width)]
                continue
            lines += _beside(section, width) if width >= MIN_CELLS_IN_COLUMNS else _below(section, width)
        return lines


def describe_plainly(sections: Sequence[TrialSection]) -> Iterator[str]:
    """Yield the lines of sections without a screen."""
    for section in sections:
        for text in section.lines:
            yield (
                escape_line(_shorten(text))
                if not section.title
                else f"  {section.title}: {escape_line(_shorten(text, section))}"
            )


def wrap_keys(width: int) -> list[str]:
    """Return the keys with what they do, on as many lines as they need."""
    lines, line = [], ""
    for keys, what in KEYS:
        part = f"{keys} {what}"
        joined = f"{line}  {part}" if line else part
        if len(joined) > width and line:
            lines.append(line)
            joined = part
        line = joined
    return [*lines, line]


def _clock_of(view: TrialView, now: float) -> datetime:
    assert view.frame is not None
    elapsed = max(now - view.received_at, 0.0) if view.frame.is_running else 0.0
    try:
        return view.frame.clock + timedelta(seconds=elapsed)
    except OverflowError:
        return view.frame.clock


def _beside(section: TrialSection, width: int) -> Iterator[TrialLine]:
    title = f"  {section.title}"
    for text in section.lines:
        for part in _wrap(text, width - TITLE_CELLS, section):
            yield TrialLine(f"{fit_to_cells(title, TITLE_CELLS)}{part}", _color_of(section, text))
            title = ""


def _below(section: TrialSection, width: int) -> Iterator[TrialLine]:
    yield TrialLine(fit_to_cells(section.title, width).rstrip(), _color_of(section, ""))
    for text in section.lines:
        for part in _wrap(text, width - 2, section):
            yield TrialLine(f"  {part}", _color_of(section, text))


def _wrap(text: str, cells: int, section: TrialSection | None = None) -> list[str]:
    return wrap_to_cells(escape_line(_shorten(text, section)), max(cells, 8))


def _shorten(text: str, section: TrialSection | None = None) -> str:
    """Return a text with the files below the current folder named from there; options stay as they were given."""
    return text if section is not None and section.title == "options" else text.replace(f"{Path.cwd()}/", "")


def _color_of(section: TrialSection, text: str) -> str | None:
    if section.title in _BAD or "error: " in text or " raised " in text:
        return "red"
    return "yellow" if "warning: " in text else None
