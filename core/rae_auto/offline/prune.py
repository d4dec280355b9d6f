"""Removes old history and output while no daemon runs, by the rules that a daemon applies once an hour."""

import asyncio
from datetime import timedelta

from rae_auto.model import documents
from rae_auto.model.run import Run
from rae_auto.offline.history_check import reporting_long_check
from rae_auto.offline.project import Project
from rae_auto.records.state_directory import claim_state_directory
from rae_auto.runtime.repository import Repository
from rae_auto.runtime.retention import HistoryBounds, shorten
from rae_auto.runtime.time.clock import SystemClock


def prune(project: Project, older_than: timedelta | None) -> int:
    """Remove history beyond its bounds, or older than given; return the count. Errors: StoreLocked, StoreError."""
    return asyncio.run(_prune(project, older_than))


async def _prune(project: Project, older_than: timedelta | None) -> int:
    retention = shorten(project.config.history, older_than)
    repository = Repository(project.plugins.store(project.config.store))
    directory = claim_state_directory(project.directory)
    with project.naming_leader():
        project.notices += await repository.open(directory)
    try:
        with reporting_long_check(project.report):
            await asyncio.wait({repository.begin_check()})
        opened, _ = await repository.load(documents.RUN, Run)
        bounds = HistoryBounds(
            repository,
            directory,
            lambda: retention,
            lambda: SystemClock().now().wall,
            lambda job: frozenset(run.id for run in opened if run.job == job),
        )
        return await bounds.apply(for_orphans=True)
    finally:
        await repository.close()
