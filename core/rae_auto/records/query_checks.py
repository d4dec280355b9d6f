"""Checks of the values of a query for records, as programs and requests give them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import join_words, quote
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.primitives.zones import zone
from rae_auto.model.run import RunState

MAX_RECORDS = 100_000
"""The number of runs or events that one query may ask for."""

_OTHER_WORDS = {"waiting": ("queued", "retrying"), "pending": ("queued",), "ok": ("succeeded",), "error": ("failed",)}
"""States by the words that other tools use for them."""


def check_limit(limit: Any, name: str = "limit") -> int:
    """Return the number of records to return at most. Raises BadRequest."""
    if type(limit) is not int or not 0 < limit <= MAX_RECORDS:
        raise BadRequest(f'"{name}" must be a number from 1 to {MAX_RECORDS:,}')
    return limit


def check_at_least(least: int, **numbers: int) -> None:
    """Raise BadRequest if one of the numbers is smaller than allowed."""
    for name, number in numbers.items():
        if number < least:
            raise BadRequest(f"{name} must be at least {least}, not {number}")


def check_zone(name: str) -> str:
    """Return the IANA name of a time zone. Raises BadRequest."""
    try:
        return zone(name).key
    except ValueError as error:
        raise BadRequest(f"timezone: {error}") from None


def check_states(states: Any) -> tuple[str, ...]:
    """Return the states of runs to return. Raises BadRequest."""
    if not isinstance(states, Sequence) or isinstance(states, str):
        raise BadRequest('"states" must be a list')
    for state in states:
        if state not in list(RunState):
            raise BadRequest(f"unknown state {quote(str(state)[:64])}; {_suggest_states(str(state)[:64])}")
    return tuple(states)


def check_instant(name: str, value: Any) -> datetime | None:
    """Return an instant with an offset, or None. Raises BadRequest."""
    if value is None:
        return None
    if not isinstance(value, datetime):
        raise BadRequest(f'"{name}" must be a datetime with an offset, not {value!r:.60}')
    try:
        return as_utc(value)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from None


def _suggest_states(given: str) -> str:
    hint = did_you_mean(given, RunState).removeprefix("; ")
    if given in _OTHER_WORDS or not hint:
        return f"use {join_words(map(quote, _OTHER_WORDS.get(given, RunState)), 'or')}"
    return hint
