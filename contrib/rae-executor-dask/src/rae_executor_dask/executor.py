"""The executor: its options, and attempts started, found again and left behind."""

import asyncio
import importlib.util
import math
from collections.abc import Collection, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import define, field

from rae_auto.api import Assignment, Execution, Executor, JobContext, NeverStarted
from rae_auto.model.job import Job
from rae_auto.model.policies import Limits
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.run import Result
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_auto.toolkit.validators import positive_duration
from rae_executor_dask.cluster.settings import ClusterSettings
from rae_executor_dask.cluster_link import ClusterLink
from rae_executor_dask.probe import find_problems
from rae_plugins.executors.remote.attempt import RemoteAttempt
from rae_plugins.executors.remote.request import build_request, describe_problem_of_job

DEFAULT_DIRECTORY = "~/.local/state/rae-auto-dask"

READY_SECONDS = 4.5
"""Time that the cluster may take to answer before a start waits with the reason."""

FIND_SECONDS = 3.0
"""Time for which a new daemon waits for the cluster before it goes on without knowing."""

_BY_KEEPER = "the keeper beside the worker, checked while the job runs"


def _check_scheduler(_: object, __: object, address: str) -> None:
    protocol, separator, rest = address.partition("://")
    if not (separator and protocol and rest) or not address.isprintable() or " " in address:
        raise ValueError(f'must be the address of a scheduler, as in "tcp://10.0.0.5:8786", not {format_toml(address)}')


def _check_amounts(_: object, __: object, resources: Mapping[str, float]) -> None:
    for name, amount in resources.items():
        if not math.isfinite(amount) or amount <= 0:
            raise ValueError(f'"{name}" must be more than 0, not {amount:g}; a label needs no amount')


class DaskAttempt(RemoteAttempt):
    """An attempt on a cluster, whose worker may be silent while the scheduler answers."""

    _is_away = False

    @property
    def is_out_of_reach(self) -> bool:
        return not self.has_ended and (self._is_away or not self._line.is_open)

    def handle_report(self, report: Mapping[str, Any]) -> None:
        if "away" in report:
            self._is_away = report["away"]
        else:
            super().handle_report(report)


@define(kw_only=True, eq=False)
class DaskExecutor(Executor):
    """Runs `command` or `shell` on a worker of a Dask cluster, which exists already.

    Dask chooses the worker, by labels, resources and priority. A keeper, the worker's child, holds the job, enforces
    limits and timeout, and ends it with the worker. Each attempt starts at most once, however often Dask runs its task.
    """

    type: ClassVar[str] = "dask"
    takes: ClassVar[Collection[str]] = ("command", "shell")
    masks_output: ClassVar[bool] = True
    example: ClassVar[Mapping[str, Any]] = {"scheduler": "tcp://10.0.0.5:8786"}

    scheduler: str = field(validator=_check_scheduler, metadata={"help": "address of the scheduler"})
    labels: tuple[str, ...] = field(
        default=(), converter=tuple, metadata={"help": "names of resources that the worker must have"}
    )
    resources: Mapping[str, float] = field(
        factory=dict,
        validator=_check_amounts,
        metadata={"help": "amounts of the worker's resources that the attempt takes while it runs"},
    )
    directory: str = field(
        default=DEFAULT_DIRECTORY, metadata={"help": "folder for runs on the machines of the workers"}
    )
    orphans: Literal["kill", "allow"] = field(
        default="kill", metadata={"help": 'what happens to processes that a command leaves behind: "kill" or "allow"'}
    )
    lease: timedelta = field(
        default=timedelta(seconds=60),
        converter=parse_duration,
        validator=positive_duration(),
        metadata={"help": "time for which a job may go on whose worker is stopped or cut off from the scheduler"},
    )
    _claims: Path | None = field(init=False, default=None)
    _link: ClusterLink | None = field(init=False, default=None)
    _attempts: dict[str, RemoteAttempt] = field(init=False, factory=dict)

    @classmethod
    def available(cls) -> str | None:
        """Return what is missing: the library."""
        found = importlib.util.find_spec("distributed")
        return None if found else "the library distributed is not installed; run 'pip install distributed'"

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        """Return what enforces each limit; what the worker's machine can't do fails the start there."""
        return {
            "memory": _BY_KEEPER,
            "cpu_time": _BY_KEEPER,
            "processes": _BY_KEEPER,
            "open_files": "RLIMIT_NOFILE on the worker's machine, for each process",
            "file_size": "RLIMIT_FSIZE on the worker's machine, for each file",
            "nice": "setpriority on the worker's machine",
            "ionice": "ioprio_set on the worker's machine",
        }

    @classmethod
    def unenforceable(cls, limits: Limits) -> Mapping[str, str]:
        """Return nothing: what a machine can't enforce is only known there."""
        del limits
        return {}

    @classmethod
    def unsupported_keys(cls) -> Mapping[str, str]:
        """Return the keys that a worker can't honour."""
        return {"user": "jobs run as the user of the worker; start workers as that user, and give them a label"}

    def summary(self) -> str:
        """Return the scheduler, and the labels."""
        return summarize(self.type, self.scheduler, *self.labels)

    def describe(self) -> str:
        """Return where jobs run as part of a sentence."""
        return f"on a worker of {self.scheduler}"

    def job_warnings(self, job: Job, context: JobContext) -> Mapping[str, str]:
        """Return what of a job means something else on a worker."""
        return describe_problem_of_job(job)

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Connect, and return what keeps the cluster from running attempts with these labels and resources."""
        return find_problems(self.scheduler, self.labels, self.resources)

    async def open(self, directory: Path) -> None:
        """Keep claims in `directory`."""
        claims = directory / "claims"
        claims.mkdir(mode=0o700, exist_ok=True)
        self._claims = claims

    async def check_readiness(self) -> str | None:
        """Return why no worker could take an attempt now."""
        return await self._open_link().find_problem(self.labels, self.resources, READY_SECONDS)

    async def start(self, assignment: Assignment) -> Execution:
        """Hand the attempt to the cluster. Errors: ValueError, OSError."""
        request = await asyncio.to_thread(build_request, assignment, self.orphans)
        if not request["argv"]:
            raise ValueError('the dask executor needs "command" or "shell"')
        work = {
            "request": request,
            "name": assignment.job.id,
            "labels": self.labels,
            "resources": dict(self.resources),
            "priority": int(assignment.job.priority),
        }
        return self._add(DaskAttempt(self._open_link(), assignment, work))

    async def find(
        self, assignment: Assignment, handle: Mapping[str, Any] | None
    ) -> Execution | Result | NeverStarted | None:
        """Return the attempt as its machine knows it; while no worker can be asked, an attempt whose state is open."""
        attempt = self._add(DaskAttempt(self._open_link(), assignment, None))
        try:
            await asyncio.wait_for(attempt.known.wait(), FIND_SECONDS)
        except TimeoutError:
            return attempt
        return attempt.outcome if attempt.has_ended else attempt

    async def close(self) -> None:
        """Close the line; attempts under way go on, and the next daemon finds them."""
        if self._link is not None:
            for attempt in self._attempts.values():
                self._link.remove(attempt.token)
            await self._link.release()
            self._link = None
        for attempt in self._attempts.values():
            attempt.leave()
        self._attempts.clear()

    def _open_link(self) -> ClusterLink:
        if self._link is None:
            assert self._claims is not None, "open() comes first"
            seconds = self.lease.total_seconds()
            self._link = ClusterLink.acquire(
                ClusterSettings(self.scheduler, str(self._claims), self.directory, seconds)
            )
        return self._link

    def _add(self, attempt: RemoteAttempt) -> RemoteAttempt:
        for token in [token for token, known in self._attempts.items() if known.has_ended]:
            del self._attempts[token]
        self._attempts[attempt.token] = attempt
        self._open_link().add(attempt)
        return attempt
