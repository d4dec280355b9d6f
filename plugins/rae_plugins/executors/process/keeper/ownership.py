"""Whose a process is, among the jobs of a keeper: see the theory in `tree`."""

import os
import resource
from collections.abc import Iterable, Mapping

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.job import Job
from rae_plugins.executors.process.keeper.procfs import Process

MOST_TAGS = 100_000
"""Tags come round after so many starts."""


class Ownership:
    """Tells processes apart by the jobs that they are of."""

    def __init__(self, jobs: Mapping[int, Job]) -> None:
        """`jobs` are those in hand, by the pid of their main process."""
        self.tag: int | None = None
        self._jobs = jobs
        self._count = 0
        kind = getattr(resource, "RLIMIT_MSGQUEUE", None)
        self._kind: int | None = kind
        soft, self._hard = resource.getrlimit(kind) if kind is not None else (0, 0)
        self._base = soft if soft != resource.RLIM_INFINITY else 1 << 30

    def next_tag(self) -> None:
        """Have what is spawned from now on carry a tag of its own."""
        if self._kind is not None and self._base > 2 * MOST_TAGS:
            self._count = self._count % MOST_TAGS + 1
            self.tag = self._base - self._count
            resource.setrlimit(self._kind, (self.tag, self._hard))

    def orphans(self) -> list[int]:
        """The keeper's children that are no job's main process."""
        return [pid for pid in procfs.children_of_mine() if pid not in self._jobs]

    def owner(self, orphan: int) -> Job | None:
        """The job that an orphan is of."""
        tag = procfs.tag_of(orphan)
        if tag is not None and self._base - MOST_TAGS <= tag < self._base:
            # Or nobody's any more, where its job let it stay.
            return next((job for job in self._jobs.values() if job.tag == tag), None)
        process = procfs.look(orphan)
        if process is not None and process.session in self._jobs:
            return self._jobs[process.session]
        run = procfs.run_of(orphan)
        marked = next((job for job in self._jobs.values() if run is not None and job.run == run), None)
        # It has shed all that could tell. Where there is only one job, that says it.
        return marked or (next(iter(self._jobs.values())) if len(self._jobs) == 1 else None)

    def has_left(self, job: Job, orphans: Iterable[int]) -> bool:
        """Whether a job whose main process has ended has left something."""
        if any(self.owner(pid) is job for pid in orphans):
            return True
        return not procfs.is_known() and procfs.group_lives(job.pid)

    def members(self, job: Job) -> list[Process]:
        """All processes of a job, zombies included."""
        table = procfs.processes()
        if not table:
            return [procfs.group(job.pid)] if procfs.group_lives(job.pid) else []
        me = os.getpid()
        roots = [
            process
            for process in table.values()
            if process.parent == me
            and (process.pid == job.pid or (process.pid not in self._jobs and self.owner(process.pid) is job))
        ]
        if job.group is not None:
            roots += [table[pid] for pid in job.group.pids() if pid in table]
        return procfs.below(roots, table)

    def living(self, job: Job) -> list[Process]:
        """All processes of a job that live."""
        return [process for process in self.members(job) if not process.dead]
