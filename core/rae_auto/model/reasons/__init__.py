"""Reasons: why an occurrence was skipped, why a run started, waits or ended.

A reason is a value of one of the classes below, with the facts it needs for its sentence. The union is closed:

    Cause       why a run was started:       Due, Manual, Fired, CaughtUp
    Skip        why an occurrence led to no run
    Block       why a run waits
    End         why a run is in its state, where the state alone doesn't say

Each class has a `code`, which is what JSON, filters and statistics show; a `meaning`, for the page of reasons; and
a `text`, one clause in English that completes "because …" and ends without a full stop. Documents keep a reason without
facts as its code alone, others as an object with `code` and the facts (see `documents`), so that stores stay small.
"""

from collections.abc import Mapping
from typing import get_args

from rae_auto.model.reasons.base import MissedCause, ReasonBase, TimeFormat
from rae_auto.model.reasons.blocks import (
    DaemonStopping,
    Disabled,
    FeedbackLoop,
    GuardBlocked,
    GuardsPending,
    InternalFault,
    MaxOverlap,
    Missed,
    NeedFailed,
    NeedNeverRan,
    NeedRunning,
    NoWorker,
    Overlapping,
    Paused,
    QueueFull,
    QueueLimit,
    Repeated,
    RetryDelayed,
    SkippedByHand,
    StartDelayed,
    UnusableJob,
)
from rae_auto.model.reasons.capacity import (
    HandedOver,
    InQueue,
    MaxParallel,
    ResourceBusy,
    ResourceReserved,
    ResourceTooSmall,
    Unconfirmed,
)
from rae_auto.model.reasons.causes import CaughtUp, Due, Fired, Manual
from rae_auto.model.reasons.ends import (
    AttemptError,
    Cancelled,
    Killed,
    LostInCrash,
    OtherExitCode,
    Removed,
    RepeatedAfterCrash,
    Replaced,
    StoreReverted,
    SuccessCode,
    TimedOut,
    Withdrawn,
    WroteToStderr,
)

__all__ = [
    "REASONS",
    "AttemptError",
    "Block",
    "Cancelled",
    "CaughtUp",
    "Cause",
    "DaemonStopping",
    "Disabled",
    "Due",
    "End",
    "FeedbackLoop",
    "Fired",
    "GuardBlocked",
    "GuardsPending",
    "HandedOver",
    "InQueue",
    "InternalFault",
    "Killed",
    "LostInCrash",
    "Manual",
    "MaxOverlap",
    "MaxParallel",
    "Missed",
    "MissedCause",
    "NeedFailed",
    "NeedNeverRan",
    "NeedRunning",
    "NoWorker",
    "OtherExitCode",
    "Overlapping",
    "Paused",
    "QueueFull",
    "QueueLimit",
    "Reason",
    "ReasonBase",
    "Removed",
    "Repeated",
    "RepeatedAfterCrash",
    "Replaced",
    "ResourceBusy",
    "ResourceReserved",
    "ResourceTooSmall",
    "RetryDelayed",
    "Skip",
    "SkippedByHand",
    "StartDelayed",
    "StoreReverted",
    "SuccessCode",
    "TimeFormat",
    "TimedOut",
    "Unconfirmed",
    "UnusableJob",
    "Withdrawn",
    "WroteToStderr",
]

Cause = Due | Manual | Fired | CaughtUp
"""Why a run was started."""

Skip = (
    Overlapping
    | QueueFull
    | QueueLimit
    | MaxOverlap
    | Paused
    | Disabled
    | SkippedByHand
    | Missed
    | NeedFailed
    | NeedNeverRan
    | GuardBlocked
    | FeedbackLoop
    | UnusableJob
)
"""Why an occurrence led to no run."""

Block = (
    Overlapping
    | MaxOverlap
    | Paused
    | Disabled
    | NeedRunning
    | NeedFailed
    | NeedNeverRan
    | GuardBlocked
    | NoWorker
    | GuardsPending
    | InQueue
    | Unconfirmed
    | MaxParallel
    | ResourceBusy
    | ResourceReserved
    | ResourceTooSmall
    | StartDelayed
    | RetryDelayed
    | InternalFault
    | UnusableJob
    | DaemonStopping
)
"""Why a run waits."""

End = (
    InQueue
    | Unconfirmed
    | NeedFailed
    | NeedNeverRan
    | GuardBlocked
    | DaemonStopping
    | Replaced
    | Cancelled
    | Withdrawn
    | Removed
    | RepeatedAfterCrash
    | LostInCrash
    | StoreReverted
    | Killed
    | TimedOut
    | SuccessCode
    | OtherExitCode
    | WroteToStderr
    | AttemptError
)
"""Why a run is in its state."""

Reason = Cause | Skip | Block | End | Repeated
"""Any reason."""

REASONS: Mapping[str, type[ReasonBase]] = {reason.code: reason for reason in get_args(Reason)}
"""The classes by their codes."""
