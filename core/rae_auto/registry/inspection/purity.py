"""Purity: a schedule and a computed guard depend on their argument alone.

There are two looks at it, since neither finds all:

- *Watched.* The interpreter reports each call of a function in C to a profiler (`sys.setprofile`), and all clocks and
  chance of Python are such functions. So a reading is found however deep it is made, also where it changes no answer
  today. Chance with a seed of its own is none: only Python's common generator and the system's are looked for.
- *Compared.* The answers are the same again when they are asked for backwards, from between, and in another zone. That
  finds what is kept between calls, and distances that are counted from the argument.
"""

import gc
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import wraps
from itertools import pairwise
from types import FrameType
from typing import Any, TypeVar

from rae_auto.api.guard import ComputedGuard, GuardResult
from rae_auto.api.trigger import ScheduleTrigger
from rae_auto.registry.inspection.finding import Mistake, Severity

T = TypeVar("T")

Call = Callable[..., Any]
"""Calls a method of a plugin with its argument, within a time limit."""

RULE = "impure"

NEXT_INSTANTS = 10
"""Instants of a schedule that are asked for again."""

COMPARING_SECONDS = 1.0
"""Time after which no more instants of a slow schedule are asked for again."""

_CLOCKS = {
    **{("datetime", name): f"datetime.{name}" for name in ("now", "utcnow", "today")},
    ("date", "today"): "date.today",
    **{
        ("time", name): f"time.{name}"
        for name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
    },
}
"""Readings of a clock, by the class or module and the name of the function in C."""

_COMMON_GENERATOR = random.random.__self__  # type: ignore[attr-defined]  # the one of random.random()
_LOGS = frozenset({"loguru", "logging"})
"""Packages that read the clock for their lines alone."""

_INSTANT = timedelta(microseconds=1)
_ELSEWHERE = timezone(timedelta(hours=-9, minutes=-30))


def find_impurities(
    plugin: ScheduleTrigger | ComputedGuard,
    start: datetime,
    *,
    call: Call = lambda method, *arguments: method(*arguments),
    show: Callable[[datetime], str] = str,
) -> Iterator[Mistake]:
    """Yield a mistake for each reading of a clock or of chance, and for the first difference between two answers.

    The latter has no place. `call` calls a method, and may raise; `show` writes an instant. Answers must be those of
    the contract.
    """
    method = plugin.next_after if isinstance(plugin, ScheduleTrigger) else plugin.evaluate
    readings: dict[str, Mistake] = {}
    watching = _watch(method, readings)

    def ask(argument: datetime) -> Any:
        return call(watching, argument)

    difference = (
        _compare_instants(ask, start, show)
        if isinstance(plugin, ScheduleTrigger)
        else _compare_verdicts(ask, plugin, start, call)
    )
    yield from readings.values()
    if difference is not None:
        yield difference


def _watch(method: Callable[[datetime], T], readings: dict[str, Mistake]) -> Callable[[datetime], T]:
    """Return the method with the readings of clocks and chance noted on the way, by their places."""
    home = method.__module__.partition(".")[0]

    def note(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and (reading := _name_reading(function)) and (place := _place_in(frame, home)):
            text = f"{reading} in {method.__name__}, which must depend on its arguments alone"
            readings[place] = Mistake(RULE, f"{text}; use the instant that it gets", place, Severity.WARNING)

    @wraps(method)
    def call_watching(argument: datetime) -> T:
        before = sys.getprofile()
        with _no_collection():
            sys.setprofile(note)
            try:
                return method(argument)
            finally:
                sys.setprofile(before)

    return call_watching


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the collector of garbage from running: callbacks of other code (`gc.callbacks`) read clocks."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _name_reading(function: Any) -> str | None:
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    if owner is _COMMON_GENERATOR:
        return f"random.{name}" if name in ("random", "getrandbits") else None
    if name == "urandom":
        return "os.urandom"
    for one in owner.__mro__ if isinstance(owner, type) else ():
        if (one.__name__, name) in _CLOCKS and one.__module__ == "datetime":
            return _CLOCKS[one.__name__, name]
    return _CLOCKS.get((str(getattr(function, "__module__", "")), name))


def _place_in(frame: FrameType | None, home: str) -> str | None:
    """Return FILE:LINE of the innermost code in a plugin's package; None if a log reads the clock for its line."""
    outermost = ""
    while frame is not None:
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top in _LOGS:
            return None
        if top == home:
            return f"{frame.f_code.co_filename}:{frame.f_lineno}"
        outermost = outermost or f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back
    return outermost


def _compare_instants(
    next_after: Callable[[datetime], datetime | None], start: datetime, show: Callable[[datetime], str]
) -> Mistake | None:
    """Return how instants differ when they are asked for again, backwards, from between, and in another zone."""
    walked = [start]
    while len(walked) <= NEXT_INSTANTS and (following := next_after(walked[-1])) is not None:
        walked.append(following)
    end = time.monotonic() + COMPARING_SECONDS
    for before, at in reversed(list(pairwise(walked))):
        if time.monotonic() > end:
            break
        for instant in _starting_points(before, at):
            found = next_after(instant)
            if found == at:
                continue
            if instant == before:
                where = "" if instant.tzinfo is before.tzinfo else " in another zone"
                problem = f"next_after({instant}) returned {found} now, but {at} before{where}"
                return Mistake(RULE, f"{problem}; depend on the argument alone")
            after, between = f"{show(at)} follows", f"{found and show(found)} follows"
            problem = f"{after} {show(before)}, but {between} {show(instant)}"
            text = f"{problem}; count from a fixed instant, so that none is skipped"
            return Mistake(RULE, text, severity=Severity.WARNING)
    return None


def _starting_points(before: datetime, at: datetime) -> Iterable[datetime]:
    """Return instants of which `at` is the next one."""
    between = [before + (at - before) / 2, at - _INSTANT]
    return [before, before.astimezone(_ELSEWHERE), *(one for one in dict.fromkeys(between) if before < one < at)]


def _compare_verdicts(
    evaluate: Callable[[datetime], GuardResult], guard: ComputedGuard, start: datetime, call: Call
) -> Mistake | None:
    """Return how a result differs when it is asked for again, in another zone, and before the next change."""
    result = evaluate(start)
    for instant in (start, start.astimezone(_ELSEWHERE)):
        if (again := evaluate(instant)) != result:
            where = "" if instant is start else " in another zone"
            problem = f"evaluate({instant}) gave two results, {result} and {again}{where}"
            return Mistake(RULE, f"{problem}; depend on the argument alone")
    change = call(guard.changes_after, start)
    if change is None:
        return None
    between = start + (change - start) / 2
    if (verdict := evaluate(between).verdict) is not result.verdict:
        problem = f"evaluate({between}) is {verdict}, although it is {result.verdict} from {start} to {change}"
        return Mistake(RULE, f"{problem} by changes_after; return the first change from it")
    return None
