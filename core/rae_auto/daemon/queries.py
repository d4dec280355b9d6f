"""Arguments of requests, checked: what comes over the socket or from the command line is anybody's text."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rae_auto.api.events import RUN_ENDED, Event
from rae_auto.api.store import LogQuery
from rae_auto.config.problems import Findings, Invalid
from rae_auto.config.reading import plain
from rae_auto.engine.words import in_words
from rae_auto.errors import BadRequest, InvalidJob
from rae_auto.model import documents
from rae_auto.model.decision import Decision
from rae_auto.model.instants import as_utc, parse_instant
from rae_auto.model.job import Job
from rae_auto.model.names import did_you_mean
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


def event_document(event: Any) -> Mapping[str, Any] | None:
    """An event such as every store can keep: null, or an object of JSON values. Errors: BadRequest."""
    if event is None:
        return None
    if not isinstance(event, Mapping):
        raise BadRequest("the event must be a JSON object")
    findings = Findings()
    try:
        kept = plain(dict(event), findings)
        findings.raise_if_any()
    except Invalid as error:
        raise BadRequest(f"the event: {error}") from None
    return kept


def check_keepable(job: Job) -> None:
    """Refuse a job that no store can keep, which a store itself would find out too late. Errors: InvalidJob."""
    try:
        json.dumps(documents.dump(job))
    except (TypeError, ValueError) as error:
        raise InvalidJob(f"job {job.id!r}: holds what no store can keep: {error}") from None


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


def event_patterns(given: Any) -> tuple[str, ...]:
    """Names of events, in which `*` stands for any text: one, or a list. Errors: BadRequest."""
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list | tuple) or not patterns:
        raise BadRequest("names must be a list of names of events; '*' stands for any text")
    for pattern in patterns:
        if not isinstance(pattern, str) or not 0 < len(pattern) <= _LONGEST_PATTERN:
            raise BadRequest(f"names must be texts of at most {_LONGEST_PATTERN} characters")
    return tuple(patterns)


def forgettable(given: Any) -> tuple[str, ...]:
    """The same, of events that can be forgotten. Errors: BadRequest."""
    patterns = event_patterns(given)
    for pattern in patterns:
        if pattern.startswith(RUN_ENDED):
            raise BadRequest(f"{pattern[:64]!r}: ends of runs are history, which [history] in rae.toml bounds")
    return patterns


def event_record(event: Event) -> dict[str, Any]:
    """An event as programs are told of it."""
    return {"id": event.id, "name": event.name, "at": event.at.isoformat(), "data": dict(event.data)}


def has_happened(at: datetime | None, now: datetime) -> datetime | None:
    """The instant of an event, which can't lie ahead: what comes later would seem to be old. Errors: BadRequest."""
    try:
        if at is not None and as_utc(at) > now + _CLOCKS_DIFFER:
            raise ValueError(f"{at.isoformat()} lies in the future")
    except ValueError as error:
        raise BadRequest(f"at: {error}") from None
    return at


def decision_event(decision: Decision) -> dict[str, Any]:
    """A decision as those who follow the daemon live are told of it."""
    return {
        "kind": "decision",
        "job": decision.job,
        "trigger": decision.trigger,
        "at": decision.at.isoformat(),
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "text": in_words(decision),
        "run_id": decision.run,
    }
