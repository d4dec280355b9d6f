"""Escaping of text from others (output, names, reasons, files), so that it is shown and never obeyed.

There are two degrees. Output of a job is shown as it is, but for what a terminal would obey. A part of a message or of
a log line must also stay in its line, so everything that isn't printable is escaped.
"""

import re

MAX_PART_CHARACTERS = 80
"""Characters of a text from elsewhere that a message shows, unless it asks for more."""

MAX_VALUE_CHARACTERS = 200
"""Characters of a value that a function has returned, where people read it."""

# C0 except newline and tab, DEL, C1, the marks that change the direction of text, and surrogates.
_CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
_IN_TEXT = f"[{_CONTROLS}]"
_IN_LINE = f"[{_CONTROLS}\n\t\u2028\u2029]"


def escape_text(text: str) -> str:
    """Return the text, of several lines perhaps, with every character escaped that a terminal would obey: `\\x1b`."""
    # None of these is printable. Compiling the expression takes longer than a short command should for all its texts.
    return text if text.isprintable() else re.sub(_IN_TEXT, lambda match: _escape(match[0]), text)


def escape_line(value: object) -> str:
    """Return a value as one line: as `escape_text` does, with tabs and line separators escaped too."""
    text = str(value)
    return text if text.isprintable() else re.sub(_IN_LINE, lambda match: _escape(match[0]), text)


def escape_unprintable(text: str) -> str:
    """Return the text with every character escaped that isn't printable, line separators included."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def shorten_line(text: str, max_characters: int = MAX_PART_CHARACTERS) -> str:
    """Return the text shortened to `max_characters`, then with every character escaped that isn't printable."""
    return escape_unprintable(text if len(text) <= max_characters else text[: max_characters - 1] + "…")


def quote_short(text: str, max_characters: int = MAX_PART_CHARACTERS) -> str:
    """Return the text as `shorten_line` does, in double quotes."""
    return f'"{shorten_line(text, max_characters)}"'


def escape_json(value: object) -> str:
    """Return a JSON value as one line of at most `MAX_VALUE_CHARACTERS`."""
    import json  # lazy: start-up

    return shorten_line(json.dumps(value, ensure_ascii=False), MAX_VALUE_CHARACTERS)


def _escape(char: str) -> str:
    return ascii(char)[1:-1]
