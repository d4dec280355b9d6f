"""Recorded events in a store: read, named, deleted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.api.events import RUN_ENDED, Event, end_of, is_named
from rae_auto.api.store import LogQuery, RetentionRule, Store, StoreReader
from rae_auto.errors import BadRequest
from rae_auto.model import documents
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.names import EVENT_NAME
from rae_auto.model.primitives.problems import Invalid, ProblemCollector
from rae_auto.model.run import Run, RunState
from rae_auto.records.entries import load_entries

MAX_EVENTS_READ = 100_000
"""Number of recorded events that are read at once."""

_FOREVER = datetime.max.replace(tzinfo=UTC)
_MAX_PATTERN_LENGTH = 256
_CLOCKS_DIFFER = timedelta(minutes=1)

_MAX_NAMES_PER_QUERY = 500
"""Number of names in one query of a store."""


def read_events(
    store: StoreReader,
    names: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = MAX_EVENTS_READ,
    ends: bool = True,
) -> list[Event]:
    """Return recorded events of an open store, as `EventRecorder.list` does."""
    recordable = [name for name in names if not name.startswith(RUN_ENDED)]
    found = _newest(store, recordable, LogQuery(since=since, until=until, limit=limit)) if recordable else []
    states = tuple(state for state in RunState if state.final and is_named(f"{RUN_ENDED}{state.value}", names))
    if ends and states:
        query = LogQuery(states=states, since=since, until=until, limit=limit, by_end=True)
        found += [end_of(run) for run in load_entries(Run, store.query(documents.RUNS, query))]
    return sorted(found, key=lambda event: (event.at, event.id))[-limit:]


def _newest(store: StoreReader, names: Sequence[str], query: LogQuery) -> list[Event]:
    """Return the newest events of these names, up to the query's limit."""
    if all(EVENT_NAME.fullmatch(name) for name in names):
        query = evolve(query, states=tuple(names))
    look_at = query.limit
    while True:
        bodies = store.query(documents.EVENTS, evolve(query, limit=look_at))
        wanted = [body for body in bodies if is_named(body["name"], names)]
        if len(wanted) >= query.limit or len(bodies) < look_at or look_at >= MAX_EVENTS_READ:
            return [documents.load(Event, body) for body in wanted[: query.limit]]
        look_at = min(look_at * 8, MAX_EVENTS_READ)


def delete_events_in(store: Store, names: Sequence[str], before: datetime | None) -> int:
    """Delete recorded events of an open store, as `EventRecorder.delete` does; return how many there were."""
    count = 0
    for keep in deletion_rules(store, names, before):
        while gone := prune(store, keep):
            count += len(gone)
    store.scrub()
    return count


def deletion_rules(store: StoreReader, names: Sequence[str], before: datetime | None) -> list[RetentionRule]:
    """Return rules that retain no recorded events of these names."""
    since, newest = before or _FOREVER, 1 << 40
    if "*" in names:
        return [RetentionRule(since=since, newest=newest)]
    known = {name for name in names if EVENT_NAME.fullmatch(name)}
    if len(known) < len(names):
        known |= {body["name"] for body in store.query(documents.EVENTS, LogQuery(limit=MAX_EVENTS_READ))}
    wanted = sorted(name for name in known if is_named(name, names))
    return [
        RetentionRule(states=tuple(wanted[first : first + _MAX_NAMES_PER_QUERY]), since=since, newest=newest)
        for first in range(0, len(wanted), _MAX_NAMES_PER_QUERY)
    ]


def prune(store: Store, keep: RetentionRule) -> Sequence[str]:
    return store.prune(documents.EVENTS, keep)


def parse_event_patterns(given: Any) -> tuple[str, ...]:
    """Return patterns of event names (`*` stands for any text) from one, or from a list. Errors: BadRequest."""
    patterns = [given] if isinstance(given, str) else given
    if not isinstance(patterns, list | tuple) or not patterns:
        raise BadRequest("names must be a list of event names; '*' matches any text")
    for pattern in patterns:
        if not isinstance(pattern, str) or not 0 < len(pattern) <= _MAX_PATTERN_LENGTH:
            raise BadRequest(f"event names must be text of at most {_MAX_PATTERN_LENGTH} characters")
    return tuple(patterns)


def deletable_patterns(given: Any) -> tuple[str, ...]:
    """Return the same for events that can be deleted. Raises BadRequest."""
    patterns = parse_event_patterns(given)
    for pattern in patterns:
        if pattern.startswith(RUN_ENDED):
            hint = "[history] in rae.toml says how long it is kept"
            raise BadRequest(f"{quote(pattern[:64])}: ends of runs belong to the history; {hint}")
    return patterns


def event_as_json(event: Event) -> dict[str, Any]:
    """Return an event as JSON for programs."""
    return {"id": event.id, "name": event.name, "at": event.at.isoformat(), "data": dict(event.data)}


def check_not_in_future(at: datetime | None, now: datetime) -> datetime | None:
    """Return the instant of an event after checking that it isn't in the future. Raises BadRequest."""
    try:
        if at is not None and as_utc(at) > now + _CLOCKS_DIFFER:
            raise ValueError(f"{at.isoformat()} is in the future")
    except ValueError as error:
        raise BadRequest(f"at: {error}") from None
    return at


def check_event(event: Any) -> Mapping[str, Any] | None:
    """Return an event that every store can keep: None or a JSON object. Raises BadRequest."""
    if event is None:
        return None
    if not isinstance(event, Mapping):
        raise BadRequest("the event must be a JSON object")
    findings = ProblemCollector()
    try:
        kept = plain(dict(event), findings)
        findings.raise_if_any()
    except Invalid as error:
        raise BadRequest(f"the event: {error}") from None
    return kept
