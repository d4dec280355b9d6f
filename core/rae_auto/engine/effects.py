"""The outcome of a step: changes to commit, then effects to perform.

Effects are requests. They are performed only after the changes of their step are durable, and each that can fail comes
back as an event.
"""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from attrs import define, field, frozen

from rae_auto.engine.commands import Ask
from rae_auto.errors import SchedulerError
from rae_auto.model.decision import Decision
from rae_auto.model.expectations import Breach
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.clock_jumps import ClockJump
from rae_auto.model.primitives.evolving.slots import maker_of, quick_init
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons import HandedOver
from rae_auto.model.run import Run

StoredValue = Job | JobState | Run | SeenOccurrence | OutboxNotice | Downtime
"""A value that is kept as a document."""


@quick_init
@frozen(weakref_slot=False)
class Save:
    """A value to write; its type and id say which document."""

    value: StoredValue


@quick_init
@frozen(weakref_slot=False)
class Discard:
    """A value to delete; its type and id say which document."""

    value: StoredValue


@quick_init
@frozen(weakref_slot=False)
class Record:
    """A finished run, or a decision to skip, to append to its log."""

    value: Run | Decision


Change = Save | Discard | Record

_make_save, _make_discard, _make_record = maker_of(Save), maker_of(Discard), maker_of(Record)


@quick_init
@frozen(weakref_slot=False)
class Start:
    """Start the run's current attempt."""

    run: Run
    job: Job


@frozen
class Cancel:
    """End an attempt: ask it to, and kill it after `grace`."""

    run: RunId
    attempt: int
    grace: timedelta


@frozen
class ReadGuards:
    """Read these guards of a job for a run; the answer is `GuardsRead`, whatever happens.

    The guards come by id with their readers, because the runtime may not have applied a reload yet.
    """

    run: RunId
    job: JobId
    guards: Mapping[str, object]


@frozen
class Deliver:
    """Deliver these notices, all for one notifier, as one; the answer is `DeliveryEnded`, whatever happens."""

    notices: tuple[OutboxNotice, ...]


@frozen
class DeliveryFailed:
    """Report that a notice, and `others` more, could not be delivered; they are tried again, or given up."""

    notice: OutboxNotice
    others: int = 0


@frozen
class ExpectationBreached:
    """Publish that a job is overdue, or that a run of it is running for too long; once for each breach."""

    job: Job
    breach: Breach


@frozen
class ExpectationMet:
    """Publish the end of a breach: the run that succeeded, or that has ended after all."""

    job: Job
    breach: Breach
    run: Run


@frozen
class QueueLeft:
    """Publish that an attempt left the queue elsewhere that `reason` names, after this time, and what took it."""

    run: Run
    reason: HandedOver
    waited: timedelta
    taken_by: str = ""


@frozen
class JobChanged:
    """Publish that a job was added, changed, removed, paused or resumed."""

    job: JobId
    change: str


@frozen
class Reply:
    """Answer a request, with a value or with an error."""

    ask: Ask
    value: Mapping[str, Any] | SchedulerError


@frozen
class ClockJumped:
    """Publish that the machine slept, or that its clock was set."""

    jump: ClockJump
    by: timedelta


@frozen
class EngineStopped:
    """End the daemon: no run is active that it would have to wait for."""


Effect = (
    Start
    | Cancel
    | ReadGuards
    | Deliver
    | DeliveryFailed
    | ExpectationBreached
    | ExpectationMet
    | QueueLeft
    | JobChanged
    | ClockJumped
    | Reply
    | EngineStopped
)


@frozen(eq=False)
class PartFailure:
    """A fault of the engine: the part of the turn that raised and was undone, and its error."""

    part: str
    error: Exception


@define
class Step:
    """The outcome of one command or event, in the order in which it came about.

    `part_ends` are the places in `changes` where a part of the turn ended. What is durable may end at each of them,
    but nowhere else.
    """

    changes: list[Change] = field(factory=list)
    effects: list[Effect] = field(factory=list)
    decisions: list[Decision] = field(factory=list)
    part_ends: list[int] = field(factory=list)
    failures: list[PartFailure] = field(factory=list)
    is_refused: bool = False
    """The input itself could not be handled because of a fault, and has changed nothing."""
    _kept: tuple[int, int, int] = (0, 0, 0)

    def parts(self) -> Iterator[list[Change]]:
        """Iterate over the changes, part by part."""
        begin = 0
        for end in [*self.part_ends, len(self.changes)]:
            if end > begin:
                yield self.changes[begin:end]
                begin = end

    def keep(self) -> None:
        """End a part: what there is so far stays."""
        changes = len(self.changes)
        if changes != self._kept[0]:
            self.part_ends.append(changes)
        self._kept = (changes, len(self.effects), len(self.decisions))

    def roll_back(self) -> None:
        """Drop what came after the last `keep`."""
        changes, effects, decisions = self._kept
        del self.changes[changes:], self.effects[effects:], self.decisions[decisions:]

    def save(self, value: StoredValue) -> None:
        """Have a value written."""
        self.changes.append(_make_save(value))

    def discard(self, value: StoredValue) -> None:
        """Have a value deleted."""
        self.changes.append(_make_discard(value))

    def record(self, value: Run | Decision) -> None:
        """Have a value appended to its log."""
        self.changes.append(_make_record(value))

    def request(self, effect: Effect) -> None:
        """Have an effect performed."""
        self.effects.append(effect)

    def reply(self, ask: Ask | None, value: Mapping[str, Any] | SchedulerError) -> None:
        """Answer a request, if it waits for an answer."""
        if ask is not None:
            self.effects.append(Reply(ask, value))
