"""Feedback loops: a job that makes its own trigger fire, for instance by writing what it watches, must not go on for
ever.

A source says what of an occurrence may be the job's own effect (`TriggerFired.feedback_key`). Where that comes during a
run of the same job and trigger, or right after one, again and again, it is most likely so, and is skipped; then nothing
runs that could make it fire again. The source keeps what was skipped so, and offers it again later.

Two things are counted. The same key, within a minute: a job that writes to the file that it watches. And the length of
a chain, whatever the keys and however long it takes: a job that writes another file each time, or runs for long. The
chain grows by what comes after the end of a run of the link before, so however many files come at once, they are one.
"""

from datetime import timedelta

from rae_auto.engine.state import EngineState, FeedbackChain, TriggerKey
from rae_auto.engine.turn import Turn
from rae_auto.model.decision import Occurrence
from rae_auto.model.reasons import FeedbackLoop

MAX_REPEATS = 20
"""Number of times in a row, within `REPEAT_WINDOW`, that the same key may come during or right after a run."""

REPEAT_WINDOW = timedelta(minutes=1)

MAX_GAP = timedelta(seconds=5)
"""Time after the end of a run within which an occurrence of its trigger may be its effect."""

MAX_CHAIN_LENGTH = 100
"""Number of runs that may follow each other, each during or right after the one before."""

MAX_FEEDBACK_KEYS = 10_000
"""Number of feedback keys that are remembered, of all jobs together."""


def find_feedback_loop(turn: Turn, occurrence: Occurrence, feedback_key: str | None) -> FeedbackLoop | None:
    """Return the reason to skip an occurrence that its own runs seem to cause; else count it and return None."""
    if feedback_key is None:
        return None
    state, now = turn.state, turn.now
    trigger = (occurrence.job, occurrence.trigger)
    key = (*trigger, feedback_key)
    times = tuple(at for at in state.feedback_times.pop(key, ()) if now.mono - at <= REPEAT_WINDOW.total_seconds())
    if not _follows_run(turn, occurrence):
        state.feedback_chains[trigger] = FeedbackChain(0, now.mono, now.mono)
        return None
    loop = FeedbackLoop(len(times), REPEAT_WINDOW) if len(times) >= MAX_REPEATS else None
    if loop is None:
        times += (now.mono,)
    # Inserted at the end: the key that was longest unused is forgotten first.
    state.feedback_times[key] = times
    _forget_oldest_keys(state)
    return loop or _extend_chain(turn, trigger)


def _forget_oldest_keys(state: EngineState) -> None:
    while len(state.feedback_times) > MAX_FEEDBACK_KEYS:
        del state.feedback_times[next(iter(state.feedback_times))]


def _extend_chain(turn: Turn, trigger: TriggerKey) -> FeedbackLoop | None:
    state, now = turn.state, turn.now.mono
    chain = state.feedback_chains.get(trigger, FeedbackChain(0, now, now))
    if state.ended_at.get(trigger, chain.last_at) > chain.last_at:
        if chain.length >= MAX_CHAIN_LENGTH:
            return FeedbackLoop(chain.length, timedelta(seconds=round(now - chain.started_at)))
        chain = FeedbackChain(chain.length + 1, chain.started_at, now)
    state.feedback_chains[trigger] = chain
    return None


def _follows_run(turn: Turn, occurrence: Occurrence) -> bool:
    if any(entry.run.trigger == occurrence.trigger for entry in turn.state.open_runs(occurrence.job)):
        return True
    ended_at = turn.state.ended_at.get((occurrence.job, occurrence.trigger))
    return ended_at is not None and turn.now.mono - ended_at <= MAX_GAP.total_seconds()
