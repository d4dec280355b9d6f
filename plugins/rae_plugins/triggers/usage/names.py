"""Names of applications: a glob, or a regular expression between slashes; upper and lower case are one."""

import re
from fnmatch import translate
from functools import lru_cache


@lru_cache(maxsize=64)
def _pattern(text: str) -> re.Pattern[str]:
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return re.compile(text[1:-1], re.IGNORECASE)
    return re.compile(translate(text), re.IGNORECASE)


def checked(text: str) -> str:
    """The text, or ValueError where it is none."""
    try:
        _pattern(text)
    except re.error as error:
        raise ValueError(f"{text!r:.60} is no regular expression: {error}; write a glob, or mend it") from None
    return text


def is_called(name: str, text: str) -> bool:
    """Whether a name is what the text says. On Windows a program is called with or without its `.exe`."""
    pattern = _pattern(text)
    search = pattern.search if text.startswith("/") and text.endswith("/") and len(text) > 2 else pattern.match
    return search(name) is not None or (name.lower().endswith(".exe") and search(name[:-4]) is not None)
