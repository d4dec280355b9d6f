"""The command of a run: as its job was defined when the run was decided, as far as that is known."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from attrs import frozen

from rae_auto.model.run import Run
from rae_auto.model.run_inputs import invocation_of
from rae_auto.views.screens.parts.record_source import JobFacts, WorldSpan


@frozen(kw_only=True)
class RunDifference:
    """One way in which a run differs from the last good one."""

    subject: str
    then: str
    now: str


@frozen(kw_only=True)
class RunCommand:
    """The command of a run, its directory and the names of its variables, without those given by hand."""

    argv: tuple[str, ...] = ()
    directory: str | None = None
    variables: tuple[str, ...] = ()
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
    former = next((one for one in job.former_invocations if one.until > run.queued_at), None)
    invocation = invocation_of(job.definition) if former is None else former.invocation
    until, edited_at = None if former is None else former.until, job.edited_at
    is_unseen = (
        edited_at is not None
        and edited_at > run.queued_at
        and not job.is_edit_compared
        and (until is None or until < edited_at)
        and any(span.kind == "down" and span.until > edited_at for span in world)
    )
    return RunCommand(
        argv=invocation.argv,
        directory=invocation.directory,
        variables=invocation.variables,
        defined_until=until,
        doubted_since=edited_at if is_unseen else None,
    )


def find_command_differences(then: RunCommand, now: RunCommand) -> Iterator[RunDifference]:
    """Yield in which ways the commands of two runs differ, where both are known."""
    if then.doubted_since is not None or now.doubted_since is not None:
        return
    for subject, one, other in (
        ("command", then.argv, now.argv),
        ("directory", (then.directory or "-",), (now.directory or "-",)),
        ("variables", then.variables, now.variables),
    ):
        if one != other:
            yield RunDifference(subject=subject, then=" ".join(one) or "-", now=" ".join(other) or "-")
