"""Events: facts that the engine has to accept. Requests that it may refuse are in `commands`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from attrs import field, frozen

from rae_auto.engine.commands import Ask
from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.decision import Occurrence
from rae_auto.model.guard import GuardResult
from rae_auto.model.job_state import JobState, SeenOccurrence
from rae_auto.model.notices.downtime import Downtime
from rae_auto.model.notices.outbox import OutboxNotice
from rae_auto.model.primitives.evolving.slots import quick_init
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.run import QueuePlace, Result, Run


@frozen
class Restored:
    """The contents of configuration and store, when the daemon has started.

    What is known of active attempts (`AttemptFound`, `AttemptEnded`) comes next, and then a `TimePassed`. With
    `is_reverted` the store went back to an older state, and all open runs come as uncertain.
    """

    settings: Settings
    plans: tuple[Plan, ...] = ()
    states: tuple[JobState, ...] = ()
    runs: tuple[Run, ...] = ()
    seen: tuple[SeenOccurrence, ...] = ()
    is_reverted: bool = False
    notices: tuple[OutboxNotice, ...] = ()
    downtime: Downtime | None = None
    """The span before this start, if it is known."""
    last_downtime: Downtime | None = None
    """The latest one that the store knows of."""


@frozen
class TimePassed:
    """A moment later than the last one; the engine compares the clocks, and handles what is due."""


@frozen
class TriggerFired:
    """An occurrence that a source reports.

    `feedback_key` names what may be the effect of the job's own last run, if it may be that. The reply, where `ask`
    is given, is `{"run_id": id}` or `{"reason": reason}`; the errors are JobNotFound and SchedulerClosed.
    """

    occurrence: Occurrence
    ask: Ask | None = None
    feedback_key: str | None = None


@frozen
class OccurrenceWithdrawn:
    """An occurrence that a source takes back, because an event `by` came before its delay was over.

    The reply, where `ask` is given, is `{"withdrawn": bool}`.
    """

    job: JobId
    trigger: str
    key: str
    by: str
    ask: Ask | None = None


@frozen
class GuardsRead:
    """The answers of a job's guards that the engine requested with `ReadGuards`; each of them has one."""

    run: RunId
    results: Mapping[str, GuardResult]


@quick_init
@frozen(weakref_slot=False)
class AttemptStarted:
    """An attempt that an executor has started; `handle` finds it again after a crash.

    With a `queue` it waits for its turn there, and `AttemptDequeued` follows.
    """

    run: RunId
    attempt: int
    handle: Mapping[str, Any] = field(factory=dict)
    queue: QueuePlace | None = None


@frozen
class AttemptDequeued:
    """An attempt that left a queue elsewhere, this long `ago`: its time counts from then on.

    `taken_by` names what took it, such as a worker; "" where that isn't known.
    """

    run: RunId
    attempt: int
    ago: timedelta = timedelta(0)
    taken_by: str = ""


@quick_init
@frozen(weakref_slot=False)
class AttemptEnded:
    """An attempt that is over, or could not be started (`result.error` says why)."""

    run: RunId
    attempt: int
    result: Result


@frozen
class AttemptFound:
    """An attempt after a restart: alive (its `handle`), or with an unknown result (None).

    `started` is False where it is known never to have started. One that has ended meanwhile comes as `AttemptEnded`.
    With a `queue` it waits there, or has just been taken out: `AttemptDequeued` follows. `silent` is how long
    ago the node of an attempt that is given up was last there, where that is known.
    """

    run: RunId
    attempt: int
    handle: Mapping[str, Any] | None = None
    started: bool = True
    queue: QueuePlace | None = None
    silent: timedelta | None = None


@frozen
class DeliveryEnded:
    """The end of a delivery that the engine requested with `Deliver`: of these notices, by their keys.

    `error` says in one line why it failed; None if it succeeded.
    """

    keys: tuple[str, ...]
    error: str | None = None


Fact = GuardsRead | AttemptStarted | AttemptDequeued | AttemptEnded | AttemptFound | DeliveryEnded
"""Facts that are reported once; the others come again by themselves."""

Event = Restored | TimePassed | TriggerFired | OccurrenceWithdrawn | Fact
