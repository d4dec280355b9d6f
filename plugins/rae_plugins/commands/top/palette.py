"""The colours of the roles, calm ones on a dark ground; shapes tell the same, so that no colour is needed."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.app import App
from textual.strip import Strip
from textual.theme import Theme

from rae_plugins.commands.top.styled_lines import Line, printable_text

PICTURE_SIZE = (110, 34)
"""Columns and lines of a picture of a view."""

GROUND, RAISED, CHOSEN = "#11151c", "#171c26", "#232c3d"
TEXT, QUIET = "#c9d1dc", "#7d8899"

STYLES = {
    "": Style.parse(TEXT),
    "good": Style.parse("#7fb685"),
    "bad": Style.parse("bold #e5786d"),
    "busy": Style.parse("bold #6cb6eb"),
    "waiting": Style.parse("#d9b26a"),
    "muted": Style.parse(QUIET),
    "strong": Style.parse("bold #eef2f7"),
    "title": Style.parse("#8fa3bf"),
}

LAYOUT = """
Screen { layers: base; overflow: hidden; }
#verdict { height: 1; background: $panel; }
#attention { height: auto; max-height: 5; display: none; }
#day { height: 1; }
#head { height: 1; margin-top: 1; }
#jobs { height: 1fr; min-height: 3; overflow-x: hidden; scrollbar-size-vertical: 1; }
#title { height: 1; background: $panel; }
#lower { height: 9; scrollbar-size-vertical: 1; }
#pane { padding: 0 1; }
#jobs.-hidden, #head.-hidden, #day.-hidden { display: none; }
#typed { height: 1; border: none; padding: 0 1; background: $panel; display: none; }
#typed.-shown { display: block; }
#keys { height: 1; }
"""
"""The layout: the screen itself never scrolls, so that every part stays where it is."""

THEME = Theme(
    name="rae",
    primary="#6cb6eb",
    secondary="#8fa3bf",
    warning="#d9b26a",
    error="#e5786d",
    success="#7fb685",
    accent="#6cb6eb",
    foreground=TEXT,
    background=GROUND,
    surface=GROUND,
    panel=RAISED,
    dark=True,
)


def styled_text(lines: Iterable[Line]) -> Text:
    """Return lines as one text with colours."""
    text = Text(no_wrap=True, overflow="ellipsis", end="")
    for number, parts in enumerate(lines):
        if number:
            text.append("\n")
        for role, together in _merge_parts(parts):
            text.append(together, STYLES[role])
    return text


def _merge_parts(parts: Line) -> Iterator[tuple[str, str]]:
    """Yield roles and texts, neighbours of one role together, and blanks with what is before them: fewer bytes."""
    role, together = "", ""
    for part in parts:
        if together and part.role != role and not part.text.isspace():
            yield role, together
            together = ""
        role, together = part.role if not together else role, together + printable_text(part.text)
    if together:
        yield role, together


def styled_strip(parts: Line, width: int, ground: str) -> Strip:
    """Return a line as cells of a row, on a ground."""
    base = Style(bgcolor=ground)
    segments = [Segment(printable_text(part.text), base + STYLES[part.role]) for part in parts]
    # Neighbours of one style are sent with one style.
    return Strip(segments).adjust_cell_length(width, base).simplify()


def without_remote_fonts(picture: str) -> str:
    """Return a picture that loads no fonts from the network."""
    return re.sub(r"@font-face\s*{[^}]*}|<!--.*?-->", "", picture).replace("Fira Code", "Fira Code, DejaVu Sans Mono")


async def write_picture(app: App[Any], is_ready: asyncio.Event, path: Path) -> None:
    """Write the first complete frame as a picture that needs nothing from elsewhere. Errors: OSError."""
    async with app.run_test(size=PICTURE_SIZE) as pilot:
        await is_ready.wait()
        await pilot.pause()
        picture = without_remote_fonts(app.export_screenshot(title="rae-auto top"))
    await asyncio.to_thread(path.write_text, picture)
