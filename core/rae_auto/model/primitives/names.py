"""Names of jobs, triggers, runs and events, with their syntax, and suggestions for misspelled ones."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NewType

from rae_auto.model.primitives.formatting import quote

JobId = NewType("JobId", str)
RunId = NewType("RunId", str)

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(what: str, name: object) -> str:
    """Return `name` if it is valid; `what` says in the message what it names. Raises ValueError.

    Names become file names and log fields, so they are plain.
    """
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    raise ValueError(f'invalid {what} {_shortened(name)}; use 1 to 64 letters, digits, "-" or "_"')


EVENT_NAME = re.compile(r"(?=.{1,128}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

_RESERVED_EVENT_PREFIX = "run."
_RESERVED_EVENT = "gap"


def check_event_name(name: object) -> str:
    """Return the name of an event to record if it is valid and not reserved. Raises ValueError."""
    if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
        raise ValueError(
            f'invalid event name {_shortened(name)}; use words of letters, digits, "-" and "_", separated by dots, '
            "with at most 128 characters"
        )
    if name.startswith(_RESERVED_EVENT_PREFIX) or name == _RESERVED_EVENT:
        raise ValueError(f"event name {_shortened(name)} is reserved; choose another")
    return name


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion that ends an error message, or "": `; did you mean "backup"?`."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {quote(near[0])}?" if near else ""


def _shortened(name: object) -> str:
    text = str(name)
    return quote(text if len(text) <= 70 else text[:70] + "…")
