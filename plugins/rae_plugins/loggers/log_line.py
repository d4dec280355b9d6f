"""Names and numbers of the platforms' logs, and texts cut to the lengths that they accept."""

IDENTIFIER = "rae-auto"
"""The name under which the logs of platforms have the lines."""

CRITICAL, ERROR, WARNING, NOTICE, INFO, DEBUG = 2, 3, 4, 5, 6, 7
"""Priorities of syslog."""


def cut_text(text: str, max_bytes: int) -> bytes:
    """Return text as UTF-8, at most this many bytes; a character is never cut in two."""
    encoded = text.encode("utf-8", "backslashreplace")
    return encoded if len(encoded) <= max_bytes else encoded[:max_bytes].decode("utf-8", "ignore").encode()
