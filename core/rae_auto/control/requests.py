"""Arguments of requests, checked: what comes over the socket or from the command line is anybody's text."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto.api.store import LogQuery
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.instants import parse_instant
from rae_auto.model.primitives.names import did_you_mean
from rae_auto.model.run import RunState

MAX_RUNS = 100_000
"""How many runs or events can be asked for at once."""

_LONGEST_PATH = 4096
_LONGEST_PATTERN = 256
_CLOCKS_DIFFER = timedelta(minutes=1)


def text(arguments: Mapping[str, Any], name: str) -> str:
    """A required text. Errors: BadRequest."""
    value = arguments.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 256 or not value.isprintable():
        raise BadRequest(f"the request needs {name!r}: a text of at most 256 characters, all printable")
    return value


def absolute_path(arguments: Mapping[str, Any], name: str) -> Path:
    """A required path that means the same whoever reads it. Errors: BadRequest."""
    value = arguments.get(name)
    if not isinstance(value, str) or len(value) > _LONGEST_PATH or "\0" in value or not Path(value).is_absolute():
        raise BadRequest(f"the request needs {name!r}: an absolute path")
    return Path(value)


def optional_text(arguments: Mapping[str, Any], name: str) -> str | None:
    """A text that may be absent or null. Errors: BadRequest."""
    return None if arguments.get(name) is None else text(arguments, name)


def flag(arguments: Mapping[str, Any], name: str) -> bool:
    """A yes or no; absent or null is no. Errors: BadRequest."""
    value = arguments.get(name)
    if not isinstance(value, bool | None):
        raise BadRequest(f"{name} must be true or false")
    return value is True


def log_query(arguments: Mapping[str, Any]) -> LogQuery:
    """Which runs are wanted: job, run, states, since, until, limit, each of them optional. Errors: BadRequest."""
    return LogQuery(
        job=optional_text(arguments, "job"),
        key=optional_text(arguments, "run"),
        states=_states(arguments.get("states") or []),
        since=optional_instant(arguments, "since"),
        until=optional_instant(arguments, "until"),
        limit=limit_of(arguments),
    )


def limit_of(arguments: Mapping[str, Any]) -> int:
    """How many are wanted at most. Errors: BadRequest."""
    limit = arguments.get("limit", 100)
    if type(limit) is not int or not 0 < limit <= MAX_RUNS:
        raise BadRequest(f"limit must be a number from 1 to {MAX_RUNS}")
    return limit


def _states(wanted: Any) -> tuple[str, ...]:
    if not isinstance(wanted, list):
        raise BadRequest("states must be a list")
    for state in wanted:
        if state not in list(RunState):
            raise BadRequest(f"no state {str(state)[:64]!r}{did_you_mean(str(state)[:64], RunState)}")
    return tuple(wanted)


def optional_instant(arguments: Mapping[str, Any], name: str) -> datetime | None:
    """An instant that may be absent or null. Errors: BadRequest."""
    value = optional_text(arguments, name)
    try:
        return None if value is None else parse_instant(value)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from error
