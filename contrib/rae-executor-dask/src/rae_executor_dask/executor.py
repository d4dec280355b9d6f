"""The executor: its options, and attempts started, found again and left behind."""

import asyncio
import importlib.util
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Literal

from attrs import define, evolve, field

from rae_auto.api import Assignment
from rae_auto.model.primitives.units import parse_duration
from rae_auto.model.run import QueuePlace, Result
from rae_auto.toolkit.summaries import summarize
from rae_auto.toolkit.toml_values import format_toml
from rae_auto.toolkit.validators import positive_duration
from rae_executor_dask.cluster.claims import read_boot_clock
from rae_executor_dask.cluster.settings import ClusterSettings, TlsFiles
from rae_executor_dask.cluster_link import ClusterLink
from rae_executor_dask.probe import find_problems
from rae_plugins.executors.remote.attempt import Outcome, RemoteAttempt
from rae_plugins.executors.remote.executor import RemoteExecutor, orphans_field

DEFAULT_DIRECTORY = "~/.local/state/rae-auto-dask"

READY_SECONDS = 4.5
"""Time that the cluster may take to answer before a start waits with the reason."""


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
    _worker = ""
    """The name of the worker that has taken it."""

    def __init__(
        self, line: ClusterLink, assignment: Assignment, work: Mapping[str, Any] | None, queue: QueuePlace
    ) -> None:
        super().__init__(line, assignment, work)
        self._queue = queue
        self._left_queue = asyncio.Event()
        """A worker has taken it, or it is over."""
        self._taken_at: float | None = None
        """When a worker took it (`read_boot_clock`); None while no worker has."""

    @property
    def queue(self) -> QueuePlace:
        return self._queue

    async def leave_queue(self) -> timedelta | None:
        await self._left_queue.wait()
        return self._find_age()

    @property
    def taken_by(self) -> str:
        return self._worker

    @property
    def is_out_of_reach(self) -> bool:
        return not self.has_ended and (self._is_away or not self._line.is_open)

    def handle_report(self, report: Mapping[str, Any]) -> None:
        if "away" in report:
            self._is_away = report["away"]
            return
        if "taken" in report:
            self._taken_at, self._worker = read_boot_clock() - report["ago"], report["taken"]
        elif self._taken_at is None and ("alive" in report or "data" in report):
            self._taken_at = read_boot_clock()
        if "taken" not in report:
            super().handle_report(report)
        self._left_queue.set()

    def _finish(self, outcome: Outcome) -> None:
        super()._finish(outcome)
        # At once, so that the task's result goes: no other node's daemon can follow the attempt.
        self.confirm()
        self._left_queue.set()

    def to_result(self, record: Mapping[str, Any], *, is_past: bool) -> Result:
        """Return the result; one of the past has the time at which a worker took the attempt, too."""
        result = super().to_result(record, is_past=is_past)
        age = self._find_age() if is_past else None
        return result if age is None else evolve(result, started_at=datetime.now(UTC) - age)

    def _find_age(self) -> timedelta | None:
        return None if self._taken_at is None else timedelta(seconds=read_boot_clock() - self._taken_at)


@define(kw_only=True, eq=False)
class DaskExecutor(RemoteExecutor):
    """Runs `command` or `shell` on a worker of a Dask cluster, which exists already.

    Dask chooses the worker, by labels, resources and priority. A keeper, the worker's child, holds the job, enforces
    limits and timeout, and ends it with the worker. Each attempt starts at most once, however often Dask runs its task.
    """

    type: ClassVar[str] = "dask"
    place: ClassVar[str] = "the worker's machine"
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
    orphans: Literal["kill", "allow"] = orphans_field()
    lease: timedelta = field(
        default=timedelta(seconds=60),
        converter=parse_duration,
        validator=positive_duration(),
        metadata={"help": "time for which a job may go on whose worker is stopped or cut off from the scheduler"},
    )
    ca_file: str | None = field(
        default=None,
        metadata={"help": "certificate of the authority that the cluster has, for a tls:// address", "is_path": True},
    )
    cert_file: str | None = field(
        default=None, metadata={"help": "certificate of the daemon, signed by that authority", "is_path": True}
    )
    key_file: str | None = field(
        default=None, metadata={"help": "key of the certificate, if `cert_file` doesn't have it too", "is_path": True}
    )
    _claims: Path | None = field(init=False, default=None)
    _link: ClusterLink | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """Refuse files of certificates that can't serve. Errors: ValueError."""
        if not (self.ca_file or self.cert_file or self.key_file):
            return
        if not self.scheduler.startswith("tls://"):
            raise ValueError('ca_file, cert_file and key_file are for TLS; use a "tls://" address of the scheduler')
        if not (self.ca_file and self.cert_file):
            raise ValueError("ca_file and cert_file need each other, because both sides of a cluster show certificates")

    @classmethod
    def available(cls) -> str | None:
        """Return what is missing: the library."""
        found = importlib.util.find_spec("distributed")
        return None if found else "the library distributed is not installed; run 'pip install distributed'"

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

    def problems(self, directory: Path) -> tuple[str, ...]:
        """Connect, and return what keeps the cluster from running attempts with these labels and resources."""
        with TemporaryDirectory() as place:
            return find_problems(self._settings(Path(place)), self.labels, self.resources)

    async def open(self, directory: Path) -> None:
        """Keep claims in `directory`."""
        claims = directory / "claims"
        claims.mkdir(mode=0o700, exist_ok=True)
        self._claims = claims

    async def check_readiness(self) -> str | None:
        """Return why no worker could take an attempt now."""
        return await self.open_line().find_problem(self.labels, self.resources, READY_SECONDS)

    def make_attempt(self, assignment: Assignment, request: Mapping[str, Any] | None) -> DaskAttempt:
        """Return an attempt on the cluster."""
        work = request and {
            "request": request,
            "name": assignment.job.id,
            "labels": self.labels,
            "resources": dict(self.resources),
            "priority": int(assignment.job.priority),
        }
        return DaskAttempt(self.open_line(), assignment, work, self._describe_queue())

    def _describe_queue(self) -> QueuePlace:
        labels = f"label{'' if len(self.labels) == 1 else 's'} {', '.join(self.labels)}" if self.labels else ""
        amounts = ", ".join(f"{amount:g} {name}" for name, amount in self.resources.items())
        wanted = " and ".join(filter(None, (labels, amounts and f"{amounts} free")))
        return QueuePlace(self.scheduler, f"a worker with {wanted}" if wanted else "a free worker")

    async def close(self) -> None:
        """Close the line; attempts under way go on, and the next daemon finds them."""
        if self._link is not None:
            for attempt in self._attempts.values():
                self._link.remove(attempt.token)
            await self._link.release()
            self._link = None
        await super().close()

    def open_line(self) -> ClusterLink:
        """Return the line to the helper, which others may use too."""
        if self._link is None:
            assert self._claims is not None, "open() comes first"
            self._link = ClusterLink.acquire(self._settings(self._claims))
        return self._link

    def _settings(self, claims: Path) -> ClusterSettings:
        tls = None
        if self.ca_file and self.cert_file:
            key = self.key_file and str(Path(self.key_file).expanduser())
            tls = TlsFiles(str(Path(self.ca_file).expanduser()), str(Path(self.cert_file).expanduser()), key)
        return ClusterSettings(self.scheduler, str(claims), self.directory, self.lease.total_seconds(), tls)
