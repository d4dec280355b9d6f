"""The contract of advice on valid jobs, which `check` asks for."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.model.job import Job
from rae_auto.model.primitives.problems import Key, Problem


@frozen
class CheckedJob:
    """A valid job, or the valid part of one, with its triggers by their keys in its table.

    `timezone` is that of the file.
    """

    job: Job
    triggers: Mapping[Key, Plugin]
    timezone: str
    has_notifiers: bool
    """True if the file defines any."""
    unknown: frozenset[str] = frozenset()
    """The keys of its table whose values are wrong, so that nothing may be said that rests on them."""


class Advisor(Protocol):
    """Warnings about valid jobs on this machine."""

    def advise_on_job(self, job: CheckedJob) -> Iterable[Problem]:
        """Return warnings about a job, with keys in its table."""
        ...

    def find_faults(self, plugin: Plugin) -> Iterable[str]:
        """Return what will fail at the first use of a top-level plugin by a daemon, a line each."""
        ...

    def prepare_jobs(self, jobs: Sequence[CheckedJob]) -> tuple[Iterable[Problem], Iterable[Problem]]:
        """Prepare what jobs need for their runs; return errors and warnings, with keys in the file."""
        ...

    def advise_on_all(self, jobs: Sequence[CheckedJob]) -> Iterable[Problem]:
        """Return warnings about jobs together, with keys in the file."""
        ...
