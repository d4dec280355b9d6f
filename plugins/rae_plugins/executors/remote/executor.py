"""The executor whose attempts run on another machine: what `ssh` and `dask` have in common."""

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor, JobContext, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.names import RunId
from rae_auto.model.run import Result
from rae_plugins.executors.remote.attempt import RemoteAttempt
from rae_plugins.executors.remote.line import ProcessLine
from rae_plugins.executors.remote.request import build_request, describe_problem_of_job, name_attempt

FIND_SECONDS = 3.0
"""Time for which a new daemon waits for the other machine before it goes on without knowing."""


def orphans_field() -> Any:
    """Return the field of the option `orphans`, which a subclass repeats where the option is to stand in its order."""
    return field(
        default="kill", metadata={"help": 'what happens to processes that a command leaves behind: "kill" or "allow"'}
    )


@define(kw_only=True, eq=False)
class RemoteExecutor(Executor):
    """Starts attempts over a line, which may be away for a while, and finds them again.

    A keeper on the other machine holds each job, enforces its limits and timeout, and records its exit status.
    """

    takes: ClassVar[Collection[str]] = ("command", "shell")
    masks_output: ClassVar[bool] = True
    place: ClassVar[str] = "the host"
    """The other machine, in sentences."""

    orphans: Literal["kill", "allow"] = orphans_field()
    _attempts: dict[str, RemoteAttempt] = field(init=False, factory=dict)

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """Return what enforces each limit; what the machine can't do fails the start there."""
        by_keeper = f"the keeper on {cls.place}, checked while the job runs"
        return {
            **dict.fromkeys(("memory", "cpu_time", "processes"), by_keeper),
            "open_files": f"RLIMIT_NOFILE on {cls.place}, for each process",
            "file_size": f"RLIMIT_FSIZE on {cls.place}, for each file",
            "nice": f"setpriority on {cls.place}",
            "ionice": f"ioprio_set on {cls.place}",
        }

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Return nothing: what a machine can't enforce is only known there."""
        del limits
        return {}

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return what of a job means something else on another machine."""
        return describe_problem_of_job(job)

    @abstractmethod
    def make_attempt(self, assignment: Assignment, request: Mapping[str, Any] | None) -> RemoteAttempt:
        """Return an attempt on the line, which is opened; `request` is None for one of an earlier daemon."""

    @abstractmethod
    def open_line(self) -> ProcessLine:
        """Return the line, which need not be open yet."""

    async def start(self, assignment: Assignment) -> RemoteAttempt:
        """Have the attempt started, as soon as the other machine can be reached. Errors: ValueError, OSError."""
        request = await asyncio.to_thread(build_request, assignment, self.orphans)
        if not request["argv"]:
            raise ValueError(f'the {self.type} executor needs "command" or "shell"')
        return self._add(self.make_attempt(assignment, request))

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """Return the attempt as its machine knows it; while it can't be reached, an attempt whose state is open."""
        attempt = self._add(self.make_attempt(assignment, None))
        try:
            await asyncio.wait_for(attempt.known.wait(), FIND_SECONDS)
        except TimeoutError:
            return attempt
        return attempt.outcome if attempt.has_ended else attempt

    async def close(self) -> None:
        """Let go of the attempts, which go on, and which the next daemon finds."""
        for attempt in self._attempts.values():
            attempt.leave()
        self._attempts.clear()

    def confirm_ends(self, attempts: Collection[tuple[RunId, int]]) -> None:
        """Have the host forget attempts whose ends are durable."""
        for run, number in attempts:
            if (attempt := self._attempts.pop(name_attempt(run, number), None)) is not None:
                attempt.confirm()

    def _add(self, attempt: RemoteAttempt) -> RemoteAttempt:
        self._attempts[attempt.token] = attempt
        self.open_line().add(attempt)
        return attempt
