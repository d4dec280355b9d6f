"""Checks the arguments of requests, which come as arbitrary JSON from the socket or the command line."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rae_auto.api.store import LogQuery
from rae_auto.errors import BadRequest
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.reasons.requesters import MAX_CLIENT_CHARACTERS, RequestWay
from rae_auto.records.query_checks import check_limit, check_states

if TYPE_CHECKING:
    from rae_auto.model.primitives.local_times import Direction

_MAX_PATH_CHARACTERS = 4096
_MAX_SECONDS = 100 * 365 * 86400
_MAX_TEXT_CHARACTERS = 256
_EXPECTED = {"job": "a job", "run": "a run"}


def text(arguments: Mapping[str, Any], name: str) -> str:
    """Return a required text. Errors: BadRequest."""
    value = arguments.get(name)
    if value == "":
        raise BadRequest(f"the request needs {quote(name)}, and it is empty; name {_EXPECTED.get(name, 'one')}")
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT_CHARACTERS or not value.isprintable():
        raise BadRequest(f"the request needs {quote(name)}: at most {_MAX_TEXT_CHARACTERS} printable characters")
    return value


def job_names(arguments: Mapping[str, Any], every: Sequence[str]) -> list[str]:
    """Return the jobs that a request names as `job`, or as `jobs`: a list, or "all" for `every`. Errors: BadRequest."""
    jobs = arguments.get("jobs")
    if jobs is None:
        return [text(arguments, "job")]
    if jobs == "all":
        return list(every)
    if not isinstance(jobs, list) or not jobs:
        raise BadRequest('"jobs" must be a list of names, or "all"')
    return list(dict.fromkeys(text({"job": job}, "job") for job in jobs))


def absolute_path(arguments: Mapping[str, Any], name: str) -> Path:
    """Return a required absolute path. Errors: BadRequest."""
    value = arguments.get(name)
    if (
        not isinstance(value, str)
        or len(value) > _MAX_PATH_CHARACTERS
        or "\0" in value
        or not Path(value).is_absolute()
    ):
        raise BadRequest(f"the request needs {quote(name)}: an absolute path")
    return Path(value)


def optional_text(arguments: Mapping[str, Any], name: str) -> str | None:
    """Return a text, or None if it is absent or null. Errors: BadRequest."""
    return None if arguments.get(name) is None else text(arguments, name)


def flag(arguments: Mapping[str, Any], name: str) -> bool:
    """Return a boolean; absent or null counts as false. Errors: BadRequest."""
    value = arguments.get(name)
    if not isinstance(value, bool | None):
        raise BadRequest(f"{quote(name)} must be true or false")
    return value is True


def request_way(arguments: Mapping[str, Any]) -> RequestWay:
    """Return the way by which a request comes, as the program states it. Errors: BadRequest."""
    via = arguments.get("via", RequestWay.SOCKET)
    if via not in list(RequestWay):
        raise BadRequest(f'"via" must be one of {", ".join(RequestWay)}')
    return RequestWay(via)


def client_name(arguments: Mapping[str, Any]) -> str:
    """Return the name that a program gives itself, "" if none. Errors: BadRequest."""
    name = arguments.get("client") or ""
    if not isinstance(name, str) or len(name) > MAX_CLIENT_CHARACTERS or not name.isprintable():
        raise BadRequest(f'"client" must be at most {MAX_CLIENT_CHARACTERS} printable characters')
    return name


def optional_seconds(arguments: Mapping[str, Any], name: str) -> float | None:
    """Return a duration in seconds, or None if it is absent or null. Errors: BadRequest."""
    value = arguments.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= _MAX_SECONDS:
        raise BadRequest(f"{quote(name)} must be a number of seconds")
    return float(value)


def log_query(arguments: Mapping[str, Any], zone: ZoneInfo) -> LogQuery:
    """Return a query for runs: job, run, states, since, until and limit, all optional. Errors: BadRequest."""
    return LogQuery(
        job=optional_text(arguments, "job"),
        key=optional_text(arguments, "run"),
        states=check_states(arguments.get("states") or []),
        since=optional_instant(arguments, "since", zone),
        until=optional_instant(arguments, "until", zone),
        limit=limit_of(arguments),
    )


def limit_of(arguments: Mapping[str, Any]) -> int:
    """Return the number of records to return at most. Errors: BadRequest."""
    return check_limit(arguments.get("limit", 100))


def optional_instant(
    arguments: Mapping[str, Any], name: str, zone: ZoneInfo, direction: "Direction | None" = None
) -> datetime | None:
    """Return an instant, or None if it is absent or null. Errors: BadRequest.

    A time without an offset is in `zone`, and one without a day is the nearest in the `direction`, by default the
    past. People name a `since` of the past; an exact instant comes from a program, whose span may be one of a
    calendar, yet to come.
    """
    value, now = optional_text(arguments, name), datetime.now(UTC)
    if value is None:
        return None
    from rae_auto.model.primitives.local_times import Direction, parse_local_time, parse_past_time  # lazy: memory

    try:
        if name == "since" and not _is_exact(value):
            return parse_past_time(value, zone, now).instants[0]
        return parse_local_time(value, zone, now, direction or Direction.PAST).instants[0]
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from error


def _is_exact(value: str) -> bool:
    """Return whether a text is an instant with an offset, as programs write it."""
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
