"""Conversion of values to JSON documents and back, for stores and the control socket.

Defaults are omitted, so that ten thousand jobs stay small. `schemas/scheduler/job.json` describes the documents.
"""

import json
import marshal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache, partial
from operator import eq
from typing import Any, Generic, TypeVar, get_args

from cattrs import Converter
from cattrs.gen import make_dict_structure_fn

from rae_auto.model.job import Job
from rae_auto.model.job_state import Cursor, JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.plugin_ref import TriggerRef
from rae_auto.model.policies import IoPriority, Priority
from rae_auto.model.primitives.evolving.conversion import is_convertible, make_dump, make_load
from rae_auto.model.primitives.evolving.sharing import MAX_SHARED_VALUES, SharedValues
from rae_auto.model.primitives.evolving.templates import Templates
from rae_auto.model.primitives.instants import format_instant, parse_instant
from rae_auto.model.primitives.names import digest
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.model.reasons import REASONS, CaughtUp, Due, Fired, Manual, ReasonBase
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run import Run, RunState

T = TypeVar("T")

JOB = "job"
STATE = "state"
RUN = "run"
SEEN = "seen"
NOTICE = "notice"
DOWNTIME = "downtime"
"""Kinds of documents: jobs from the API, states of jobs, open runs, occurrences already decided, notices to deliver,
and the last time in which no daemon ran."""

KINDS = (JOB, STATE, RUN, SEEN, NOTICE, DOWNTIME)

DOWNTIME_KEY = "last"
"""The key of the only downtime that is stored."""

RUNS = "runs"
DECISIONS = "decisions"
EVENTS = "events"
"""Logs: finished runs, decisions, recorded events (with the event name as job and state of the entry)."""


@lru_cache(maxsize=1)
def _converter() -> Converter:
    converter = Converter(omit_if_default=True)
    converter.register_structure_hook_factory(is_convertible, lambda cls: _make_load(converter, cls))
    converter.register_unstructure_hook_factory(is_convertible, lambda cls: make_dump(cls, converter, _is_reason))
    converter.register_unstructure_hook(datetime, format_instant)
    # Cached because a thousand jobs may have been added at one instant.
    instant_of = lru_cache(maxsize=256)(parse_instant)
    converter.register_structure_hook(datetime, lambda text, _: instant_of(text))
    converter.register_unstructure_hook(timedelta, format_duration)
    converter.register_structure_hook(timedelta, lambda text, _: parse_duration(text))
    converter.register_unstructure_hook(Priority, lambda priority: priority.name.lower())
    converter.register_structure_hook(Priority, lambda name, _: Priority[name.upper()])
    converter.register_unstructure_hook_func(_is_reason, lambda reason: _dump_reason(converter, reason))
    converter.register_structure_hook_factory(_is_reason, lambda annotation: _make_load_reason(converter, annotation))
    # cattrs can't choose between a number and a text; the validator of the field checks the value.
    converter.register_structure_hook(IoPriority | None, lambda value, _: value)
    # Jobs that are alike share their triggers.
    converter.register_structure_hook_func(partial(eq, Mapping[str, Cursor]), _make_cursors_hook(instant_of, converter))
    for kind in (tuple[TriggerRef, ...], tuple[str, ...], Requester):
        share = _share(converter.get_structure_hook(kind))
        converter.register_structure_hook_func(partial(eq, kind), share)
    return converter


def _make_load(converter: Converter, cls: Any) -> Callable[[Any, Any], Any]:
    return make_load(cls, converter, lambda: make_dict_structure_fn(cls, converter))


def _share(structure: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a hook that makes one value of equal documents."""
    known: SharedValues[Any] = SharedValues()
    return lambda document, kind: known.get(_notation(document), lambda: structure(document, kind))


def _notation(document: Any) -> bytes:
    """Return bytes that equal documents have in common; they distinguish 1, 1.0 and True, which are equal."""
    # The oldest version: later ones depend on which objects a document has twice. It takes half of the time of `repr`.
    try:
        return marshal.dumps(document, 0)
    except ValueError:
        # It was never JSON, and has members of enumerations, which are texts.
        return repr(document).encode()


def _make_cursors_hook(
    instant_of: Callable[[str], datetime], converter: Converter
) -> Callable[[Any, Any], dict[str, Cursor]]:
    """Return a hook for cursors, which share the ids of triggers and the digests of schedules."""
    cursor_of = converter.get_structure_hook(Cursor)

    @lru_cache(maxsize=MAX_SHARED_VALUES)
    def make_plain(trigger: str, at: str, schedule: str, since: str) -> dict[str, Cursor]:
        return {sys.intern(trigger): Cursor(instant_of(at), sys.intern(schedule), instant_of(since))}

    def structure_cursors(document: Any, _: Any) -> dict[str, Cursor]:
        if len(document) == 1:
            ((trigger, one),) = document.items()
            if one.keys() == _PLAIN_CURSOR:
                # As most are; jobs that are alike share them.
                return make_plain(trigger, one["at"], one["schedule"], one["since"])
        return {
            sys.intern(trigger): cursor_of({**cursor, "schedule": sys.intern(cursor["schedule"])}, Cursor)
            for trigger, cursor in document.items()
        }

    return structure_cursors


_PLAIN_CURSOR = {"at", "schedule", "since"}


def _is_reason(annotation: Any) -> bool:
    """Return whether a type is a union of reasons, optional or not."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    return bool(members) and all(isinstance(member, type) and issubclass(member, ReasonBase) for member in members)


def _dump_reason(converter: Converter, reason: ReasonBase | None) -> Any:
    """Return the code of a reason without facts, else an object with the code and the facts."""
    if reason is None:
        return None
    facts = converter.unstructure(reason, unstructure_as=type(reason))
    return {"code": reason.code, **facts} if facts else reason.code


def _make_load_reason(converter: Converter, annotation: Any) -> Callable[[Any, Any], ReasonBase | None]:
    """Return a hook for a union of reasons."""
    kinds = [kind for kind in get_args(annotation) if kind is not type(None)]

    def load_reason(document: Any, _: Any) -> ReasonBase | None:
        if document is None:
            return None
        if len(kinds) == 1 and isinstance(document, Mapping) and "code" not in document:
            # As it was written for some time, where only one reason is possible.
            only: ReasonBase = converter.structure(document, kinds[0])
            return only
        code = reason_code(document)
        if code not in REASONS:
            raise ValueError(f"unknown reason {code!r}")
        facts = {} if isinstance(document, str) else {name: value for name, value in document.items() if name != "code"}
        return converter.structure(facts, REASONS[code])

    return load_reason


def reason_code(document: Any) -> str:
    """Return the code of a reason in a document."""
    return document if isinstance(document, str) else str(document["code"])


_LOST, _CAUGHT_UP = RunState.LOST.value, CaughtUp.code

_instant_of = datetime.fromisoformat


def times_of(run: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Return the seconds of `Run.duration` of the document of a run, and by how many it started late.

    The latter are None also for a run that was caught up; both where the document is that of another program.
    """
    try:
        if (began := run.get("started_at")) is None:
            return None, None
        cause = run["cause"]
        code = cause if type(cause) is str else cause["code"]
        ended = None if run.get("state") == _LOST else run.get("finished_at")
        for attempt in run.get("attempts", ()):
            if attempt["state"] == _LOST and attempt.get("result") is None:
                ended = None
        steps = run.get("clock_steps")
        stepped = sum(float(step["seconds"]) for step in steps) if steps else 0.0
        return times_between(run["scheduled_for"], code, began, ended, stepped)
    except (TypeError, KeyError, ValueError):
        return None, None


def times_between(
    due: str, cause: str, began: str, ended: str | None, stepped: float = 0.0
) -> tuple[float | None, float | None]:
    """Return what `times_of` does, of instants as they are written, and the code of the cause.

    `ended` is None if the end isn't known; the wall clock was set by `stepped` seconds meanwhile. Errors: TypeError,
    ValueError.
    """
    first = _instant_of(began)
    if first.tzinfo is None:
        return None, None
    duration = lateness = None
    # A clock that was set back in between would make them negative.
    if cause != _CAUGHT_UP and (lateness := (first - _instant_of(due)).total_seconds()) < 0.0:
        lateness = 0.0
    if ended is not None and (duration := (_instant_of(ended) - first).total_seconds() - stepped) < 0.0:
        duration = 0.0
    return duration, lateness


def duration_of(run: Mapping[str, Any]) -> float | None:
    """Return the seconds of `Run.duration` of the document of a run, read without making a value of it.

    None also where the document is that of another program.
    """
    return times_of(run)[0]


def prepare_runs() -> None:
    """Make what the documents of runs are made with, which takes some ten milliseconds, before the first run is due."""
    for kind in (Run, JobState, SeenOccurrence, Due, Fired, Manual):
        _converter().get_unstructure_hook(kind)


def dump(value: object) -> dict[str, Any]:
    """Return the JSON document of a value of the model."""
    cls: Any = type(value)
    document: dict[str, Any] = _hook_of(cls)(value)
    return document


@cache
def _hook_of(cls: Any) -> Callable[[Any], Any]:
    return _converter().get_unstructure_hook(cls)


def load(cls: type[T], document: Mapping[str, Any]) -> T:
    """Return the value of a document of `dump`. Raises errors of cattrs for any other document."""
    return _converter().structure(document, cls)


Packed = Mapping[str, Any] | bytes
"""A document, or its JSON in UTF-8."""

_OF_A_RUN = b'"last_run":'
"""Stands in the state of a job that has run, which is like no other."""


class DocumentReader(Generic[T]):
    """Makes the values of documents of one class, some at a time."""

    def __init__(self, cls: type[T]) -> None:
        self._cls, self._structure = cls, _converter().get_structure_hook(cls)
        self._templates = Templates(cls, *_ALIKE[cls]) if cls in _ALIKE else None

    def read(self, some: Sequence[tuple[str, Packed]]) -> list[T | Exception]:
        """Return the value of each of some documents, which come by their keys; the error of one that has none."""
        templates = self._templates
        if templates is None:
            return [self._load(document) for document in _parse([packed for _, packed in some])]
        values: list[Any] = templates.find_all(some)
        left = [place for place, value in enumerate(values) if value is None]
        for place, document in zip(left, _parse([some[place][1] for place in left]), strict=True):
            key, packed = some[place]
            values[place] = value = self._load(document)
            if isinstance(packed, bytes) and not isinstance(document, bytes) and not isinstance(value, Exception):
                templates.learn(key, packed, document, value)
        return values

    def _load(self, packed: Packed) -> T | Exception:
        try:
            value: T = self._structure(json.loads(packed) if isinstance(packed, bytes) else packed, self._cls)
            return value
        except Exception as error:  # a document that only looks like one of ours
            return error


def _parse(packed: Sequence[Packed]) -> Sequence[Packed]:
    """Return documents parsed at once, in half of the time; as they are if one of them is no JSON."""
    texts = [one for one in packed if isinstance(one, bytes)]
    if not texts:
        return packed
    try:
        parsed = json.loads(b"[%b]" % b",".join(texts))
    except ValueError:
        return packed
    if len(parsed) != len(texts):
        # Some are JSON together that are none by themselves.
        return packed
    found = iter(parsed)
    return [next(found) if isinstance(one, bytes) else one for one in packed]


def parse_all(packed: Sequence[Packed]) -> list[Mapping[str, Any]]:
    """Return documents of which some are given as JSON. Errors: ValueError if one of these is none."""
    parsed = iter(json.loads(b"[%b]" % b",".join([one for one in packed if isinstance(one, bytes)])))
    return [next(parsed) if isinstance(one, bytes) else one for one in packed]


def _has_fixed_arguments(job: Any) -> bool:
    """Return whether no function that a job calls can change the arguments that it gets."""
    return not any(isinstance(value, list | dict) for value in (*job.args, *job.kwargs.values()))


def _never_ran(state: Any) -> bool:
    """Return whether a job has had no run, whose time and result are its own."""
    return state.last_run is None


_ALIKE: Mapping[type, tuple[Any, ...]] = {
    Job: (("id", "name"), _has_fixed_arguments),
    JobState: (("job",), _never_ran, _OF_A_RUN),
}
"""Classes whose documents are often alike: the arguments of their `Templates`."""


def document_key(value: Job | JobState | Run | SeenOccurrence | OutboxNotice | Downtime) -> tuple[str, str]:
    """Return the kind and key under which a value is stored."""
    match value:
        case Run():
            return RUN, value.id
        case JobState():
            return STATE, value.job
        case Job():
            return JOB, value.id
        case OutboxNotice():
            return NOTICE, value.key
        case Downtime():
            return DOWNTIME, DOWNTIME_KEY
        case SeenOccurrence():
            # The key of a source can be long and contain any character.
            occurrence = digest(f"{value.trigger}\0{value.key}", 12).hex()
            return SEEN, f"{value.job}/{occurrence}"
