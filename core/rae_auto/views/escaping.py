"""Escapes text from others (output, names, reasons), so that a terminal shows it instead of obeying it."""

import re

# C0 except newline and tab, DEL, C1, the marks that change the direction of text, and surrogates.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """Return the text with every character that a terminal would obey escaped, as in `\\x1b`."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)


def visible_line(text: object) -> str:
    """Return a value as one escaped line."""
    return visible(str(text)).replace("\n", "\\n").replace("\t", "\\t")
