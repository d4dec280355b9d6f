"""The hints of reasons; their causes are the meanings that the classes in `rae_auto.model.reasons` have."""

import re
from collections.abc import Mapping

from rae_auto.explain.codes.entry import CodeEntry, CodeSet
from rae_auto.model.reasons import REASONS

_HINTS: Mapping[str, str] = {
    "due": "Nothing to do. 'rae-auto next JOB' shows the starts to come.",
    "manual": "Nothing to do. 'rae-auto why JOB' shows when it was requested.",
    "fired": "Nothing to do. RAE_EVENT of the run, and 'rae-auto why JOB', show what its trigger reported.",
    "caught_up": 'To leave out what was missed, set catch_up = "none", or a shorter catch_up_window.',
    "overlap": (
        "See what keeps the open run with 'rae-auto output JOB' and end it with 'rae-auto cancel JOB'. To let it wait "
        'set overlap = "queue", to replace it "replace", to run beside it "allow". A timeout ends runs that hang.'
    ),
    "queue_full": 'Start the job less often, make it faster, or set overlap = "allow" with overlap_max.',
    "queue_limit": "See what all runs wait for with 'rae-auto status'. Raise max_queue only if that many are wanted.",
    "max_overlap": "Raise overlap_max, or find out with 'rae-auto output JOB' why its runs take so long.",
    "paused": "'rae-auto resume JOB' ends the pause. 'rae-auto show JOB' says until when it lasts, and shows its note.",
    "disabled": "Set enabled = true, in the job or above all tables, and run 'rae-auto reload'.",
    "skipped_by_hand": "'rae-auto skip JOB --undo' takes back a skipped start that is still to come.",
    "missed": (
        '\'rae-auto trigger JOB\' runs it now. To catch up what is missed, set catch_up to "latest" or "all", and a '
        "longer catch_up_window. wake = true wakes the machine for starts."
    ),
    "need_failed": (
        "Fix the needed job, or run it again with 'rae-auto trigger JOB': its next success counts. 'rae-auto trigger "
        "JOB --force' starts this one without it."
    ),
    "need_never_ran": "Run the needed job once with 'rae-auto trigger JOB', or start this one with --force.",
    "guard": (
        "The reason has the guard's own words. With guard_timeout a run waits until the guard allows it, with shift it "
        "moves to another day. A run that is started by hand asks no guard."
    ),
    "feedback_loop": (
        "Let the job write where its trigger doesn't watch, or add its files to ignore. The job runs again by itself "
        "once its trigger has been quiet for a while."
    ),
    "unusable": (
        "The reason says what is missing. Install the plugin ('rae-auto plugins' lists what is there), or remove the "
        "job with 'rae-auto remove JOB'."
    ),
    "need_running": "Nothing to do: it starts when the needed job ends. 'rae-auto status' shows that job.",
    "no_worker": (
        "The reason says what is away: make the machine reachable, or start a worker with that label. It is asked "
        "every 5 seconds, and the run starts by itself; 'rae-auto doctor' tests the connection."
    ),
    "in_queue": (
        "Nothing to do: the attempt starts when it is its turn, and its timeout counts from then. "
        "'rae-auto cancel JOB' takes it out of the queue. To have it start sooner, start more workers, or give the job "
        "a higher priority."
    ),
    "unconfirmed": (
        "Nothing to do: the machine is asked again when it can be reached, and starts the attempt at most once; its "
        "timeout counts from then. 'rae-auto doctor' tests the connection. 'rae-auto cancel JOB' ends the attempt "
        "there if it has started, and keeps it from starting otherwise."
    ),
    "guards_pending": "Nothing to do: a guard has seconds to answer. 'rae-auto doctor' names guards that don't.",
    "max_parallel": "Raise max_parallel, or give the job a higher priority. 'rae-auto status' shows what is running.",
    "resource": (
        "Nothing to do: it starts when there are units. To have more at once, raise the number in [resources], or let "
        "jobs take fewer."
    ),
    "resource_reserved": "Nothing to do: this keeps small runs from overtaking a large one endlessly.",
    "resource_too_small": "Raise the number of units in [resources], or let the job take fewer, and reload.",
    "delayed": "Nothing to do: it starts at the instant in the reason. A smaller jitter or delay lets it start sooner.",
    "retry_delay": "'rae-auto output JOB' shows why the attempt failed. 'rae-auto cancel JOB' ends the retries.",
    "internal_fault": (
        "It is tried again each minute, and other jobs go on. Report it with the lines of 'rae-auto logs' about it."
    ),
    "stopping": "It goes on, or is caught up, after the next start of the daemon: on_crash and catch_up decide.",
    "replaced": 'With overlap = "skip" or "queue" a new occurrence no longer ends the open run.',
    "cancelled": "'rae-auto trigger JOB' starts it again.",
    "withdrawn": "Nothing to do: the delay begins again with the next such event. A shorter delay is over sooner.",
    "removed": "Add the job again if that was a mistake: 'rae-auto add', or its table in the configuration.",
    "recovered": 'Nothing to do. Set on_crash = "fail" for a job that must not run twice.',
    "lost": (
        "Look at what the job left behind, and start it again with 'rae-auto trigger JOB' if it didn't finish. "
        'on_crash = "rerun" does that by itself, for jobs that may run twice.'
    ),
    "store_reverted": (
        "Look at what the job left behind: it may have run. 'rae-auto doctor' says how far the store went back, and "
        "why."
    ),
    "killed": (
        "Signal 9 out of nothing is often the kernel, out of memory: see its log, and set limits.memory. "
        "'rae-auto output JOB' shows the last lines."
    ),
    "timeout": "See with 'rae-auto output JOB' where it hung. Raise timeout if it needs the time; retry tries again.",
    "success_code": "Nothing to do. Take the code out of success_codes if it is a failure.",
    "exit_code": (
        "'rae-auto output JOB' shows what it printed. 127 means that a shell found no such program, 126 that it isn't "
        "executable. 'rae-auto exec JOB' runs it here. Codes that mean success go into success_codes."
    ),
    "stderr": "'rae-auto output JOB' shows what it wrote. Remove fail_on if such output is harmless.",
    "error": "The reason is the error itself, with its remedy. 'rae-auto doctor' finds causes in the machine.",
    "repeated": "Nothing to do: the first request counted, and this one changed nothing.",
}
"""The hints by code. A test fails if one is missing, or has no reason any more."""


def reason_entries() -> list[CodeEntry]:
    """Return the entries of all reasons, in the order of their union."""
    return [
        CodeEntry(code, CodeSet.REASON, _sentence(reason.meaning), _HINTS[code]) for code, reason in REASONS.items()
    ]


def _sentence(meaning: str) -> str:
    """Return a line of the page of reasons for a terminal: without links and marks of code."""
    text = re.sub(r"\[([^]]+)\]\([^)]*\)", r"\1", meaning).replace("`", "")
    return f"{text[0].upper()}{text[1:]}."
