"""The states of runs, explained."""

from collections.abc import Mapping

from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.model.run import RunState

_TEXTS: Mapping[RunState, tuple[str, str]] = {
    RunState.QUEUED: (
        "The run is decided and durable, and waits for its turn.",
        "'rae-auto why JOB' says what it waits for. 'rae-auto cancel JOB' withdraws it.",
    ),
    RunState.STARTING: (
        "The executor has been asked to start an attempt, and has not confirmed it yet, or has put it into a queue.",
        "Nothing to do: this takes milliseconds. If it is in the queue of a cluster, 'rae-auto why JOB' says so.",
    ),
    RunState.RUNNING: (
        "An attempt is running.",
        "'rae-auto output JOB --follow' shows its output, 'rae-auto cancel JOB' ends it.",
    ),
    RunState.RETRYING: (
        "An attempt failed, and the next one waits for the delay of retry.",
        "'rae-auto output JOB' shows why it failed. 'rae-auto cancel JOB' ends the retries.",
    ),
    RunState.SUCCEEDED: ("The last attempt ended with one of the success_codes.", "Nothing to do."),
    RunState.FAILED: (
        "The last attempt ended with another exit code, by a signal, or with an error, and no retry is left.",
        "'rae-auto output JOB' shows what it printed, 'rae-auto why JOB' all attempts.",
    ),
    RunState.TIMED_OUT: (
        "The last attempt took longer than the job's timeout, and was ended with all its processes.",
        "See with 'rae-auto output JOB' where it hung. Raise timeout if it needs the time.",
    ),
    RunState.CANCELLED: (
        'A person, a program, overlap = "replace" or the removal of the job ended the run.',
        "'rae-auto why JOB' says which. 'rae-auto trigger JOB' starts it again.",
    ),
    RunState.INTERRUPTED: (
        "The daemon was stopped and ended the run, because it took longer than shutdown_grace.",
        "'rae-auto stop --leave-running' leaves commands running for the next daemon. Or raise shutdown_grace.",
    ),
    RunState.LOST: (
        "After a crash nothing could show what became of the attempt.",
        "Look at what the job left behind. on_crash decides whether such runs are started again.",
    ),
    RunState.SKIPPED: (
        "A run that waited was given up, or an occurrence led to no run.",
        "'rae-auto why JOB' has the reason; 'rae-auto history JOB --decisions' lists all of them.",
    ),
}


def state_entries() -> list[CodeEntry]:
    """Return the entries of all states, in the order of the life of a run."""
    return [CodeEntry(state.value, CodeSet.STATE, *_TEXTS[state]) for state in RunState]
