"""Commands: requests that the engine may refuse.

`ask` is the token under which the requester waits for a `Reply`; None where there is none. A refusal is a Reply with
an error. Facts, which can't be refused, are in `events`.
"""

from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.engine.plan import Plan, Settings
from rae_auto.model.decision import Occurrence
from rae_auto.model.primitives.names import JobId, RunId
from rae_auto.model.reasons.requesters import Requester
from rae_auto.model.run_inputs import NO_INPUTS, RunInputs

Ask = int


@frozen
class AddJob:
    """Add a job to the store, or change the one with the same id if `replace` is set.

    `added_by` stays with the job. Reply: `{"job": id}`. Errors: DuplicateJob, InvalidJob.
    """

    plan: Plan
    replace: bool = False
    ask: Ask | None = None
    added_by: Requester | None = None


@frozen
class AddJobs:
    """Add many jobs to the store, each as `AddJob` does, and whole or not at all.

    Reply: under `refused` the errors of those that were refused, by their places in `plans`.
    """

    plans: tuple[Plan, ...]
    replace: bool = False
    ask: Ask | None = None
    added_by: Requester | None = None


@frozen
class RemoveJob:
    """Remove a job from the store. Reply: `{"job": id}`. Errors: JobNotFound, JobInUse."""

    job: JobId
    ask: Ask | None = None


@frozen
class RenameJob:
    """Give an added job the id of `plan`, which is its plan with that id.

    Reply: `{"job": id}`. Errors: JobNotFound, JobInUse, DuplicateJob.
    """

    job: JobId
    plan: Plan
    ask: Ask | None = None


@frozen
class SetPaused:
    """Pause a job, or resume it. A pause ends by itself when the wall clock shows `until`, if that is given.

    Reply: `{"job": id, "changed": bool}`. Errors: JobNotFound.
    """

    job: JobId
    paused: bool
    ask: Ask | None = None
    until: datetime | None = None
    note: str = ""


@frozen
class SkipStart:
    """Have the next scheduled start of a job skipped, or with `undo` take back the last such request.

    Reply: `{"job": id, "at": instant}`. Errors: JobNotFound, BadRequest if there is nothing to skip or to take back.
    """

    job: JobId
    undo: bool = False
    ask: Ask | None = None


@frozen
class Trigger:
    """Start a run by hand. Reply: `{"run_id": id}`. Errors: JobNotFound, NotStarted, InvalidJob, SchedulerClosed.

    A run that is `forced` starts whatever the state of the jobs is that it needs. `by` stays with the run. The key of a
    request that `can_repeat` is remembered, so that it is decided once.
    """

    occurrence: Occurrence
    ask: Ask | None = None
    inputs: RunInputs = NO_INPUTS
    forced: bool = False
    by: Requester | None = None
    can_repeat: bool = True


@frozen
class CancelRuns:
    """Cancel one run, or all open runs of a job. Reply: `{"cancelled": ids}`. Errors: JobNotFound, RunNotFound."""

    job: JobId | None = None
    run: RunId | None = None
    ask: Ask | None = None


@frozen
class Reconfigure:
    """Replace the settings and all jobs of the configuration; `plans` are all of them.

    Reply: ids under `added`, `changed` and `removed`. Errors: DuplicateJob.
    """

    settings: Settings
    plans: tuple[Plan, ...]
    ask: Ask | None = None


@frozen
class RefreshPlans:
    """Take plans whose plugins were made again, because files that they read have changed.

    A job that is gone, or has another definition by now, stays as it is. Reply: ids under `changed`.
    """

    plans: tuple[Plan, ...]
    ask: Ask | None = None


@frozen
class ChangeOutbox:
    """Deliver at once what waits for its next try or was given up, or with `discard` forget what is not delivered.

    It is about one notifier, or about all. Reply: `{"notices": count}`.
    """

    notifier: str | None = None
    discard: bool = False
    ask: Ask | None = None


@frozen
class Stop:
    """Stop: start nothing more, and interrupt after `grace` the runs that are active. A second one may shorten it.

    `leave_running` leaves runs that can be adopted to the next daemon. Reply: `{}`.
    """

    grace: timedelta
    leave_running: bool = False
    ask: Ask | None = None


Command = (
    AddJob
    | AddJobs
    | RemoveJob
    | RenameJob
    | SetPaused
    | SkipStart
    | Trigger
    | CancelRuns
    | Reconfigure
    | RefreshPlans
    | ChangeOutbox
    | Stop
)
