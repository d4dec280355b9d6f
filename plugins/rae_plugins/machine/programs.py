"""Programs by name: a glob, or a regular expression between slashes; upper and lower case are one."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import translate
from functools import lru_cache
from typing import Any

from rae_auto.model.primitives.formatting import quote
from rae_auto.toolkit.validators import describe_pattern_error


@lru_cache(maxsize=64)
def _finder(text: str) -> Callable[[str], object]:
    if len(text) > 2 and text.startswith("/") and text.endswith("/"):
        return re.compile(text[1:-1], re.IGNORECASE).search
    return re.compile(translate(text), re.IGNORECASE).match


def check_pattern(text: str) -> str:
    """Check a pattern and return it. Raises ValueError."""
    try:
        _finder(text)
    except re.error as error:
        given = quote(text[:60])
        raise ValueError(
            f"invalid regular expression {given}: {describe_pattern_error(error)}; write a glob, or correct it"
        ) from None
    return text


def is_called(name: str, text: str) -> bool:
    """Return whether a name matches the pattern. On Windows `.exe` may be left out."""
    find = _finder(text)
    return find(name) is not None or (name.lower().endswith(".exe") and find(name[:-4]) is not None)


def running(text: str) -> Iterator[Any]:
    """Return the processes of matching programs, as psutil has them, without zombies."""
    import psutil

    for process in psutil.process_iter(["name"]):
        if is_called(process.info["name"] or "", text):
            with suppress(psutil.Error):
                if process.status() != psutil.STATUS_ZOMBIE:
                    yield process
