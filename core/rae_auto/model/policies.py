"""The policies of a job: frozen values, each with the default a careful person would choose."""

from collections.abc import Iterable
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Literal

from attrs import field, frozen, validators

from rae_auto.model.primitives.units import Size, parse_duration, parse_size


class Priority(IntEnum):
    """Priority of a job's runs in the queue. A level is a head start, so nothing starves."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3


class Overlap(StrEnum):
    """Policy for an occurrence that comes while the job has an open run."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Which of the occurrences that were missed (downtime, suspend, a clock step) are made up for."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class OnCrash(StrEnum):
    """Policy for a run whose fate is unknown after a crash."""

    FAIL = "fail"
    RERUN = "rerun"


class Backoff(StrEnum):
    """Growth of the delay from one retry to the next."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RetryOn(StrEnum):
    """Ends of an attempt that a retry policy can count."""

    FAILURE = "failure"
    TIMEOUT = "timeout"
    LOST = "lost"


class NotifyOn(StrEnum):
    """Ends of a run that can be told to a notifier."""

    FAILURE = "failure"
    RECOVERY = "recovery"
    SUCCESS = "success"


def _help(text: str) -> dict[str, str]:
    return {"help": text}


def _retry_ends(names: Iterable[str]) -> tuple[RetryOn, ...]:
    return tuple(RetryOn(name) for name in names)


def _notify_ends(names: Iterable[str]) -> tuple[NotifyOn, ...]:
    return tuple(NotifyOn(name) for name in names)


def _codes(codes: Iterable[int] | None) -> tuple[int, ...] | None:
    return None if codes is None else tuple(codes)


@frozen
class RetryPolicy:
    """When a failed attempt is tried again, and how long after.

    `attempts` counts all of them, the first included. `jitter` spreads the delay by up to that share,
    the same share each time for the same attempt. `exit_codes`, where given, are the only ones retried.
    """

    attempts: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(1000)],
        metadata=_help("how many in all, the first included"),
    )
    delay: timedelta = field(
        default=timedelta(seconds=10), converter=parse_duration, metadata=_help("time before the second attempt")
    )
    backoff: Backoff = field(
        default=Backoff.EXPONENTIAL, converter=Backoff, metadata=_help("how the delay grows from one to the next")
    )
    max_delay: timedelta = field(
        default=timedelta(minutes=5), converter=parse_duration, metadata=_help("the longest delay")
    )
    jitter: float = field(
        default=0.1,
        validator=[validators.ge(0.0), validators.le(1.0)],
        metadata=_help("the share by which a delay is spread"),
    )
    on: tuple[RetryOn, ...] = field(
        default=(RetryOn.FAILURE, RetryOn.TIMEOUT), converter=_retry_ends, metadata=_help("what is tried again")
    )
    exit_codes: tuple[int, ...] | None = field(
        default=None, converter=_codes, metadata=_help("the only exit codes that are tried again; all if absent")
    )


def _size(value: object) -> Size | None:
    return None if value is None else parse_size(value)


def _duration(value: object) -> timedelta | None:
    return None if value is None else parse_duration(value)


IoPriority = int | Literal["idle"]
"""Whom the disk serves first: 0 (first) to 7 (last), or only when nobody else wants it."""


def _io_priority(_: object, __: object, value: int | str | None) -> None:
    if value is not None and value != "idle" and not (isinstance(value, int) and 0 <= value <= 7):
        raise ValueError(f"'ionice' must be \"idle\", or 0 (first) to 7 (last), not {value!r}")


@frozen
class Limits:
    """Limits of an attempt, with all its processes together. None is no limit; `output` always has one.

    `open_files` and `file_size` are for each process and file. A limit that its executor can't enforce on this
    machine is an error when the job is loaded, unless `best_effort`.
    """

    memory: Size | None = field(default=None, converter=_size, metadata=_help("memory of all its processes together"))
    cpu_time: timedelta | None = field(
        default=None, converter=_duration, metadata=_help("time on the processor, of all its processes together")
    )
    processes: int | None = field(
        default=None,
        validator=validators.optional(validators.ge(1)),
        metadata=_help("how many processes and threads at once"),
    )
    open_files: int | None = field(
        default=None, validator=validators.optional(validators.ge(3)), metadata=_help("open files of one process")
    )
    file_size: Size | None = field(default=None, converter=_size, metadata=_help("size of a file that it writes"))
    output: Size = field(
        default=Size(10 << 20), converter=parse_size, metadata=_help("how much of what it prints is kept")
    )
    nice: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(-20), validators.le(19)]),
        metadata=_help("how far others go first: -20 to 19"),
    )
    ionice: IoPriority | None = field(
        default=None,
        validator=_io_priority,
        metadata=_help('whom the disk serves first: 0 (first) to 7 (last), or "idle"'),
    )
    best_effort: bool = field(
        default=False, metadata=_help("true: a limit that can't be enforced on this machine is left out")
    )

    @property
    def given(self) -> tuple[str, ...]:
        """The names of the limits that are set and need somebody to enforce them."""
        return tuple(name for name in ENFORCED if getattr(self, name) is not None)


ENFORCED = ("memory", "cpu_time", "processes", "open_files", "file_size", "nice", "ionice")
"""Limits that not every executor can enforce on every machine."""


@frozen
class Retention:
    """Retention of the history."""

    keep: timedelta = field(
        default=timedelta(days=90), converter=parse_duration, metadata=_help("how long runs and decisions are kept")
    )
    keep_failures: timedelta = field(
        default=timedelta(days=365), converter=parse_duration, metadata=_help("and runs that didn't succeed")
    )
    runs: int = field(
        default=1000,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("how many of each are kept of a job at most"),
    )
    events: int = field(
        default=10_000,
        validator=[validators.ge(0), validators.le(1_000_000)],
        metadata=_help("how many recorded events are kept of each name at most"),
    )
    output: Size = field(
        default=Size(100 << 20), converter=parse_size, metadata=_help("how much is kept of what a job's runs printed")
    )


@frozen
class NotifyPolicy:
    """Which ends of a run are told, and through which of the configured notifiers."""

    on: tuple[NotifyOn, ...] = field(
        default=(), converter=_notify_ends, metadata=_help("which ends are told; recovery is the first success after")
    )
    via: tuple[str, ...] = field(
        default=(), converter=tuple, metadata=_help("names of notifiers; all of them if empty")
    )
