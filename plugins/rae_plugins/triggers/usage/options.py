"""Which options go with which pattern: one that would be ignored is refused instead."""

import re
from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any

from rae_auto.model.primitives.units import format_duration


class Pattern(StrEnum):
    """What is looked for."""

    COUNT = "count"
    ABSENCE = "absence"
    FIRST_OF_DAY = "first_of_day"
    IDLE = "idle"
    RETURN = "return"
    DURATION = "duration"
    STREAK = "streak"
    HABIT = "habit"
    SURGE = "surge"


class Source(StrEnum):
    """Where idle time, and the use of applications, are read."""

    PROCESS = "process"
    ACTIVITYWATCH = "activitywatch"
    IDLE = "idle"


_EVENTS = frozenset({"of", "where"})
_USE = frozenset({"application", "title", "not_afk"})
_SERVER = frozenset({"source", "url", "api_key"})

TAKES: Mapping[Pattern, frozenset[str]] = {
    Pattern.COUNT: _EVENTS | _USE | _SERVER | {"count", "within", "reset"},
    Pattern.ABSENCE: _EVENTS | _USE | _SERVER | {"for"},
    Pattern.FIRST_OF_DAY: _EVENTS | _USE | _SERVER | {"day_start"},
    Pattern.IDLE: _SERVER | {"for"},
    Pattern.RETURN: _SERVER | {"for"},
    Pattern.DURATION: _USE | _SERVER | {"for", "per", "within", "day_start"},
    Pattern.STREAK: _EVENTS | _USE | _SERVER | {"days", "reset", "day_start"},
    Pattern.HABIT: _EVENTS | _USE | _SERVER | {"probability", "warm_up", "lead", "dry_run", "day_start"},
    Pattern.SURGE: _EVENTS
    | _USE
    | _SERVER
    | {"count", "sigma", "factor", "warm_up", "cooldown", "dry_run", "day_start"},
}

NEEDS: Mapping[Pattern, tuple[str, ...]] = {
    Pattern.COUNT: ("count", "within"),
    Pattern.ABSENCE: ("for",),
    Pattern.IDLE: ("for",),
    Pattern.RETURN: ("for",),
    Pattern.DURATION: ("for",),
    Pattern.STREAK: ("days",),
}

_EVENT_NAMES = re.compile(r"(?=.{1,128}$)(?!gap$)[A-Za-z0-9_*-]+(\.[A-Za-z0-9_*-]+)*")
"""Those that an event may have, with `*` for any text; a gap is none that could count."""

_PERIODS = {"day": timedelta(days=1), "week": timedelta(weeks=1)}

_SPELLS = (Pattern.IDLE, Pattern.RETURN)


def check(pattern: Pattern, given: Mapping[str, Any]) -> None:
    """ValueError, one line, where the options that were given don't go with the pattern, or with each other."""
    quoted = f'pattern = "{pattern}"'
    for name in given:
        if name not in TAKES[pattern]:
            fitting = ", ".join(sorted(TAKES[pattern]))
            raise ValueError(f"'{name}' must be taken out: {quoted} has no use for it; it takes {fitting}")
    missing = [f"'{name}'" for name in NEEDS.get(pattern, ()) if name not in given]
    if missing:
        raise ValueError(f"{quoted} needs {' and '.join(missing)}; give {'them' if missing[1:] else 'it'}")
    if pattern not in _SPELLS:
        _check_what_counts(pattern, given)
    _check_source(pattern, given)
    _check_that_it_can_be(pattern, given)


def _check_what_counts(pattern: Pattern, given: Mapping[str, Any]) -> None:
    of_use = {"application", "title"} & given.keys()
    if "of" in given and of_use:
        raise ValueError(f"'{min(of_use)}' must be taken out, or 'of': only one of them can be what counts")
    if "of" not in given and not of_use:
        what = "'application'" if pattern is Pattern.DURATION else "'of', the name of an event or a trigger"
        raise ValueError(f"nothing counts; say what with {what}")
    if "where" in given and "of" not in given:
        raise ValueError("'where' must be taken out: it looks at the data of the events that 'of' names")
    if "within" in given and "per" in given:
        raise ValueError("'per' must be taken out: 'within' says over what time use adds up")


def _check_that_it_can_be(pattern: Pattern, given: Mapping[str, Any]) -> None:
    of = given.get("of")
    if isinstance(of, str) and not _EVENT_NAMES.fullmatch(of):
        raise ValueError(f"'of' must be the name of an event, such as door.opened or door.*, not {of!r:.80}")
    if pattern is Pattern.DURATION:
        most = given.get("within") or _PERIODS[given.get("per", "day")]
        if given["for"] > most:
            raise ValueError(f"'for' must be at most {format_duration(most)}: there is no more time to add up")


def _check_source(pattern: Pattern, given: Mapping[str, Any]) -> None:
    source = given.get("source")
    if "of" in given and (found := {*_SERVER, "not_afk"} & given.keys()):
        raise ValueError(f"'{min(found)}' must be taken out: it says where use is read, and 'of' says what counts")
    possible = (Source.IDLE, Source.ACTIVITYWATCH) if pattern in _SPELLS else (Source.PROCESS, Source.ACTIVITYWATCH)
    if source is not None and source not in possible:
        words = " or ".join(f'"{word}"' for word in possible)
        raise ValueError(f"'source' must be {words} for pattern = \"{pattern}\"")
    if source is not Source.ACTIVITYWATCH and (found := {"url", "api_key", "title"} & given.keys()):
        raise ValueError(f"'{min(found)}' must be taken out: only source = \"activitywatch\" has it")
