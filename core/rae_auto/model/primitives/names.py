"""Names of jobs, triggers and runs: what they may look like, and who they mean."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import NewType

JobId = NewType("JobId", str)
RunId = NewType("RunId", str)

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_name(what: str, name: object) -> str:
    """Return `name`, or raise ValueError: names become file names and log fields, so they stay plain."""
    if isinstance(name, str) and NAME.fullmatch(name):
        return name
    shown = repr(name if not isinstance(name, str) or len(name) <= 70 else name[:70] + "…")
    raise ValueError(f"{what} {shown} must be 1 to 64 letters, digits, '-' or '_'")


EVENT_NAME = re.compile(r"(?=.{1,128}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")

_OWN_EVENTS = ("run.", "gap")


def check_event_name(name: object) -> str:
    """Return the name of an event to record, or raise ValueError; ends of runs and gaps are named by us alone."""
    shown = repr(name)[:70]
    if not isinstance(name, str) or not EVENT_NAME.fullmatch(name):
        raise ValueError(f"event name {shown} must be letters, digits, '-', '_', and dots between them, at most 128")
    if name.startswith(_OWN_EVENTS[0]) or name == _OWN_EVENTS[1]:
        raise ValueError(f"event name {shown} is one that rae-auto itself gives; choose another")
    return name


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a suggestion that ends an error message, or "": `; did you mean 'backup'?`."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {str(near[0])!r}?" if near else ""
