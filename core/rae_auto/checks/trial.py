"""The first use of plugins by a daemon, tried out: what fails there is an error of `check`.

Each call has a time limit and a thread of its own. A loop in Python is interrupted there; what blocks in C or in the
system is left behind in its thread, so that Ctrl-C ends the command at any time.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any

from loguru import logger

from rae_auto.api.guard import ComputedGuard
from rae_auto.api.logger import Logger
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.api.trigger import ScheduleTrigger, SourceTrigger
from rae_auto.model.primitives.formatting import describe_raise, quote
from rae_auto.registry.author_hints import describe_author_hint
from rae_auto.registry.safe_guard import ask_change, ask_verdict
from rae_auto.registry.safe_logger import ask_handler
from rae_auto.registry.safe_schedule import ask_schedule
from rae_auto.toolkit.threads.time_limit import LIMIT_SECONDS, TookTooLong, call_within_limit

EXTRA_SECONDS = 2.0
"""Time after the limit of a call in which an interrupted one may return."""


def find_faults(kind: Kind, plugin: Plugin, now: datetime, origin: str = "") -> Iterator[str]:
    """Yield what fails at the first use of a plugin by a daemon, each a line with its place and a hint for its author.

    `origin` is the plugin's distribution and version.
    """
    called = f"{kind} {quote(plugin.type)}{f' of {origin}' if origin else ''}"
    for name, call in _first_calls(plugin, now):
        problem = _call_apart(name, call)
        if problem is not None:
            yield f"{called}: {problem}{describe_author_hint(kind, problem)}"
            return


def _first_calls(plugin: Plugin, now: datetime) -> Iterator[tuple[str, Callable[[], str | None]]]:
    """Yield the first calls of a daemon, by name; each returns a problem with the answer, or None."""
    yield "repr", lambda: _check_type(repr(plugin), str)
    yield "hash", lambda: _check_equality(plugin)
    if isinstance(plugin, ScheduleTrigger):
        yield "run_point", lambda: _discard(plugin.run_point())
        yield "next_after", lambda: ask_schedule(plugin, now)[1]
    if isinstance(plugin, SourceTrigger):
        yield "delay", lambda: _discard(plugin.delay)
        yield "upstream_jobs", lambda: _check_type(plugin.upstream_jobs(), tuple)
        yield "can_burst", lambda: _check_type(plugin.can_burst(), bool)
    if isinstance(plugin, ComputedGuard):
        yield "evaluate", lambda: ask_verdict(plugin, now)
        yield "changes_after", lambda: ask_change(plugin, now)
    if isinstance(plugin, Logger):
        yield "shows_output", lambda: _check_type(plugin.shows_output(), bool)
        yield "place", lambda: _discard(plugin.place())
        yield "log_file", lambda: _discard(plugin.log_file(Path("state")))
        yield "handler", lambda: _add_handler(plugin)


def _call_apart(name: str, call: Callable[[], str | None]) -> str | None:
    """Call in a thread, and return the problem: with the answer, the error, or that there was no answer."""
    problems: list[str | None] = []

    def work() -> None:
        try:
            problems.append(call_within_limit(call))
        except TookTooLong as error:
            problems.append(f"{name} failed: {error}")
        except BaseException as error:  # whatever a plugin raises
            problems.append(f"{name} raised {describe_raise(error)}")

    thread = Thread(target=work, name="check of a plugin", daemon=True)
    thread.start()
    thread.join(LIMIT_SECONDS + EXTRA_SECONDS)
    return problems[0] if problems else f"{name} failed: it has not returned within {LIMIT_SECONDS} s, and blocks"


def _discard(_: object) -> None:
    """Accept any answer."""


def _check_type(found: object, expected: type) -> str | None:
    return None if isinstance(found, expected) else f"it returned {found!r:.60}, which is not {expected.__name__}"


def _check_equality(plugin: Plugin) -> str | None:
    if plugin != plugin:  # as a reload does, with another of the same options
        return "it is not equal to itself"
    try:
        hash(plugin)
    except TypeError:
        return None  # by its repr instead, as the daemon does
    return None


def _add_handler(plugin: Logger) -> str | None:
    """Add the handler as the daemon does, in a folder of its own, and remove it."""
    with TemporaryDirectory() as directory:
        found = ask_handler(plugin, Path(directory))
        sink = found["sink"]
        # A file is opened at the first line, and there is none.
        late: dict[str, Any] = {"delay": True} if isinstance(sink, str | Path) else {}
        number = logger.add(**{**found, **late, "filter": lambda _: False})
        logger.remove(number)
        close = getattr(sink, "close", None)
        if callable(close) and not hasattr(sink, "write"):
            close()
    return None
