"""Sentences on a stop: what it waits for, and how runs ended; the same in the log and on the command line."""

from collections.abc import Iterable, Sequence

from rae_auto.model.primitives.formatting import format_elapsed, quote, quote_some
from rae_auto.model.run import RunState


def describe_wait(jobs: Iterable[str], grace_seconds: float, so_far_seconds: float = 0) -> str:
    """Return what a stop waits for: 'waiting up to 30 s for "backup" (2 s so far)'."""
    so_far = f" ({format_elapsed(int(so_far_seconds))} so far)" if so_far_seconds >= 1 else ""
    return f"waiting up to {format_elapsed(grace_seconds)} for {quote_some(jobs)}{so_far}"


def describe_stop(waits_for: Sequence[str], keeps: Sequence[str], grace_seconds: float, hint: str) -> str:
    """Return what a stop does with the jobs that it waits for, or ends at once, and those that it keeps running."""
    parts = ["stopping" if grace_seconds else "stopping immediately"]
    if waits_for and grace_seconds:
        parts.append(f": {describe_wait(waits_for, grace_seconds)}{f'; {hint}' if hint else ''}")
    elif waits_for:
        parts.append(f": ending {quote_some(waits_for)}")
    if keeps:
        parts.append(f"; still running, for the next daemon to take over: {quote_some(keeps)}")
    return "".join(parts)


def describe_ends(ends: Iterable[tuple[str, str]]) -> str:
    """Return how runs ended, from their jobs and states: '"backup" succeeded, "report" was interrupted'."""
    texts = {RunState.TIMED_OUT: "timed out", RunState.SUCCEEDED: "succeeded", RunState.FAILED: "failed"}
    states = {job: RunState(state) for job, state in ends}
    return ", ".join(f"{quote(job)} {texts.get(state, f'was {state.text}')}" for job, state in states.items())
