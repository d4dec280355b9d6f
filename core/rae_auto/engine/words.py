"""Decisions in words, one line each, for messages, the log and `rae-auto why`."""

from collections.abc import Callable, Mapping
from typing import Any

from rae_auto.model.decision import Decision
from rae_auto.model.reasons import Reason

_WORDS: Mapping[Reason, Callable[[Mapping[str, Any]], str]] = {
    Reason.DUE: lambda _: "it was due",
    Reason.ASKED: lambda _: "somebody asked for it",
    Reason.FIRED: lambda _: "its trigger fired",
    Reason.CAUGHT_UP: lambda _: "it was missed, and is made up for (catch_up)",
    Reason.OVERLAP: lambda f: f"run {f['run']} isn't over, since {f['since']} (overlap = skip)",
    Reason.QUEUE_FULL: lambda f: f"one is waiting already behind run {f['run']} (overlap = queue)",
    Reason.QUEUE_LIMIT: lambda f: f"{f['waiting']} runs wait already, of all jobs (max_queue)",
    Reason.CEILING: lambda f: f"{f['ceiling']} runs are open already (overlap_max)",
    Reason.PAUSED: lambda _: "the job is paused; 'rae-auto resume' lets it go on",
    Reason.DISABLED: lambda _: "nothing starts by itself while disabled (enabled = false)",
    Reason.MISSED: lambda f: f"{f['because']} from {f['from']} until {f['until']} (catch_up = {f['catch_up']})",
    Reason.GUARD: lambda f: f"its guard {f['guard']} says {f['says']}: {f['because']} (guards)",
    Reason.RATE: lambda f: (
        f"its trigger fired {f['times']} times within {f['within']}, each time while it ran or right after: "
        "does the job change what it watches?"
    ),
    Reason.NEED_FAILED: lambda f: f"the latest run of {f['need']}, which it needs, did not succeed",
    Reason.NEED_NEVER_RAN: lambda f: f"{f['need']}, which it needs, has never run",
}

_IN_SHORT: Mapping[Reason, str] = {
    Reason.DELAYED: "its jitter, or the delay of a retry",
    Reason.PARALLEL: "as many runs as max_parallel allows were active",
    Reason.RESOURCE: "a resource that it uses was taken",
    Reason.NEED_RUNNING: "a job that it needs had an open run",
    Reason.OVERLAP: "a run of the same job wasn't over (overlap)",
    Reason.CEILING: "as many runs of the same job as overlap_max allows were active",
    Reason.GUARD: "a guard kept it from starting (guards)",
    Reason.PAUSED: "the job was paused",
    Reason.DISABLED: "nothing starts by itself while disabled (enabled = false)",
    Reason.STOPPING: "the daemon was stopping",
    Reason.REPLACED: "a newer occurrence took its place (overlap = replace)",
    Reason.CANCELLED: "somebody cancelled it",
    Reason.REMOVED: "its job was removed",
    Reason.RECOVERED: "its attempt was lost in a crash, and is tried again (on_crash = rerun)",
    Reason.LOST: "its fate could not be found out after a crash (on_crash = fail)",
}


def in_words(decision: Decision) -> str:
    """Why it was decided so."""
    return _WORDS[decision.reason](decision.facts)


def cause_in_words(cause: Reason) -> str:
    """Why it was decided to run."""
    return _WORDS[cause]({})


def reason_in_words(reason: str) -> str:
    """The reason of a run's state: a code, a code with a name behind it (`need_failed: backup`), or already words."""
    code, _, name = reason.partition(": ")
    if code not in list(Reason):
        return reason
    known = Reason(code)
    if known in (Reason.NEED_FAILED, Reason.NEED_NEVER_RAN):
        return _WORDS[known]({"need": name or "a job"})
    if known is Reason.GUARD and name:
        return f"its guard {name} (guards)"
    return _IN_SHORT.get(known) or cause_in_words(known)
