"""Scripts as files: one JSON object a line, or one array of them; what a daemon has recorded comes in the same form.

{"at": "2026-10-25T08:00:00+02:00", "name": "shell.command", "data": {"program": "git"}}     a recorded event
{"at": …, "job": "import", "trigger": "inbox", "event": {"paths": ["/inbox/a"]}}             an occurrence of a source
{"at": …, "guard": "power", "verdict": "no", "reason": "on battery"}   the result of a guard from then on (or "job": …)
"""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rae_auto.api.events import Event
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult, Verdict
from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.instants import as_utc
from rae_auto.model.primitives.names import JobId, did_you_mean
from rae_auto.simulation.script import Script, ScriptedGuardResult

Instant = Callable[[str], datetime]
"""Reads a time as a person writes it. Raises ValueError."""

_KEYS = {
    "name": {"at", "name", "data", "id"},
    "trigger": {"at", "job", "trigger", "key", "event"},
    "guard": {"at", "job", "guard", "verdict", "reason"},
}


def read_script(text: str, place: str, instant: Instant) -> Script:
    """Parse the text of a script. Raises ValueError, one line `PLACE:LINE: problem`."""
    events: list[Event] = []
    occurrences: list[Occurrence] = []
    turns: list[ScriptedGuardResult] = []
    for number, given in _objects(text, place):
        try:
            match _parse_event(number, given, instant):
                case Event() as event:
                    events.append(event)
                case Occurrence() as occurrence:
                    occurrences.append(occurrence)
                case turn:
                    turns.append(turn)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{place}:{number}: {error}") from None
    return Script(_in_order(events), _in_order(occurrences), _in_order(turns))


def _in_order(events: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(events, key=lambda one: one.at))


def _objects(text: str, place: str) -> Iterator[tuple[int, Any]]:
    """Yield the objects with their lines, or those of an array with their numbers."""
    if text.lstrip().startswith("["):
        try:
            yield from enumerate(json.loads(text), 1)
        except ValueError as error:
            raise ValueError(f"{place}: is not valid JSON ({error})") from None
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError):
                raise ValueError(f"{place}:{number}: is not a line of JSON") from None


def _parse_event(number: int, given: Any, instant: Instant) -> Event | Occurrence | ScriptedGuardResult:
    if not isinstance(given, dict):
        raise ValueError("must be an object")
    kind = next((kind for kind in _KEYS if kind in given), None)
    if kind is None:
        raise ValueError('must have "name" (a recorded event), "trigger" (an occurrence of a source) or "guard"')
    for key in given.keys() - _KEYS[kind]:
        raise ValueError(f"unknown key {key[:64]!r}{did_you_mean(key[:64], _KEYS[kind])}")
    at = as_utc(instant(_text(given, "at")))
    match kind:
        case "name":
            return Event(str(given.get("id", f"line-{number}")), _text(given, "name"), at, _object(given, "data"))
        case "trigger":
            key = str(given.get("key", f"line-{number}"))
            return Occurrence(JobId(_text(given, "job")), _text(given, "trigger"), key, at, _object(given, "event"))
    job = JobId(_text(given, "job")) if "job" in given else None
    return ScriptedGuardResult(
        at, job, _text(given, "guard"), parse_verdict(_text(given, "verdict"), given.get("reason"))
    )


def parse_verdict(word: str, reason: Any = None) -> GuardResult:
    """Return the result for the word of a verdict, by default with the reason of a file. Raises ValueError."""
    if word not in list(Verdict):
        raise ValueError(f"unknown verdict {quote_short(word)}; write yes, no or unknown")
    return GuardResult(Verdict(word), str(reason or "as given with --events"))


def parse_guard_answer(text: str, guards: Collection[tuple[JobId, str]]) -> ScriptedGuardResult:
    """Parse "GUARD=ANSWER" or "JOB.GUARD=ANSWER", the result of one of these guards in the whole time.

    Raises ValueError that begins with the text in quotes.
    """
    name, equals, answer = text.partition("=")
    job, dot, guard = name.rpartition(".")
    if not equals:
        raise ValueError(f"{quote_short(text)} must be GUARD=ANSWER or JOB.GUARD=ANSWER, as in power=no")
    if not any(guard == other and job in ("", of) for of, other in guards):
        names = {name for of, other in guards for name in (other, f"{of}.{other}")}
        hint = did_you_mean(name[:64], sorted(names))
        raise ValueError(f"{quote_short(name)}: no job has this guard, or its result is computed{hint}")
    try:
        result = parse_verdict(answer, "as given with --guard")
    except ValueError as error:
        raise ValueError(f"{name[:64]}: {error}") from None
    return ScriptedGuardResult(datetime.min.replace(tzinfo=UTC), JobId(job) if dot else None, guard, result)


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f'"{name}" must be text')
    return value


def _object(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = given.get(name) or {}
    if not isinstance(value, dict):
        raise ValueError(f'"{name}" must be an object')
    return value
