"""Text that others have a hand in (output, names, reasons), made safe for a terminal."""

import re

# C0 but newline and tab, DEL, C1, and the marks that turn the direction of text.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def visible(text: str) -> str:
    """The text with everything that a terminal would obey instead of showing spelled out: `\\x1b`."""
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)


def visible_line(text: object) -> str:
    """The same as one line."""
    return visible(str(text)).replace("\n", "\\n").replace("\t", "\\t")
