"""Instants, durations, sizes, counts and names as people read them: "18:00:05", "4 ms", "1.5 MB", "2 times".

For text that `parse_duration` and `parse_size` read back, see `units`.
"""

from __future__ import annotations

import sys

from rae_auto.model.primitives.escaping import escape_unprintable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime, timedelta, tzinfo
    from typing import TypeVar

    E = TypeVar("E", bound=BaseException)

_UNITS = ((86400, "day"), (3600, "h"), (60, "min"), (1, "s"))
_SIZES = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB"))


def format_local_time(instant: datetime, zone: tzinfo | None, now: datetime) -> str:
    """Return an instant for people: `18:00:05`, with the date unless it is today.

    It is by the clock of `zone`, which is named where it isn't the machine's; None stands for the machine's.
    """
    local = instant.astimezone(zone)
    is_marked = local.utcoffset() != instant.astimezone().utcoffset()
    text = local.strftime("%H:%M:%S" if _is_same_day(local, now.astimezone(zone)) else "%Y-%m-%d %H:%M:%S")
    return f"{text} {local.tzname()}" if is_marked else text


def _is_same_day(one: datetime, other: datetime) -> bool:
    return one.date() == other.date()


def time_format(zone: tzinfo, now: datetime, *, local: bool) -> Callable[[datetime], str]:
    """Return how instants are written in sentences: as people read them now, or in full with the offset of the zone."""
    if local:
        return lambda instant: format_local_time(instant, zone, now)
    return lambda instant: instant.astimezone(zone).isoformat(" ", "seconds")


def format_elapsed(value: timedelta | float, parts: int = 2) -> str:
    """Return a duration in seconds as text in at most `parts` units; a negative one counts as zero."""
    seconds = max(0.0, value if isinstance(value, int | float) else value.total_seconds())
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.0005 else "less than 1 ms"
    if seconds < 9.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    # One part says little of 36 hours if it is a day.
    return _in_units(round(seconds) if parts > 1 else int(seconds), parts, first_day=1 if parts > 1 else 2)


def _in_units(seconds: int, parts: int, first_day: int) -> str:
    units = _UNITS if seconds >= first_day * 86400 else _UNITS[1:]
    first = next(n for n, (size, _) in enumerate(units) if seconds >= size)
    words = []
    for size, unit in units[first : first + parts]:
        count, seconds = divmod(seconds, size)
        if count:
            words.append(format_count(count, unit) if unit == "day" else f"{count} {unit}")
    return " ".join(words)


def format_bytes(size: int) -> str:
    """Return a size in the largest unit of 1,024s that it fills, with one decimal."""
    for factor, unit in _SIZES:
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + f" {unit}"
    return format_count(size, "byte")


def format_count(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number with its noun: "1 run", "2 runs", "1,000 entries"."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def describe_signal(number: int) -> str:
    """Return the name of a signal, "SIGKILL"; "signal 40" if it has none."""
    from signal import Signals  # lazy: start-up

    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}"


def quote(name: object) -> str:
    """Return a name in double quotes, with everything that isn't printable escaped."""
    return '"' + escape_unprintable(str(name)).replace('"', '\\"') + '"'


def quote_some(names: Iterable[object], limit: int = 3) -> str:
    """Return names in double quotes, at most `limit` of them, each once: `"a", "b" and 4 more`."""
    distinct = list(dict.fromkeys(names))
    shown = [quote(name) for name in distinct[:limit]]
    if len(distinct) > limit:
        return f"{', '.join(shown)} and {len(distinct) - limit:,} more"
    return join_words(shown)


def join_words(words: Iterable[str], conjunction: str = "and") -> str:
    """Return a list as people write it: "a, b and c"."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} {conjunction} {last}" if first else last


MAX_ERROR_CHARACTERS = 200

_CALLERS = frozenset({"rae_auto", "attr", "attrs", "cattrs", "pluggy", "click"})
"""Packages that call plugins: rae-auto, and what stands between it and them."""


def describe_raise(error: BaseException) -> str:
    """Return an error in Python's notation, with a file and line, if they are known.

    They are those of the last code in the plugin's package: the first one that is neither ours nor Python's library.
    What it calls, such as another library, says less about the mistake. For an error of `blame` it is the method's.
    """
    place = place_of_raise(error)
    return f"{' '.join(repr(error).split())[:MAX_ERROR_CHARACTERS]}{f' ({place})' if place else ''}"


def place_of_raise(error: BaseException) -> str:
    """Return FILE:LINE of what raised an error, as `describe_raise` shows it; "" if it is unknown."""
    if blamed := getattr(error, "blamed_place", ""):
        return str(blamed)
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    trace, place, home = error.__traceback__, "", ""
    while trace is not None:
        top = str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
        if not home and top not in _CALLERS and top not in sys.stdlib_module_names:
            home = top
        if not home or top == home:
            place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place


def blame(error: E, method: object) -> E:
    """Return an error about what a method of a plugin returned; `describe_raise` shows the place of the method."""
    if (place := place_of_call(method)) is not None:
        error.blamed_place = place  # type: ignore[attr-defined]
    return error


def with_place(text: str, method: object) -> str:
    """Return a text about a method of a plugin with FILE:LINE of the method behind it, if that is known."""
    place = place_of_call(method)
    return text if place is None else f"{text} ({place})"


def place_of_call(function: object) -> str | None:
    """Return FILE:LINE of a function, or of the method by which an object is called or written to; None if unknown."""
    methods = vars(type(function))
    for one in (function, methods.get("__call__"), methods.get("write")):
        code = getattr(one, "__code__", None)
        if code is not None:
            return f"{code.co_filename}:{code.co_firstlineno}"
    return None


def _system_words(error: OSError) -> str:
    """Return the system's words for an error, without those that asyncio and ssl put around them."""
    words = error.strerror or ""
    if error.errno and words.startswith(("Connect call failed", "Multiple exceptions")):
        import os  # lazy: for rare errors

        return os.strerror(error.errno)
    return (words.partition("] ")[2] if words.startswith("[SSL") else words).partition(" (_ssl.c:")[0]


def describe_error(error: BaseException) -> str:
    """Return the text of an error of a plugin without Python's notation; with its class if the text says little."""
    if isinstance(error, OSError) and error.strerror:
        return f"{_system_words(error)}: {quote(error.filename)}" if error.filename else _system_words(error)
    text = " ".join(str(error).split())
    if isinstance(error, TimeoutError):
        return text or "it took too long"
    return (
        text
        if text and isinstance(error, ValueError | RuntimeError)
        else f"{type(error).__name__}: {text}".rstrip(": ")
    )
