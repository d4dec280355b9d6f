"""The usual duration of the runs of jobs, from the running daemon or from the store."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta

from attrs import evolve

from rae_auto.api.store import LogQuery, Store
from rae_auto.control.client import Client
from rae_auto.errors import DaemonUnreachable
from rae_auto.explain.screen_reads import read_durations
from rae_auto.model import documents
from rae_auto.model.figures.durations import EXAMINED_RUNS, summarize_durations
from rae_auto.model.job import Job
from rae_auto.model.job_state import JobState
from rae_auto.model.primitives.names import JobId
from rae_auto.model.run import RunState
from rae_auto.offline.project import Project
from rae_auto.offline.queries import load_values

MAX_READ_RUNS = 12_000
"""Number of runs that are read for all jobs together: where there are more jobs, fewer of the latest runs of each."""

JOBS_AT_ONCE = 500
"""Number of jobs in one request."""


def read_usual_durations(
    project: Project, jobs: Sequence[JobId], connect: Callable[[], Client]
) -> dict[JobId, timedelta]:
    """Return the median duration of the latest successful runs, as all screens show it, of each job that has any.

    Errors: StoreError.
    """
    limit = min(EXAMINED_RUNS, max(MAX_READ_RUNS // max(len(jobs), 1), 1))
    try:
        with connect() as client:
            found: dict[str, list[float]] = {}
            for first in range(0, len(jobs), JOBS_AT_ONCE):
                found |= client.call("durations", jobs=list(jobs[first : first + JOBS_AT_ONCE]), limit=limit)
    except DaemonUnreachable:
        with project.read_store() as store:
            query = LogQuery(states=(RunState.SUCCEEDED,), limit=limit)
            found = read_durations(store, _queries(project, store, jobs, query), query)
    return dict(_medians(found))


def _queries(project: Project, store: Store, jobs: Sequence[JobId], query: LogQuery) -> dict[str, list[LogQuery]]:
    """Return the queries for all ids under which runs of each job are on record."""
    states = {state.job: state for state in load_values(store, documents.STATE, JobState)}
    taken = {*project.job_names, *(stored.id for stored in load_values(store, documents.JOB, Job))}
    former = {job: states[job].former_ids if job in states else () for job in jobs}
    return {
        job: [evolve(query, job=one) for one in (job, *(id_ for id_ in former[job] if id_ not in taken))]
        for job in jobs
    }


def _medians(found: Mapping[str, Sequence[float]]) -> Iterator[tuple[JobId, timedelta]]:
    for job, durations in found.items():
        usual = summarize_durations([timedelta(seconds=one) for one in durations])
        if usual is not None:
            yield JobId(job), usual.p50
