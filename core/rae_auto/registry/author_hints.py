"""Hints for the authors of plugins: what to change after a failure, by the kind of plugin."""

import re
from collections.abc import Mapping

from rae_auto.api.plugin import Kind

_RULES: Mapping[Kind, tuple[tuple[str, str], ...]] = {
    Kind.TRIGGER: (
        ("which isn't after", "return a later instant than the given one, or None"),
        ("which has no time zone", "return an aware datetime, in the zone of the given one if there is no other"),
        ("which is not a datetime", "return an aware datetime or None, from a method that is not async"),
        (r"next_after failed: it has not returned", "end the loop, because next_after computes and waits for nothing"),
        (r"next_after raised", "return an instant or None for any instant, also where the calendar ends"),
        (
            r"(run_point|delay|upstream_jobs|can_burst|repr|hash) (raised|failed)|it returned",
            "answer from the options alone",
        ),
        (r"count_from raised", "return a schedule from count_from for any instant"),
        (r"event_at raised", "return an event of JSON values or None from event_at"),
        (r"LoopBlocked", ""),
        ("", "catch in watch what can happen in the world, and try again there"),
    ),
    Kind.GUARD: (
        ("which is not a GuardResult", "return GuardResult(Verdict.YES, reason), or NO, or UNKNOWN"),
        ("changes_after", "return a later aware instant from changes_after, or None"),
        ("it has not answered", "limit the time of what read waits for, and return UNKNOWN after that"),
        ("it has not returned", "end the loop, because evaluate computes and waits for nothing"),
        ("LoopBlocked", ""),
        ("", "return GuardResult(Verdict.UNKNOWN, reason) where it can't tell"),
    ),
    Kind.EXECUTOR: (
        ("did not end it within", "let cancel end the attempt with all its processes, and wait return then"),
        ("has not returned in the time", "limit the time of what start waits for, and raise OSError after that"),
        ("wait raised", "return a Result with the error from wait, also for what the system refuses"),
        ("which is not an Execution", "return an Execution from start"),
        ("which is not a Result", "return a Result from wait"),
        ("not JSON serializable", "return JSON values from handle"),
        ("LoopBlocked", ""),
        ("", "raise ValueError or OSError with one line for the user from start, and nothing from wait and cancel"),
    ),
    Kind.NOTIFIER: (
        ("LoopBlocked", ""),
        (r"^(ValueError|RuntimeError)\(", ""),
        ("TimeoutError|it has not returned", "limit the time of the delivery, and let it be cancelled"),
        ("", "raise ValueError or OSError with one line for the user"),
    ),
    Kind.LOGGER: (
        ("Level '", "use one of loguru's levels"),
        ("has no sink", "return the arguments of logger.add from handler, with a sink"),
        ("its sink raised", "raise OSError with a number and text for what the system refuses, and nothing else"),
        (
            "its sink took|has not taken a line",
            "return from the sink in milliseconds, and let a thread do what takes longer",
        ),
        ("changed the handlers", "return the arguments from handler, and call neither logger.add nor logger.remove"),
        ("", "return a mapping with a sink from handler, without I/O that can fail"),
    ),
    Kind.STORE: (
        ("commit takes longer", "write less in a commit, unless the disk or the server is what is slow"),
        ("", "raise StoreError with one line for the user, and keep what was committed"),
    ),
    Kind.COMMAND: (("", "raise SchedulerError or OSError with one line for the user"),),
}
"""Patterns of failures by kind; the first match counts. An empty hint: the failure's own text has the remedy."""


def find_author_hint(kind: Kind, failure: str) -> str:
    """Return what the author of a plugin should change after a failure, "" if the failure says it."""
    return next(hint for pattern, hint in _RULES[kind] if re.search(pattern, failure))


def describe_author_hint(kind: Kind, failure: str) -> str:
    """Return the hint as a clause for the end of a message, "" if there is none."""
    hint = find_author_hint(kind, failure)
    return f"; for its author: {hint}" if hint else ""
