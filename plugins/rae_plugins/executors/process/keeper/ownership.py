"""Ownership of processes among a keeper's jobs; the theory is in `procfs`."""

import os
from collections.abc import Iterable, Mapping

from rae_plugins.executors.process.keeper import procfs
from rae_plugins.executors.process.keeper.attempt_process import AttemptProcess
from rae_plugins.executors.process.keeper.procfs import ProcessInfo

MAX_TAGS = 100_000
"""Number of starts after which tags are used again, unless a process still carries them."""

FALLBACK_TAG_BASE = 1 << 30
"""Base of the tags where the limit that carries them is unlimited."""


class Ownership:
    """Assigns tags to jobs, and finds out which job a process belongs to."""

    def __init__(self, jobs: Mapping[int, AttemptProcess]) -> None:
        """Work on `jobs`, the jobs that have not finished, by the pid of their main process."""
        self.tag: int | None = None
        self._jobs = jobs
        self._count = 0
        self._taken: set[int] = set()
        """Tags that processes carried when the count began again, such as those of services left running."""
        import resource  # not at the top: the module can then be imported on Windows

        resource_number = getattr(resource, "RLIMIT_MSGQUEUE", None)
        self._resource_number: int | None = resource_number
        self._set_limit = resource.setrlimit
        soft, self._hard = resource.getrlimit(resource_number) if resource_number is not None else (0, 0)
        self._base = soft if soft != resource.RLIM_INFINITY else FALLBACK_TAG_BASE

    def assign_next_tag(self) -> None:
        """Give processes that are spawned from now on a tag of their own."""
        if self._resource_number is not None and self._base > 2 * MAX_TAGS:
            self.tag = self._next_free_tag()
            self._set_limit(self._resource_number, (self.tag, self._hard))

    def _next_free_tag(self) -> int:
        for _ in range(MAX_TAGS):
            self._count = self._count % MAX_TAGS + 1
            if self._count == 1 and self.tag is not None:
                self._taken = {tag for pid in procfs.read_all_processes() if (tag := procfs.read_tag(pid)) is not None}
            if self._base - self._count not in self._taken:
                break
        return self._base - self._count

    def orphan_pids(self) -> list[int]:
        """Return the keeper's children that aren't a job's main process."""
        return [pid for pid in procfs.list_child_pids() if pid not in self._jobs]

    def find_owner(self, orphan: int) -> AttemptProcess | None:
        """Return the job that an orphan belongs to."""
        tag = procfs.read_tag(orphan)
        if tag is not None and self._base - MAX_TAGS <= tag < self._base:
            # None if its job has finished and let it stay.
            return next((job for job in self._jobs.values() if job.tag == tag), None)
        process = procfs.read_process(orphan)
        if process is not None and process.session in self._jobs:
            return self._jobs[process.session]
        run = procfs.read_run_id(orphan)
        owner = next((job for job in self._jobs.values() if run is not None and job.run == run), None)
        # An orphan that shed every mark belongs to the only job, if there is only one.
        return owner or (next(iter(self._jobs.values())) if len(self._jobs) == 1 else None)

    def has_orphans(self, job: AttemptProcess, orphans: Iterable[int]) -> bool:
        """Return whether a job whose main process has ended has left processes behind."""
        if any(self.find_owner(pid) is job for pid in orphans):
            return True
        return not procfs.has_procfs() and procfs.is_group_alive(job.pid)

    def members(self, job: AttemptProcess) -> list[ProcessInfo]:
        """Return all processes of a job, zombies included."""
        table = procfs.read_all_processes()
        if not table:
            return [procfs.group_as_process(job.pid)] if procfs.is_group_alive(job.pid) else []
        own_pid = os.getpid()
        roots = [
            process
            for process in table.values()
            if process.parent == own_pid
            and (process.pid == job.pid or (process.pid not in self._jobs and self.find_owner(process.pid) is job))
        ]
        if job.container is not None:
            roots += [table[pid] for pid in job.container.pids() if pid in table]
        return procfs.collect_trees(roots, table)

    def live_members(self, job: AttemptProcess) -> list[ProcessInfo]:
        """Return all processes of a job but zombies."""
        return [process for process in self.members(job) if not process.is_dead]
