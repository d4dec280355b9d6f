"""Programs by name: a glob, or a regular expression between slashes; upper and lower case are one."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import translate
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def _finder(text: str) -> Callable[[str], object]:
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return re.compile(text[1:-1], re.IGNORECASE).search
    return re.compile(translate(text), re.IGNORECASE).match


def checked(text: str) -> str:
    """The text, or ValueError where it is none."""
    try:
        _finder(text)
    except re.error as error:
        raise ValueError(f"{text!r:.60} is no regular expression: {error}; write a glob, or mend it") from None
    return text


def is_called(name: str, text: str) -> bool:
    """Whether a name is what the text says. On Windows a program is called with or without its `.exe`."""
    find = _finder(text)
    return find(name) is not None or (name.lower().endswith(".exe") and find(name[:-4]) is not None)


def running(text: str) -> Iterator[Any]:
    """The processes of such programs, as psutil has them, but for those that are dead and only not yet buried."""
    import psutil

    for process in psutil.process_iter(["name"]):
        if is_called(process.info["name"] or "", text):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process
