"""Summaries of triggers: a few words in one line, for lists and for `why`."""

from collections.abc import Iterable
from datetime import timedelta
from enum import Enum

from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.model.primitives.units import format_duration

MAX_SUMMARY_LENGTH = 80


def summarize(*words: object) -> str:
    """Return the words as one line of at most 80 characters; None and empty values are left out.

    Lists are joined by commas, durations written as "1h30m", and triggers by their own type.
    """
    text = " ".join(filter(None, map(_word, words)))
    return text if len(text) <= MAX_SUMMARY_LENGTH else f"{text[: MAX_SUMMARY_LENGTH - 1]}…"


def named(name: str, value: object) -> str:
    """Return an option with its name, or "" if it has no value: "below 5%"."""
    word = _word(value)
    return f"{name} {word}" if word else ""


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, ScheduleTrigger | SourceTrigger):
        return value.type
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(_word, value))
    return str(value)
