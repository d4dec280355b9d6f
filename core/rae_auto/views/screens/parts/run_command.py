"""The command of a run: as its job was defined when the run was decided, as far as that is known.

The store has only the present definition, and when which part of it was changed: what a job was before may have had a
secret in it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from rae_auto.model.job_state import MAX_FORMER_INVOCATIONS, FormerInvocation
from rae_auto.model.reasons.base import TimeFormat
from rae_auto.model.run import Run
from rae_auto.model.run_inputs import INVOCATION_PARTS, invocation_of
from rae_auto.views.screens.parts.record_source import JobFacts, WorldSpan


@frozen(kw_only=True)
class RunDifference:
    """One way in which a run differs from the last good one."""

    subject: str
    then: str
    now: str


@frozen(kw_only=True)
class RunCommand:
    """The command of a run, its directory and the names of its variables, without those given by hand.

    Parts that were `others` then aren't known, and empty.
    """

    argv: tuple[str, ...] = ()
    directory: str | None = None
    variables: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    is_forgotten: bool = False
    """True if the run is older than the changes that are kept, so that each part may have been another."""
    defined_until: datetime | None = None
    """When the job got another command, directory or variables; None while this is its definition."""
    doubted_since: datetime | None = None
    """When the configuration was saved, if what the run started may have been changed by that: no daemon compared it
    with what was there before."""


NO_COMMAND = RunCommand()
"""The command of a run whose job is no longer defined."""


def find_run_command(run: Run, job: JobFacts | None, world: Sequence[WorldSpan]) -> RunCommand:
    """Return the command of a run. A reload notes what it replaces; `world` has the downtimes since the run."""
    if job is None:
        return NO_COMMAND
    later = [one for one in job.former_invocations if one.until > run.queued_at]
    is_forgotten = len(later) >= MAX_FORMER_INVOCATIONS
    others = INVOCATION_PARTS if is_forgotten else _parts_of(later)
    invocation, edited_at = invocation_of(job.definition), job.edited_at
    until = later[0].until if later else None
    is_unseen = (
        edited_at is not None
        and edited_at > run.queued_at
        and not job.is_edit_compared
        and (until is None or until < edited_at)
        and any(span.kind == "down" and span.until > edited_at for span in world)
    )
    return RunCommand(
        argv=() if "command" in others else invocation.argv,
        directory=None if "directory" in others else invocation.directory,
        variables=() if "variables" in others else invocation.variables,
        others=others,
        is_forgotten=is_forgotten,
        defined_until=until,
        doubted_since=edited_at if is_unseen else None,
    )


def find_command_differences(good: Run, run: Run, job: JobFacts | None, time: TimeFormat) -> Iterator[RunDifference]:
    """Yield which parts of the definition were changed between two runs, and when: not what they were before."""
    if job is None:
        return
    between = [one for one in job.former_invocations if good.queued_at < one.until <= run.queued_at]
    for part in _parts_of(between):
        changes = [one.until for one in between if part in one.changed]
        yield RunDifference(
            subject=part, then=f"as defined until {time(changes[0])}", now=f"as defined since {time(changes[-1])}"
        )


def _parts_of(changes: Sequence[FormerInvocation]) -> tuple[str, ...]:
    """Return the parts that changes are about, in their order."""
    changed = {part for one in changes for part in one.changed}
    return tuple(part for part in INVOCATION_PARTS if part in changed)
