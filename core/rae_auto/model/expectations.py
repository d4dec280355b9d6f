"""Expectations of a job: how often it must succeed, how long a run may take, and the breaches of that.

A breach changes nothing about the runs of a job; it is stored, shown, and reported once until it is over.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import ClassVar

from attrs import evolve, field, frozen

from rae_auto.model.primitives.clock_jumps import CLOCK_JUMP_THRESHOLD, clock_step
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.primitives.units import format_duration, parse_duration
from rae_auto.model.reasons.base import TimeFormat, time_text
from rae_auto.model.value_checks import check_positive, name_wrong_values_of_policy

DEFAULT_GRACE_SHARE = 10
"""The default grace is `every` divided by this: enough for a day of 25 hours."""


def _duration(value: object) -> timedelta | None:
    return None if value is None else parse_duration(value)


def _help(text: str) -> Mapping[str, str]:
    return {"help": text}


@frozen
class ExpectPolicy:
    """Expectations of a job. Without `every` no success is expected, without `max_runtime` no end."""

    every: timedelta | None = field(
        default=None,
        converter=_duration,
        validator=check_positive,
        metadata=_help("the longest time from one success to the next; when it and grace are over the job is overdue"),
    )
    grace: timedelta | None = field(
        default=None,
        converter=_duration,
        metadata=_help("how much longer than every a success may take; by default a tenth of every"),
    )
    max_runtime: timedelta | None = field(
        default=None,
        converter=_duration,
        validator=check_positive,
        metadata=_help("how long a run may run, all its attempts together, until it is reported; it goes on running"),
    )

    @property
    def grace_time(self) -> timedelta:
        """The grace: the given one, or a tenth of `every`."""
        if self.grace is not None:
            return self.grace
        return timedelta(0) if self.every is None else self.every / DEFAULT_GRACE_SHARE

    @property
    def limit(self) -> timedelta | None:
        """The time from one success to the next after which the job is overdue."""
        return None if self.every is None else self.every + self.grace_time


@frozen
class Expectation:
    """The wait for a job's next success.

    It began at `since`, by all clocks: with the latest success, or when the job came to be expected. `extended_by` is
    how much longer it may take because the daemon was down, or the machine slept, when it should have come.
    `overdue_at` is when the time was noticed to be over.
    """

    since: Moment
    extended_by: timedelta = timedelta(0)
    overdue_at: datetime | None = None

    def expected_by(self, policy: ExpectPolicy) -> datetime | None:
        """Return by when the success is expected; None if none is."""
        return None if policy.limit is None else self.since.wall + policy.limit + self.extended_by

    def time_left(self, policy: ExpectPolicy, now: Moment) -> timedelta | None:
        """Return how long the success may still take, negative if it is overdue; None if none is expected."""
        return None if policy.limit is None else policy.limit + self.extended_by - now.elapsed_since(self.since)

    def extend(self, policy: ExpectPolicy, now: Moment) -> "Expectation":
        """Return the expectation with a whole grace from now on, once, because missed runs start only now."""
        left = self.time_left(policy, now)
        if left is None or left >= policy.grace_time or self.extended_by or self.overdue_at is not None:
            return self
        return evolve(self, extended_by=policy.grace_time - left)

    def after_clock_set(self, by: timedelta) -> "Expectation":
        """Return this expectation after the wall clock was set, back if `by` is negative, with as much time left."""
        return evolve(self, since=evolve(self.since, wall=self.since.wall + by))

    def move_to_boot(self, now: Moment) -> "Expectation":
        """Return the expectation by the clocks of this boot; after a reboot the wall clock has to be trusted."""
        if self.since.boot and self.since.boot == now.boot:
            set_by = clock_step(self.since, now)
            return self.after_clock_set(set_by) if abs(set_by) > CLOCK_JUMP_THRESHOLD else self
        return evolve(self, since=now.later(-now.elapsed_since(self.since)))


@frozen
class Overdue:
    """A job that has not succeeded for longer than `expect.every` and its grace allow."""

    code: ClassVar[str] = "overdue"

    expected_by: datetime
    since: datetime
    every: timedelta
    grace: timedelta

    @property
    def text(self) -> str:
        """The breach as a clause, for a person."""
        return self.describe(time_text)

    def describe(self, time: TimeFormat) -> str:
        """Return the breach as a clause, with instants as `time` shows them."""
        return (
            f"no run has succeeded since {time(self.since)}, and one was expected by {time(self.expected_by)} "
            f'(expect.every = "{format_duration(self.every)}", grace "{format_duration(self.grace)}")'
        )


@frozen
class Overrun:
    """A run that has been running for longer than `expect.max_runtime`."""

    code: ClassVar[str] = "overrun"

    run: RunId
    started_at: datetime
    max_runtime: timedelta

    @property
    def text(self) -> str:
        """The breach as a clause, for a person."""
        return self.describe(time_text)

    def describe(self, time: TimeFormat) -> str:
        """Return the breach as a clause, with instants as `time` shows them."""
        limit = format_duration(self.max_runtime)
        return (
            f'it has been running since {time(self.started_at)}, longer than expected (expect.max_runtime = "{limit}")'
        )


Breach = Overdue | Overrun
"""An expectation that is not met."""


def describe_overdue(policy: ExpectPolicy, expectation: Expectation | None) -> Overdue | None:
    """Return what is overdue; None if nothing is."""
    if expectation is None or expectation.overdue_at is None or policy.every is None:
        return None
    expected_by = expectation.expected_by(policy)
    assert expected_by is not None
    return Overdue(expected_by, expectation.since.wall, policy.every, policy.grace_time)


name_wrong_values_of_policy(ExpectPolicy)
