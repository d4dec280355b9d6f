"""The codes by which decisions, waits and ends are explained."""

from enum import StrEnum


class Reason(StrEnum):
    """Why an occurrence, a run or a wait is as it is. Every code has a line in docs/reasons.md."""

    DUE = "due"
    ASKED = "asked"
    FIRED = "fired"
    CAUGHT_UP = "caught_up"
    OVERLAP = "overlap"
    QUEUE_FULL = "queue_full"
    QUEUE_LIMIT = "queue_limit"
    CEILING = "ceiling"
    REPEATED = "repeated"
    REPLACED = "replaced"
    PAUSED = "paused"
    DISABLED = "disabled"
    MISSED = "missed"
    NEED_FAILED = "need_failed"
    NEED_NEVER_RAN = "need_never_ran"
    GUARD = "guard"
    RATE = "rate"
    NEED_RUNNING = "need_running"
    PARALLEL = "max_parallel"
    RESOURCE = "resource"
    DELAYED = "delayed"
    STOPPING = "stopping"
    CANCELLED = "cancelled"
    REMOVED = "removed"
    RECOVERED = "recovered"
    LOST = "lost"
