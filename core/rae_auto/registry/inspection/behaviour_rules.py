"""Rules over the behaviour of a plugin: the results of methods that are quick and have no side effects."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import evolve

from rae_auto.api.guard import ComputedGuard
from rae_auto.api.logger import Logger
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.registry.author_hints import find_author_hint
from rae_auto.registry.inspection.class_rules import place_of_code
from rae_auto.registry.inspection.finding import Mistake, place_of_error
from rae_auto.registry.inspection.purity import NEXT_INSTANTS, find_impurities
from rae_auto.registry.safe_guard import find_change_problem, find_verdict_problem
from rae_auto.registry.safe_logger import ask_handler
from rae_auto.registry.safe_schedule import find_instant_problem
from rae_auto.toolkit.summaries import MAX_SUMMARY_LENGTH
from rae_auto.toolkit.threads.time_limit import TookTooLong, call_within_seconds

PROBE_SECONDS = 2.0
"""Time that a method may take which should take milliseconds."""

INSTANTS = (datetime(2024, 2, 29, 12, tzinfo=UTC), datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC))


class _Failed(Exception):
    """A call that raised or hung."""


def behaviour_findings(plugin: Plugin, folder: Path | None) -> Iterator[Mistake]:
    """Yield what is wrong with the answers of a plugin."""
    yield from _lines(plugin, folder)
    if isinstance(plugin, ScheduleTrigger):
        yield from _next_after(plugin, folder)
    if isinstance(plugin, ComputedGuard):
        yield from _evaluate(plugin, folder)
    if isinstance(plugin, Logger):
        yield from _handler(plugin, folder)


def _call(rule: str, folder: Path | None, method: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a method returns. Raises _Failed with a finding."""
    name = f"{method.__name__}({', '.join(map(str, arguments))})"
    try:
        return call_within_seconds(PROBE_SECONDS, method, *arguments)
    except TookTooLong as error:
        raise _Failed(Mistake(rule, f"{name} hangs: {error}; end its loop", place_of_code(method))) from None
    except (Exception, SystemExit) as error:
        hint = "return None where the calendar ends" if isinstance(error, OverflowError) else "fix it there"
        text = f"{name} raised {error!r}; {hint}"
        raise _Failed(Mistake(rule, text, place_of_error(error, folder))) from None


def _lines(plugin: Plugin, folder: Path | None) -> Iterator[Mistake]:
    try:
        lines = _call("warnings", folder, plugin.warnings)
        if not isinstance(lines, tuple | list) or any(not isinstance(x, str) or "\n" in x or not x for x in lines):
            yield Mistake(
                "warnings", f"warnings() returned {lines!r}; return a tuple of lines", _at(plugin, "warnings")
            )
        text = _call("summary", folder, plugin.summary)
        if not isinstance(text, str) or not text or "\n" in text or len(text) > MAX_SUMMARY_LENGTH:
            problem = f"summary() returned {text!r}; return one line of at most {MAX_SUMMARY_LENGTH} characters"
            yield Mistake("summary", problem, _at(plugin, "summary"))
        sentence = _call("summary", folder, plugin.describe)
        if not isinstance(sentence, str) or not sentence or "\n" in sentence or sentence.endswith("."):
            problem = f"describe() returned {sentence!r}; return a part of a sentence on one line, without a full stop"
            yield Mistake("summary", problem, _at(plugin, "describe"))
    except _Failed as failed:
        yield failed.args[0]


def _next_after(plugin: ScheduleTrigger, folder: Path | None) -> Iterator[Mistake]:
    place = _at(plugin, "next_after")
    try:
        for instant in INSTANTS:
            if (problem := _find_bad_instant(plugin, instant, folder)) is not None:
                yield Mistake("next-after", f"{problem}; {find_author_hint(Kind.TRIGGER, problem)}", place)
                return
        yield from _impurities(plugin, folder)
        end = datetime.max.replace(tzinfo=UTC)
        if _call("next-after", folder, plugin.next_after, end) is not None:
            yield Mistake("next-after", "next_after returned an instant after the last one; return None", place)
    except _Failed as failed:
        yield failed.args[0]


def _find_bad_instant(plugin: ScheduleTrigger, instant: datetime, folder: Path | None) -> str | None:
    """Return what is wrong with one of the next instants. Raises _Failed."""
    for _ in range(NEXT_INSTANTS):
        found = _call("next-after", folder, plugin.next_after, instant)
        problem = find_instant_problem(found, instant)
        if found is None or problem is not None:
            return problem
        instant = found
    return None


def _evaluate(plugin: ComputedGuard, folder: Path | None) -> Iterator[Mistake]:
    place = _at(plugin, "evaluate")
    try:
        for instant in INSTANTS:
            found = _call("evaluate", folder, plugin.evaluate, instant)
            if (problem := find_verdict_problem(found)) is not None:
                yield Mistake("evaluate", f"{problem}; {find_author_hint(Kind.GUARD, problem)}", place)
                return
            change = _call("evaluate", folder, plugin.changes_after, instant)
            if (problem := find_change_problem(change, instant)) is not None:
                hint = find_author_hint(Kind.GUARD, problem)
                yield Mistake("evaluate", f"{problem}; {hint}", _at(plugin, "changes_after"))
                return
        yield from _impurities(plugin, folder)
    except _Failed as failed:
        yield failed.args[0]


def _impurities(plugin: ScheduleTrigger | ComputedGuard, folder: Path | None) -> Iterator[Mistake]:
    """Yield each reading of a clock, and the first difference between two answers. Raises _Failed."""
    method, rule = ("next_after", "next-after") if isinstance(plugin, ScheduleTrigger) else ("evaluate", "evaluate")
    places = set()
    for instant in INSTANTS:
        for one in find_impurities(plugin, instant, call=partial(_call, rule, folder)):
            place = one.place or _at(plugin, method)
            if place not in places:
                places.add(place)
                yield evolve(one, place=place)


def _handler(plugin: Logger, folder: Path | None) -> Iterator[Mistake]:
    place = _at(plugin, "handler")

    try:
        with TemporaryDirectory() as directory:
            found = ask_handler(plugin, Path(directory), partial(_call, "handler", folder))
        level = found.get("level", "INFO")
        if isinstance(level, str) and level not in _LEVELS:
            yield Mistake("handler", f"the level {level!r} doesn't exist; use one of {', '.join(_LEVELS)}", place)
    except _Failed as failed:
        yield failed.args[0]
    except (RuntimeError, TypeError) as error:  # the answer breaks the contract
        yield Mistake("handler", f"{error}; {find_author_hint(Kind.LOGGER, str(error))}", place)


_LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")


def _at(plugin: Plugin, method: str) -> str:
    return place_of_code(getattr(type(plugin), method))
