"""The contract of triggers: a schedule computes instants, a source watches the world."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from attrs import evolve, frozen

from rae_auto.api.events import Events
from rae_auto.api.plugin import Plugin
from rae_auto.model.primitives.instants import Moment
from rae_auto.model.primitives.names import RunId
from rae_auto.model.reasons import Reason
from rae_auto.model.schedule import RunPoint


class ScheduleTrigger(Plugin):
    """A trigger that computes instants. Make it `attrs.frozen`: equal ones are computed once and shared.

    Being pure it can be simulated, previewed and caught up. A field named `timezone` left at None is filled
    with the configuration's zone before the class is made.
    """

    jitter: timedelta = timedelta(0)
    """Each start is delayed by a share of this, the same for the same job and instant."""

    @abstractmethod
    def next_after(self, instant: datetime) -> datetime | None:
        """Return the first instant (aware) strictly after `instant`, or None when the schedule has ended. Pure."""

    def run_point(self) -> RunPoint | None:
        """Return the point of the job's last run from which it counts, or None if it goes by the clock alone. Pure.

        The engine then asks `count_from` for its instants. `next_after` of this one is for previews: the next
        instant if a run started, or ended, at `instant`.
        """
        return None

    def count_from(self, instant: datetime) -> "ScheduleTrigger":
        """Return the schedule after a run of the job that started, or ended, at `instant`. Pure.

        All its instants come later than that, and never end, because one that is skipped starts no run.
        """
        return self

    def event_at(self, instant: datetime) -> Mapping[str, Any] | None:
        """Return what a run of one of its instants gets as event, as JSON, or None for nothing. Pure."""
        return None

    def note(self, instant: datetime) -> str | None:
        """Return a remark on one of its instants in one line, for instance on a shift by DST, or None. Pure."""
        return None

    def describe(self) -> str:
        """Return when the trigger fires as part of a sentence, without a full stop. Pure."""
        return self.summary()


@frozen
class EmitResult:
    """Outcome of an emitted occurrence: its run, or the reason why there is none."""

    run: RunId | None = None
    reason: Reason | None = None


class Emit(Protocol):
    """Function by which a source emits an occurrence; it returns once the decision is durable."""

    def __call__(
        self,
        key: str,
        event: Mapping[str, Any] | None = None,
        at: datetime | None = None,
        *,
        feedback_key: str | None = None,
    ) -> Awaitable[EmitResult]:
        """Emit an occurrence. `key` identifies it, so that it is decided once however often it is emitted.

        `feedback_key` names what the job itself may have caused, such as a path. Occurrences that repeatedly follow
        directly after the job's own run are refused with `FeedbackLoop`, and the source offers them again later.
        """
        ...


class Timer(Protocol):
    """The clocks of a source; a test brings its own."""

    def now(self) -> Moment:
        """Return the time of all clocks."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after this time, not counting the time that the machine sleeps."""
        ...

    async def sleep_until(self, instant: datetime) -> None:
        """Return at the instant, or before that when the machine has slept or its clock was set: look again then."""
        ...


def _discard_trace(_: str) -> None:
    pass


async def _withdraw_nothing(_: str, __: str) -> None:
    pass


async def _refuse_pattern(trigger: "SourceTrigger", _: "TriggerContext") -> None:
    raise NotImplementedError(f"this context runs no patterns, and {trigger.type} is one")


@frozen
class TriggerContext:
    """Everything a source works with. `directory` is its own and survives restarts; it need not exist yet.

    `since` is when it was given to its job, if that is known: one that starts for the first time misses nothing then.
    """

    job: str
    trigger: str
    directory: Path
    emit: Emit
    """Fires an occurrence: its key, its event, and more by name; returns once the decision is durable."""
    timer: Timer
    """Clocks and `sleep`. Tests move them."""
    events: Events
    """Reads and records events."""
    trace: Callable[[str], None] = _discard_trace
    """Takes a line about what the trigger observes; only `rae-auto test-trigger` shows it."""
    since: datetime | None = None
    run_pattern: Callable[["SourceTrigger", "TriggerContext"], Awaitable[None]] = _refuse_pattern
    """Runs a pattern in real time; its `watch` calls this."""
    withdraw: Callable[[str, str], Awaitable[None]] = _withdraw_nothing
    """Withdraws the occurrence of a key whose `delay` isn't over yet, and returns once that is durable.

    The second argument names the event that ended the delay. An occurrence whose delay is over stays as it is.
    """

    def part(self, name: str, emit: Emit) -> "TriggerContext":
        """Return the context of a trigger inside this one, with a directory and an `emit` of its own."""
        return evolve(self, trigger=f"{self.trigger}.{name}", directory=self.directory / name, emit=emit)


class SourceTrigger(Plugin):
    """A trigger that watches something and emits what happens."""

    delay: timedelta = timedelta(0)
    """The time from an event to its start. The engine waits for it, over restarts too; `emit` returns at once."""

    @abstractmethod
    async def watch(self, context: TriggerContext) -> None:
        """Watch until cancelled. Returning ends the source for good; raising has it restarted, ever later."""

    def upstream_jobs(self) -> tuple[str, ...]:
        """Return the jobs whose ends it waits for. They must exist, and cycles are refused."""
        return ()

    def can_burst(self) -> bool:
        """Return whether one thing that happens can bring several occurrences at once, such as one for each file."""
        return False

    def describe(self) -> str:
        """Return when the trigger fires as part of a sentence, without a full stop. Pure."""
        return self.summary()


Trigger = ScheduleTrigger | SourceTrigger
"""Any trigger; as the type of an option it takes a trigger as people write one, a name or a table with `type`."""
