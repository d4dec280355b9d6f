"""Recorded events in a store: read, named, deleted."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve

from rae_auto.api.events import RUN_ENDED, Event, end_of, is_named
from rae_auto.api.store import Document, LogQuery, RetentionRule, Store, StoreReader
from rae_auto.errors import BadRequest
from rae_auto.model import documents
from rae_auto.model.primitives.instants import as_utc, parse_instant
from rae_auto.model.primitives.json_values import plain
from rae_auto.model.primitives.names import EVENT_NAME
from rae_auto.model.primitives.problems import Invalid, ProblemCollector
from rae_auto.model.run import Run, RunState

MAX_EVENTS_READ = 100_000
"""Number of recorded events that are read at once."""

_FOREVER = datetime.max.replace(tzinfo=UTC)
_MAX_PATTERN_LENGTH = 256
_CLOCKS_DIFFER = timedelta(minutes=1)

_PAGE_RUNS = 5_000
"""Number of runs that are read at once."""

_MAX_OLDER_RUNS = 10_000
"""Number of runs that are searched for ends after a time, of those that were queued before it; all later ones are."""

_MIN_RUNS_READ = 1_000
"""And at least: the last to end need not be the last that were queued."""

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
    """As `EventRecorder.recorded`, of an open store."""
    recordable = [name for name in names if not name.startswith(RUN_ENDED)]
    found = _newest(store, recordable, LogQuery(since=since, until=until, limit=limit)) if recordable else []
    states = tuple(state for state in RunState if state.final and is_named(f"{RUN_ENDED}{state.value}", names))
    if ends and states:
        if since is None:
            query = LogQuery(states=states, limit=min(max(limit, _MIN_RUNS_READ), _MAX_OLDER_RUNS))
            bodies: Iterable[Document] = store.query(documents.RUNS, query)
        else:
            bodies = _iter_runs_ended_since(store, states, since)
        ended = [end_of(documents.load(Run, body)) for body in bodies]
        found += [event for event in ended if until is None or event.at <= until]
    return sorted(found, key=lambda event: (event.at, event.id))[-limit:]


def _iter_runs_ended_since(store: StoreReader, states: tuple[str, ...], since: datetime) -> Iterator[Document]:
    """Yield the runs that ended since a time, whose log is in the order of their queueing.

    They are all among those that were queued since then, and those that were open then, however many came after them.
    """
    query, known, older = LogQuery(states=states, limit=_PAGE_RUNS), set[str](), 0
    while older < _MAX_OLDER_RUNS:
        bodies = store.query(documents.RUNS, query)
        page = [body for body in bodies if body["id"] not in known]
        yield from (body for body in page if parse_instant(body["finished_at"]) >= since)
        if len(bodies) < query.limit:
            return
        older += sum(parse_instant(body["queued_at"]) < since for body in page)
        # Those of the last instant of the page come again, and where that is all of them the page was too small.
        last = parse_instant(bodies[-1]["queued_at"])
        known = {body["id"] for body in bodies if parse_instant(body["queued_at"]) == last}
        query = evolve(query, until=last, limit=len(known) + _PAGE_RUNS)


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
    """As `EventRecorder.forget`, of an open store."""
    count = 0
    for keep in deletion_rules(store, names, before):
        while gone := prune(store, keep):
            count += len(gone)
    store.scrub()
    return count


def deletion_rules(store: StoreReader, names: Sequence[str], before: datetime | None) -> list[RetentionRule]:
    """Rules by which all recorded events of these names go."""
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
    """Names of events, in which `*` stands for any text: one, or a list. Errors: BadRequest."""
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
            raise BadRequest(
                f"{pattern[:64]!r}: ends of runs belong to the history; [history] in rae.toml says how long it is kept"
            )
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
