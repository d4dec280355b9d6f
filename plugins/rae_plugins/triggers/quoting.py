"""Quoting of values from the configuration in error messages."""

from rae_auto.model.primitives.escaping import shorten_line

MAX_QUOTED_CHARS = 80


def quote(text: str, limit: int = MAX_QUOTED_CHARS) -> str:
    """Return a text in double quotes, shortened to `limit` characters, with control characters escaped."""
    return f'"{shorten_line(text, limit)}"'
