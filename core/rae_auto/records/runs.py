"""Runs as they are listed and named: open ones and those of the history together, by their ids or the begin of them.

The id of a run is a ULID, which begins with the time of queueing. So the runs whose ids begin alike are those of a span
of time, and a store finds them without knowing of prefixes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import chain

from attrs import evolve

from rae_auto.api.store import LogQuery
from rae_auto.errors import BadRequest, RunNotFound
from rae_auto.model.decision import ULID_ALPHABET, ULID_TIME_CHARACTERS, Decision, queue_time_of
from rae_auto.model.primitives.formatting import quote
from rae_auto.model.run import Run

_ID_CHARACTERS = 26
_MIN_PREFIX_CHARACTERS = 6
_PREFIX = re.compile(rf"[0-7][{ULID_ALPHABET}]{{{_MIN_PREFIX_CHARACTERS - 1},{_ID_CHARACTERS - 1}}}")
_MAX_NAMED_RUNS = 3
_MAX_RUNS_PER_PREFIX = 10_000


def query_for_id(text: str) -> LogQuery:
    """Return the query that finds the run of an id, and among others those whose ids begin with it."""
    if len(text) >= _ID_CHARACTERS or _PREFIX.fullmatch(text.upper()) is None:
        return LogQuery(key=text, limit=1)
    first, last = (queue_time_of(text.upper().ljust(ULID_TIME_CHARACTERS, filler)) for filler in "0Z")
    return LogQuery(since=first, until=last + timedelta(milliseconds=1), limit=_MAX_RUNS_PER_PREFIX)


def choose_run(text: str, found: Sequence[Run]) -> Run:
    """Return the run that an id, or the begin of one, names. Errors: RunNotFound, BadRequest if there are several."""
    matching = [run for run in found if run.id == text] or [run for run in found if run.id.startswith(text.upper())]
    if not matching:
        raise RunNotFound(f"no run {quote(text)}; 'rae-auto history' lists them")
    if len(matching) > 1:
        ids = ", ".join(run.id for run in matching[:_MAX_NAMED_RUNS])
        more = " and others" if len(matching) > _MAX_NAMED_RUNS else ""
        raise BadRequest(f"run {quote(text)} may be {ids}{more}; write more of the id")
    return matching[0]


def query_for_each_id(query: LogQuery, ids_of: Callable[[str], Sequence[str]]) -> list[LogQuery]:
    """Return the queries for all ids that the job of a query has had."""
    return [query] if query.job is None else [evolve(query, job=job) for job in ids_of(query.job)]


def merge_newest_of_all(query: LogQuery, found: Sequence[Sequence[Run]]) -> list[Run]:
    """Return the runs of several answers together, newest first."""
    merged = sorted(chain.from_iterable(found), key=lambda run: (run.queued_at, run.id), reverse=True)
    return merged[: query.limit]


def merge_newest_decisions(query: LogQuery, found: Iterable[Sequence[Decision]]) -> list[Decision]:
    """Return the decisions of several answers together, newest first."""
    merged = sorted(chain.from_iterable(found), key=lambda decision: decision.decided_at, reverse=True)
    return merged[: query.limit]


def merge_newest(query: LogQuery, opened: Sequence[Run], past: Sequence[Run]) -> list[Run]:
    """Return the open runs that match, together with past runs, newest first."""
    known = {run.id for run in past}
    wanted = [r for r in opened if r.id not in known and query.matches(r.id, r.job, r.state, r.queued_at)]
    return sorted([*past, *wanted], key=lambda run: (run.queued_at, run.id), reverse=True)[: query.limit]


def find_pid(run: Run, node: str | None) -> int | None:
    """Return the process of a run on the machine of a node; None if its executor names none, or it runs elsewhere."""
    pid = (run.handle or {}).get("pid")
    return pid if run.node in ("", node) and isinstance(pid, int) and pid > 0 else None
