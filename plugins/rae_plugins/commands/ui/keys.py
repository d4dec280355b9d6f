"""The keys that the page and the full-screen view share: one list, so that both do the same and call it the same.

Each view adds the keys that it alone has, and shows both lists at "?". The names of keys are those on a keyboard.
"""

from typing import NamedTuple


class ViewKey(NamedTuple):
    """Keys of one kind, apart by blanks, and what they do."""

    keys: str
    does: str


KEYS = (
    ViewKey("j k", "next, previous row"),
    ViewKey("Enter", "open"),
    ViewKey("Esc", "close what is open, go back"),
    ViewKey("/", "find a job"),
    ViewKey(":", "type a command"),
    ViewKey("r", "run"),
    ViewKey("x", "cancel, if pressed twice"),
    ViewKey("p", "pause, resume"),
    ViewKey("w", "why"),
    ViewKey("o", "output"),
    ViewKey("n", "next starts"),
    ViewKey("h", "history"),
    ViewKey("e", "definition"),
    ViewKey("t", "timeline"),
    ViewKey("m", "month"),
    ViewKey("H", "health"),
    ViewKey("s", "simulate"),
    ViewKey("Space", "pause updates or playback"),
    ViewKey(".", "next decision"),
    ViewKey("?", "keys"),
)
"""The keys of both views, in the order in which they are shown; those from `r` to `e` are about the selected job."""
