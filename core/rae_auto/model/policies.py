"""The policies of a job: frozen values with careful defaults."""

from collections.abc import Iterable
from datetime import timedelta
from enum import IntEnum, StrEnum
from operator import attrgetter
from typing import Literal

from attrs import field, frozen, validators

from rae_auto.errors import BadRequest
from rae_auto.model.primitives.choices import choose
from rae_auto.model.primitives.daily_spans import parse_daily_span
from rae_auto.model.primitives.problems import Problem, describe_value, raise_if_any
from rae_auto.model.primitives.units import Size, parse_duration, parse_size
from rae_auto.model.value_checks import check_positive, name_wrong_values_of_policy


class Priority(IntEnum):
    """Priority of a job's runs in the queue. A level is a head start, so nothing starves."""

    LOW = 0
    NORMAL = 1
    HIGH = 2
    CRITICAL = 3


class Overlap(StrEnum):
    """Policy for an occurrence that is due while the job has an open run."""

    SKIP = "skip"
    QUEUE = "queue"
    REPLACE = "replace"
    ALLOW = "allow"


class CatchUp(StrEnum):
    """Policy for occurrences missed during downtime, suspend or a clock step: which of them run late."""

    NONE = "none"
    LATEST = "latest"
    ALL = "all"


class OnCrash(StrEnum):
    """Policy for a run whose result is unknown after a crash."""

    FAIL = "fail"
    RERUN = "rerun"


class Backoff(StrEnum):
    """Growth of the delay from one retry to the next."""

    CONSTANT = "constant"
    LINEAR = "linear"
    EXPONENTIAL = "exponential"


class RetryOn(StrEnum):
    """Results of an attempt that can be retried."""

    FAILURE = "failure"
    TIMEOUT = "timeout"
    LOST = "lost"


class NotifyOn(StrEnum):
    """Events in the life of a job that people can be notified of."""

    START = "start"
    FAILURE = "failure"
    RECOVERY = "recovery"
    SUCCESS = "success"
    LOST = "lost"
    LATE = "late"
    OVERRUN = "overrun"
    SKIPPED = "skipped"
    DOWNTIME = "downtime"
    BACK = "back"

    @property
    def is_good(self) -> bool:
        """True for good news, which need not interrupt a person."""
        return self in (NotifyOn.START, NotifyOn.RECOVERY, NotifyOn.SUCCESS, NotifyOn.BACK)


class Shift(StrEnum):
    """Days to which a start is moved where a guard forbids its own: of two that are as near, NEAREST is the later."""

    NEXT = "next"
    PREVIOUS = "previous"
    NEAREST = "nearest"


class FailOn(StrEnum):
    """Signs of failure that count beside the exit code."""

    STDERR = "stderr"


def _help(text: str, **more: str) -> dict[str, str]:
    return {"help": text, **more}


# Type checkers take a constructor's types from named converters, so each enumeration has one.


def to_priority(value: str | Priority) -> Priority:
    """Return a priority by its word."""
    return choose(value, Priority)


def to_overlap(value: str | Overlap) -> Overlap:
    """Return an overlap policy by its word."""
    return choose(value, Overlap)


def to_shift(value: str | Shift | None) -> Shift | None:
    """Return a shift by its word; None stays."""
    return None if value is None else choose(value, Shift)


def to_catch_up(value: str | CatchUp) -> CatchUp:
    """Return a catch-up policy by its word."""
    return choose(value, CatchUp)


def to_on_crash(value: str | OnCrash | None) -> OnCrash | None:
    """Return a policy for crashes by its word; None stays None."""
    return None if value is None else choose(value, OnCrash)


def to_fail_on(values: str | Iterable[str | FailOn]) -> tuple[FailOn, ...]:
    """Return signs of failure by their words."""
    return tuple(choose(value, FailOn) for value in _as_tuple(values))


def _to_backoff(value: str | Backoff) -> Backoff:
    return choose(value, Backoff)


def _retry_ends(names: Iterable[str | RetryOn]) -> tuple[RetryOn, ...]:
    return tuple(choose(name, RetryOn) for name in _as_tuple(names))


def _notify_ends(names: Iterable[str | NotifyOn]) -> tuple[NotifyOn, ...]:
    return tuple(choose(name, NotifyOn) for name in _as_tuple(names))


def _as_tuple(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _notifier_names(names: Iterable[str]) -> tuple[str, ...]:
    return _as_tuple(names)


def _codes(codes: int | Iterable[int] | None) -> tuple[int, ...] | None:
    return None if codes is None else (codes,) if isinstance(codes, int) else tuple(codes)


def _check_codes(_: object, __: object, codes: tuple[int, ...] | None) -> None:
    raise_if_any(
        Problem(("exit_codes", index), f"must be a whole number, not {describe_value(code)}")
        for index, code in enumerate(codes or ())
        if type(code) is not int
    )


def _check_names(_: object, __: object, names: tuple[str, ...]) -> None:
    raise_if_any(
        Problem(("via", index), f"must be the name of a notifier, not {describe_value(name)}")
        for index, name in enumerate(names)
        if not isinstance(name, str)
    )


@frozen
class RetryPolicy:
    """Policy for retries: which failed attempts are retried, how often, and after which delay.

    `attempts` counts all attempts, including the first. `jitter` spreads the delay by up to that share, the same for
    the same attempt. Only the exit codes in `exit_codes` are retried, if given.
    """

    attempts: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(1000)],
        metadata=_help("number of attempts, including the first"),
    )
    delay: timedelta = field(
        default=timedelta(seconds=10), converter=parse_duration, metadata=_help("delay before the second attempt")
    )
    backoff: Backoff = field(
        default=Backoff.EXPONENTIAL,
        converter=_to_backoff,
        metadata=_help("how the delay grows from one attempt to the next"),
    )
    max_delay: timedelta = field(
        default=timedelta(minutes=5), converter=parse_duration, metadata=_help("maximum delay")
    )
    jitter: float = field(
        default=0.1,
        validator=[validators.ge(0.0), validators.le(1.0)],
        metadata=_help("the share by which a delay is spread"),
    )
    on: tuple[RetryOn, ...] = field(
        default=(RetryOn.FAILURE, RetryOn.TIMEOUT), converter=_retry_ends, metadata=_help("results that are retried")
    )
    exit_codes: tuple[int, ...] | None = field(
        default=None,
        converter=_codes,
        validator=_check_codes,
        metadata=_help("the only exit codes that are retried; all if absent"),
    )


def _size(value: object) -> Size | None:
    return None if value is None else parse_size(value)


def _duration(value: object) -> timedelta | None:
    return None if value is None else parse_duration(value)


IoPriority = int | Literal["idle"]
"""Disk priority: 0 (first) to 7 (last), or "idle" for only when the disk is otherwise idle."""


def _io_priority(_: object, __: object, value: int | str | None) -> None:
    if value is not None and value != "idle" and not (isinstance(value, int) and 0 <= value <= 7):
        raise ValueError(f"'ionice' must be \"idle\", or 0 (first) to 7 (last), not {describe_value(value)}")


@frozen
class Limits:
    """Limits of an attempt, for all its processes together. None means no limit; `output` always has one.

    `open_files` and `file_size` apply to each process and file. A limit that the executor can't enforce on this machine
    is an error when the job is loaded, unless `best_effort` is set.
    """

    memory: Size | None = field(default=None, converter=_size, metadata=_help("memory of all its processes together"))
    cpu_time: timedelta | None = field(
        default=None, converter=_duration, metadata=_help("processor time of all its processes together")
    )
    processes: int | None = field(
        default=None,
        validator=validators.optional(validators.ge(1)),
        metadata=_help("number of processes and threads at a time"),
    )
    open_files: int | None = field(
        default=None, validator=validators.optional(validators.ge(3)), metadata=_help("open files of one process")
    )
    file_size: Size | None = field(
        default=None, converter=_size, metadata=_help("size of a file that a process writes")
    )
    output: Size = field(default=Size(10 << 20), converter=parse_size, metadata=_help("how much of its output is kept"))
    nice: int | None = field(
        default=None,
        validator=validators.optional([validators.ge(-20), validators.le(19)]),
        metadata=_help("processor priority, from -20 (first) to 19 (last)"),
    )
    ionice: IoPriority | None = field(
        default=None,
        validator=_io_priority,
        metadata=_help('disk priority, from 0 (first) to 7 (last), or "idle"'),
    )
    best_effort: bool = field(default=False, metadata=_help("true: ignore limits that this machine can't enforce"))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the limits that are set and that the executor has to enforce."""
        values = _enforced_values(self)
        # As of most jobs.
        return () if values == _NOT_SET else tuple(name for name in ENFORCED if getattr(self, name) is not None)


ENFORCED = ("memory", "cpu_time", "processes", "open_files", "file_size", "nice", "ionice")
"""Limits that not every executor can enforce on every machine."""

_enforced_values, _NOT_SET = attrgetter(*ENFORCED), (None,) * len(ENFORCED)


@frozen
class Retention:
    """Retention of the history."""

    keep: timedelta = field(
        default=timedelta(days=90),
        converter=parse_duration,
        metadata=_help("how long successful and skipped runs, and decisions, are kept"),
    )
    keep_failures: timedelta = field(
        default=timedelta(days=365),
        converter=parse_duration,
        metadata=_help("how long all other finished runs are kept"),
    )
    runs: int = field(
        default=1000,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("maximum number of each of these, per job"),
    )
    events: int = field(
        default=10_000,
        validator=[validators.ge(0), validators.le(1_000_000)],
        metadata=_help("maximum number of recorded events of each name"),
    )
    output: Size = field(
        default=Size(100 << 20), converter=parse_size, metadata=_help("maximum size of the output of a job's runs")
    )


def _check_spans(_: object, __: object, spans: Iterable[str]) -> None:
    raise_if_any(
        Problem(("quiet_hours", index), what)
        for index, span in enumerate(spans)
        if (what := _find_problem_of_span(span)) is not None
    )


def _find_problem_of_span(span: str) -> str | None:
    try:
        parse_daily_span(span)
    except ValueError as error:
        return str(error)
    return None


@frozen
class NoticeLimit:
    """Limit of the notices about a job: further ones are held until the period ends, and delivered together."""

    notices: int = field(
        default=10,
        validator=[validators.ge(1), validators.le(10_000)],
        metadata=_help("how many notices are delivered at once in a period"),
    )
    per: timedelta = field(
        default=timedelta(hours=1),
        converter=parse_duration,
        validator=check_positive,
        metadata=_help("length of a period; it begins with its first notice"),
    )


_LIMIT = NoticeLimit()


@frozen
class NotifyPolicy:
    """Policy for notifications: which events are reported, when, and by which of the configured notifiers."""

    on: tuple[NotifyOn, ...] = field(
        default=(),
        converter=_notify_ends,
        metadata=_help(
            "events to report: start, failure, recovery, success, lost, late and overrun (by expect), skipped, "
            "downtime, back (the daemon, after one)"
        ),
    )
    via: tuple[str, ...] = field(
        default=(),
        converter=_notifier_names,
        validator=_check_names,
        metadata=_help("names of notifiers; all if empty"),
    )
    after: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("report failures only from this number in a row on"),
    )
    every: int = field(
        default=1,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("of the failures in a row after that, report only each of this number"),
    )
    skips: int = field(
        default=3,
        validator=[validators.ge(1), validators.le(1_000_000)],
        metadata=_help("report skipped starts each time that so many more have come in a row"),
    )
    quiet_hours: tuple[str, ...] = field(
        default=(),
        converter=_notifier_names,
        validator=_check_spans,
        metadata=_help(
            "when notices are held, by the configured time zone; they are delivered together afterwards",
            hint='write ["22:00-07:00"]',
        ),
    )
    digest: timedelta | None = field(
        default=None,
        converter=_duration,
        validator=check_positive,
        metadata=_help("gather notices for so long, from the first one on, and deliver them together"),
    )
    limit: NoticeLimit = field(
        default=_LIMIT, metadata=_help("how many notices about the job are delivered at once in which time")
    )


for _policy in (RetryPolicy, Limits, NoticeLimit, NotifyPolicy):
    name_wrong_values_of_policy(_policy)
name_wrong_values_of_policy(Retention, BadRequest)
