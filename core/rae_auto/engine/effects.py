"""What a step of the engine comes to: changes to commit, then effects to perform.

Effects are wishes. They are carried out only after the changes of their step are durable, and each that can fail
comes back as an event.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import define, field, frozen

from rae_auto.engine.events import Ask
from rae_auto.engine.time.clock_jumps import Jump
from rae_auto.errors import SchedulerError
from rae_auto.model.decision import Decision
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState, Seen
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import Run


@frozen
class Save:
    """The value is as given from now on; its type and id say which."""

    value: Job | JobState | Run | Seen


@frozen
class Discard:
    """There is no such value any more."""

    value: Job | JobState | Run | Seen


@frozen
class Record:
    """Something is over and goes into its log: a finished run, a decision to skip."""

    value: Run | Decision


Change = Save | Discard | Record


@frozen
class Start:
    """Start the run's current attempt."""

    run: Run
    job: Job


@frozen
class Cancel:
    """End an attempt: ask it, and force it after `grace`."""

    run: RunId
    attempt: int
    grace: timedelta


@frozen
class ReadGuards:
    """Read these guards of the job for the run; the answer is `GuardsRead`, whatever happens.

    They come by their ids with what they are read with: a reload need not have reached the shell yet.
    """

    run: RunId
    job: JobId
    guards: Mapping[str, object]


@frozen
class Notify:
    """Tell people about the end of a run."""

    kind: NotifyOn
    job: Job
    run: Run


@frozen
class JobChanged:
    """Tell whoever listens that a job was added, changed, removed, paused or resumed."""

    job: JobId
    change: str


@frozen
class Reply:
    """Answer the asker: with a value, or with the error that it deserves."""

    ask: Ask
    value: Mapping[str, Any] | SchedulerError


@frozen
class ClockJumped:
    """Tell whoever listens that the machine slept, or that its clock was set."""

    jump: Jump
    by: timedelta


@frozen
class Stopped:
    """Nothing is in hand any more: the daemon may go."""


Effect = Start | Cancel | ReadGuards | Notify | JobChanged | ClockJumped | Reply | Stopped


@define
class Step:
    """The outcome of one event, in the order in which things came about."""

    changes: list[Change] = field(factory=list)
    effects: list[Effect] = field(factory=list)
    decisions: list[Decision] = field(factory=list)

    def save(self, value: Job | JobState | Run | Seen) -> None:
        self.changes.append(Save(value))

    def discard(self, value: Job | JobState | Run | Seen) -> None:
        self.changes.append(Discard(value))

    def record(self, value: Run | Decision) -> None:
        self.changes.append(Record(value))

    def request(self, effect: Effect) -> None:
        self.effects.append(effect)

    def reply(self, ask: Ask | None, value: Mapping[str, Any] | SchedulerError) -> None:
        """Answer the asker, if anybody asked."""
        if ask is not None:
            self.effects.append(Reply(ask, value))
